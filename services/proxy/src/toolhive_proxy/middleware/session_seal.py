"""Lets a caller use no session but its own, at servers that keep their sessions themselves."""

from collections.abc import Callable
from functools import partial

from toolhive_common.mcp.eras import MODERN_VERSIONS
from toolhive_common.mcp.jsonrpc import Code
from toolhive_proxy.decisions.session_keys import opened, owner_of, sealed
from toolhive_proxy.models.gates import Gate, RequestContext
from toolhive_proxy.models.http import Header, Response
from toolhive_proxy.models.messages import Kind, Message
from toolhive_proxy.protocol.answers import error_answer
from toolhive_proxy.protocol.headers import PROTOCOL_VERSION, SESSION_ID

__all__ = ["seal_gate"]

_UNKNOWN = "there is no such session; call initialize again"


def seal_gate(workload: str, key_of: Callable[[], bytes]) -> Gate:
    """Make the gate of a workload with authentication, behind the one that finds out who calls.

    Parameters
    ----------
    key_of
        Tells the key of all seals, which takes a moment to make.
    """

    def check(context: RequestContext) -> Response | None:
        owner, key = owner_of(workload, context.identity), key_of()
        context.seal = partial(_seal, owner=owner, key=key)
        named = [header for header in context.headers if _names_session(header[0])]
        if not named:
            return None
        ids = [opened(value, owner, key) for name, value in named if name == SESSION_ID]
        kept = [(SESSION_ID, session) for session in ids if session is not None]
        # An era has no sessions, and its servers pass over what a client says of one.
        if len(kept) < len(ids) and context.request.header(PROTOCOL_VERSION) not in MODERN_VERSIONS:
            return _unknown(context)
        context.headers = [header for header in context.headers if not _names_session(header[0])] + kept
        return None

    return check


def _names_session(name: bytes) -> bool:
    """Whether a server may take a header for that of the session: some make no difference between - and _."""
    return len(name) == len(SESSION_ID) and name.replace(b"_", b"-") == SESSION_ID


def _seal(headers: tuple[Header, ...], *, owner: bytes, key: bytes) -> tuple[Header, ...]:
    if not any(name == SESSION_ID for name, _ in headers):
        return headers
    return tuple((name, sealed(value, owner, key) if name == SESSION_ID else value) for name, value in headers)


def _unknown(context: RequestContext) -> Response:
    message = context.message
    request_id = message.id if isinstance(message, Message) and message.kind is Kind.REQUEST else None
    return error_answer(404, Code.SESSION_NOT_FOUND, _UNKNOWN, request_id=request_id)
