"""Reads JSON-RPC messages: what each is, and whom it concerns, beside its bytes, which travel on unchanged.

`toolhive_common.mcp.jsonrpc` reads it, for the proxy as for the agent: what one of them takes care to preserve, the
other must not drop.
"""

import re
from typing import Any

from toolhive_common.mcp import jsonrpc
from toolhive_common.mcp.jsonrpc import Id, is_id
from toolhive_proxy.models.messages import Batch, Invalid, Kind, Message

__all__ = ["ids_within", "read_client"]

_ID_IN_TEXT = re.compile(rb'"id"\s*:\s*(-?\d{1,18}\b|"[^"\\]{0,200}")')
_PLAIN_IDS = frozenset({int, str})
_END = 1024
"""Bytes at each end of a message where its id is looked for: nobody writes it into the middle."""


def read_client(data: bytes) -> Message | Batch | Invalid:
    """Say what a client's body is. Clients are held to JSON-RPC: they learn of a mistake at once."""
    try:
        value = jsonrpc.parse(data)
    except ValueError as error:
        return Invalid(str(error), is_json=False)
    if type(value) is dict and (call := _plain_request(value, data)) is not None:
        return call
    if isinstance(value, list):
        return _batch(value, data)
    return _client_message(value, data)


def _batch(values: list[Any], data: bytes) -> Batch | Invalid:
    messages = []
    for value in values:
        message = _client_message(value, jsonrpc.encode(value) if isinstance(value, dict) else b"")
        if isinstance(message, Invalid):
            return message
        messages.append(message)
    return Batch(tuple(messages), data) if messages else Invalid("the batch is empty", is_json=True)


def _client_message(value: Any, data: bytes) -> Message | Invalid:
    if isinstance(value, dict) and (fault := _fault(value)):
        return Invalid(fault, is_json=True, id=_id(value.get("id")))
    if isinstance(value, dict) and "error" in value and "method" not in value and value.get("id") is None:
        return Message(Kind.RESPONSE, "", None, None, data, is_error=True)  # to a request that it could not read
    return _message(value, data)


def _plain_request(value: dict[str, Any], data: bytes) -> Message | None:
    """Read a request without any fault, the quick way: it is what nearly every body is. ``None`` = look closer."""
    method, request_id, params = value.get("method"), value.get("id"), value.get("params")
    if value.get("jsonrpc") != "2.0" or type(method) is not str or type(request_id) not in _PLAIN_IDS:
        return None
    if params is None or type(params) is dict:
        return Message(Kind.REQUEST, method, request_id, params, data)
    return None


def _fault(value: dict[str, Any]) -> str:
    if value.get("jsonrpc") != "2.0":
        return '"jsonrpc" must be "2.0"'
    if "method" not in value and ("error" in value) == ("result" in value):
        return 'a message has either "method", "result" or "error"'
    if not isinstance(value.get("params"), dict | None):
        return '"params" must be an object'
    return ""


def _message(value: Any, data: bytes) -> Message | Invalid:
    match jsonrpc.classify(value):
        case jsonrpc.Request(request_id, method, raw):
            return Message(Kind.REQUEST, method, request_id, _params(raw.get("params")), data)
        case jsonrpc.Notification(method, raw):
            return Message(Kind.NOTIFICATION, method, None, _params(raw.get("params")), data)
        case jsonrpc.Response(request_id) as response:
            return Message(Kind.RESPONSE, "", request_id, None, data, is_error=response.is_error)
        case jsonrpc.Invalid(_, reason):
            return Invalid(reason, is_json=True, id=_id(value.get("id")) if isinstance(value, dict) else None)


def ids_within(data: bytes) -> list[Id]:
    """Ids that a text which cannot be read seems to have: its call can then be failed before its time is up."""
    if not data.lstrip().startswith(b"{"):
        return []
    ends = data if len(data) <= 2 * _END else data[:_END] + b"\n" + data[-_END:]
    found = [match.group(1) for match in _ID_IN_TEXT.finditer(ends)]
    return [text[1:-1].decode(errors="replace") if text.startswith(b'"') else int(text) for text in found]


def _params(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _id(value: object) -> Id | None:
    return value if is_id(value) else None
