"""Headers and body of a request to ``/<workload>/mcp`` -> what to do with it.

Where the specification and ToolHive differ, ToolHive's leniency is kept (a request without a session is served; any
``Accept`` is), unless the workload asks for ``strict_protocol_validation``. An unsupported ``MCP-Protocol-Version``
and a modern request to a server of the older era are refused as the specification demands: the client falls back.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from toolhive_common.mcp.eras import MODERN_VERSIONS, SUPPORTED_VERSIONS, speaks_modern
from toolhive_common.mcp.jsonrpc import Code, Id
from toolhive_proxy.models.messages import Batch, Invalid, Kind, Message
from toolhive_proxy.protocol.headers import is_session_id

__all__ = ["PostAction", "Refusal", "judge_body", "judge_session", "judge_session_post"]


@dataclass(frozen=True)
class Refusal:
    """Answer with this error instead."""

    status: int
    code: int
    message: str
    request_id: Id | None = None
    data: dict[str, Any] | None = None


class PostAction(Enum):
    """What becomes of a message to a server that the proxy keeps sessions for."""

    OPEN = "open"
    """``initialize``: make a session."""
    CALL = "call"
    """A request within a session."""
    CALL_ONCE = "call once"
    """A request without a session: it gets one of its own."""
    TELL = "tell"
    """A notification or response within a session."""
    IGNORE = "ignore"
    """A notification or response without a session: accepted, and of concern to nobody."""


def judge_body(peeked: Message | Batch | Invalid) -> Message | Refusal:
    """Refuse what is not exactly one message."""
    match peeked:
        case Message():
            return peeked
        case Batch():
            return Refusal(
                400, Code.INVALID_REQUEST, "batches are not supported; send one JSON-RPC message a request"
            )
        case Invalid(is_json=False):
            return Refusal(400, Code.PARSE_ERROR, f"the body is not JSON: {peeked.reason}")
        case Invalid():
            return Refusal(
                400, Code.INVALID_REQUEST, f"the body is not a JSON-RPC message: {peeked.reason}", peeked.id
            )


def judge_session_post(
    message: Message, *, version: str, session_id: str, session_known: bool, strict: bool
) -> PostAction | Refusal:
    """Judge a message to a server that the proxy keeps sessions for (stdio, SSE).

    Parameters
    ----------
    version
        ``MCP-Protocol-Version``; empty when absent, which means 2025-03-26.
    session_id
        ``Mcp-Session-Id``; empty when absent.
    strict
        The workload's ``strict_protocol_validation``.
    """
    if message.method == "initialize" and message.kind is Kind.REQUEST:
        return PostAction.OPEN
    if refusal := _judge_version(message, version):
        return refusal
    is_request = message.kind is Kind.REQUEST
    if not session_id:
        if is_request and strict:
            return Refusal(400, Code.INVALID_REQUEST, "Mcp-Session-Id is missing; call initialize first", message.id)
        return PostAction.CALL_ONCE if is_request else PostAction.IGNORE
    if refusal := judge_session(session_id, session_known=session_known, request_id=message.id):
        return refusal
    return PostAction.CALL if is_request else PostAction.TELL


def _judge_version(message: Message, version: str) -> Refusal | None:
    if version in MODERN_VERSIONS or speaks_modern(message.method, message.meta):
        asked = version or MODERN_VERSIONS[0]
        text = f"this server speaks {SUPPORTED_VERSIONS[0]} and earlier, not {asked}; call initialize"
    elif version and version not in SUPPORTED_VERSIONS:
        asked = version
        text = f"MCP-Protocol-Version {version[:40]!r} is not supported; use one of {', '.join(SUPPORTED_VERSIONS)}"
    else:
        return None
    request_id = message.id if message.kind is Kind.REQUEST else None
    return Refusal(
        400,
        Code.UNSUPPORTED_PROTOCOL_VERSION,
        text,
        request_id,
        {"supported": list(SUPPORTED_VERSIONS), "requested": asked},
    )


def judge_session(session_id: str, *, session_known: bool, request_id: Id | None = None) -> Refusal | None:
    """Refuse a session that is missing, malformed or unknown. For GET and DELETE, which always need one."""
    if not session_id:
        return Refusal(400, Code.INVALID_REQUEST, "Mcp-Session-Id is missing; call initialize first", request_id)
    if not is_session_id(session_id):
        return Refusal(400, Code.INVALID_REQUEST, "Mcp-Session-Id may hold visible ASCII only", request_id)
    if not session_known:
        return Refusal(404, Code.SESSION_NOT_FOUND, "Session not found", request_id)
    return None
