"""Shows clients the tools they may use under the names they shall have, and lets them call no other."""

from dataclasses import replace

from toolhive_common.mcp import jsonrpc
from toolhive_common.middleware.parts import ToolRules
from toolhive_proxy.decisions.modern_rules import header_text
from toolhive_proxy.decisions.tool_rules import ToolNames, encode_header
from toolhive_proxy.models.gates import Gate, RequestContext
from toolhive_proxy.models.http import Header, Response
from toolhive_proxy.models.messages import Batch, Kind, Message
from toolhive_proxy.protocol.headers import accepts_json

__all__ = ["tool_call_gate", "tool_list_gate"]

_INVALID_PARAMS = -32602
_TWO_NAMES = "a key is written like {!r} but for its case; servers may read either, so send one, in lower case"
_NOT_FOUND = "tool not found"
_NAME = b"mcp-name"
_JSON: tuple[Header, ...] = ((b"content-type", b"application/json"),)


def tool_list_gate(rules: ToolRules) -> Gate:
    """Make the gate that has lists of tools rewritten.

    A list may also come on a stream that a client opens or takes up again, where nothing says what it answers to.
    """
    rewrite = ToolNames.of(rules).rewrite

    def watch(context: RequestContext) -> None:
        message = context.message
        is_list = isinstance(message, Message) and message.method == "tools/list"
        if is_list or isinstance(message, Batch) or (message is None and context.request.method == "GET"):
            context.rewrites.append(rewrite)

    return watch


def tool_call_gate(rules: ToolRules) -> Gate:
    """Make the gate that calls tools by the server's names, and refuses those that clients do not know of.

    What goes on is what was judged, written anew: a server may take the first of two keys with one name where the
    proxy took the last.
    """
    names = ToolNames.of(rules)

    def check(context: RequestContext) -> Response | None:
        try:
            message = context.message = _as_judged(context.message)
        except ValueError as error:
            message = context.message
            request_id = message.id if isinstance(message, Message) and message.kind is Kind.REQUEST else None
            return Response(400, jsonrpc.error_body(request_id, jsonrpc.Code.INVALID_REQUEST, str(error)), _JSON)
        if isinstance(message, Message):
            return _check_call(names, context, message) if message.method == "tools/call" else None
        return _check_batch(names, context, message) if isinstance(message, Batch) else None

    return check


def _as_judged(message: Message | Batch | None) -> Message | Batch | None:
    """Write a message as it was read; raises `ValueError` for one that others may read otherwise."""
    if message is None:
        return None
    if isinstance(message, Batch):
        members = tuple(_member_as_judged(member) for member in message.messages)
        return Batch(members, b"[" + b",".join(member.data for member in members) + b"]")
    return _member_as_judged(message)


def _member_as_judged(message: Message) -> Message:
    value = jsonrpc.parse(message.data)
    params = value.get("params")
    keys = ((value, "method"), (value, "params"), (params if message.method == "tools/call" else None, "name"))
    for among, key in keys:
        if isinstance(among, dict) and any(each != key and each.casefold() == key for each in among):
            raise ValueError(_TWO_NAMES.format(key))
    return replace(message, data=jsonrpc.encode(value))


def _check_call(names: ToolNames, context: RequestContext, message: Message) -> Response | None:
    shown = message.params.get("name") if message.params else None
    if not isinstance(shown, str) or not shown:
        return Response(400)
    actual = names.actual_name(shown)
    if actual is None:
        if not accepts_json(context.request.header(b"accept")):
            return Response(400)
        body = jsonrpc.error_body(message.id, _INVALID_PARAMS, _NOT_FOUND)
        return Response(200 if message.id is not None else 400, body, _JSON)
    if actual != shown:
        context.message = _renamed(message, actual)
        context.headers = [_renamed_header(header, shown, actual) for header in context.headers]
    return None


def _renamed(message: Message, actual: str) -> Message:
    value = jsonrpc.parse(message.data)
    value["params"]["name"] = actual
    return replace(message, params=value["params"], data=jsonrpc.encode(value))


def _renamed_header(header: Header, shown: str, actual: str) -> Header:
    """Let ``Mcp-Name`` follow the body. One that did not agree with it stays as it is: the server refuses it."""
    if header[0] == _NAME and header_text(header[1].decode("latin-1")) == shown:
        return _NAME, encode_header(actual).encode("ascii")
    return header


def _check_batch(names: ToolNames, context: RequestContext, batch: Batch) -> Response | None:
    """Look at each member. One that is refused takes the others with it: half an answer would have to be invented."""
    members = [_checked(names, member) for member in batch.messages]
    if any(member is None for member in members):
        return _refuse_batch(batch, [member is None for member in members])
    kept = tuple(member for member in members if member is not None)
    if kept != batch.messages:
        context.message = Batch(kept, b"[" + b",".join(member.data for member in kept) + b"]")
    return None


def _checked(names: ToolNames, member: Message) -> Message | None:
    """A member as it goes on; ``None`` when it calls a tool that clients do not know of."""
    if member.method != "tools/call":
        return member
    shown = member.params.get("name") if member.params else None
    actual = names.actual_name(shown) if isinstance(shown, str) and shown else None
    if actual is None:
        return None
    return member if actual == shown else _renamed(member, actual)


def _refuse_batch(batch: Batch, unknown: list[bool]) -> Response:
    errors = []
    for member, is_unknown in zip(batch.messages, unknown, strict=True):
        request_id = member.id
        if member.kind is Kind.REQUEST:
            text = _NOT_FOUND if is_unknown else "not done: another message of the batch was refused"
            code = _INVALID_PARAMS if is_unknown else jsonrpc.Code.INVALID_REQUEST
            errors.append(jsonrpc.error_body(request_id, code, text))
    return Response(200, b"[" + b",".join(errors) + b"]", _JSON) if errors else Response(400)
