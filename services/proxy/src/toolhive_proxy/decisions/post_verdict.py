"""Headers and body of a POST -> what to do with it.

Where the specification and ToolHive differ, ToolHive's leniency is kept (a request without a session is served; any
``Accept`` is), unless the workload asks for ``strict_protocol_validation``. An unsupported ``MCP-Protocol-Version``
is refused as the specification demands.
"""

from dataclasses import dataclass

from toolhive_common.mcp.eras import MODERN_VERSIONS, SUPPORTED_VERSIONS, VERSION_KEY, speaks_modern
from toolhive_common.mcp.jsonrpc import Code, Id
from toolhive_common.mcp.port import Verb
from toolhive_proxy.decisions.modern_rules import judge_modern
from toolhive_proxy.decisions.refusal import Refusal
from toolhive_proxy.models.messages import Batch, Invalid, Kind, Message
from toolhive_proxy.protocol.headers import is_session_id

__all__ = [
    "BATCH_VERSION",
    "PostFacts",
    "judge_body",
    "judge_post",
    "judge_session_id",
    "judge_version",
    "wants_modern",
]

BATCH_VERSION = "2025-03-26"
"""The only revision with batches. Its clients send no ``MCP-Protocol-Version``: the header came later."""


@dataclass(slots=True)  # not frozen, which would make each three times as dear; nobody changes one
class PostFacts:
    """What the headers of a POST say."""

    version: str
    """``MCP-Protocol-Version``; empty when absent, which means 2025-03-26."""
    session_id: str
    """``Mcp-Session-Id``; empty when absent."""
    method: str = ""
    """``Mcp-Method``."""
    name: str = ""
    """``Mcp-Name``."""
    strict: bool = False
    """The workload's ``strict_protocol_validation``."""
    modern: bool = True
    """Whether the server may speak the era without sessions."""


def judge_body(peeked: Message | Batch | Invalid, *, version: str) -> Message | Batch | Refusal:
    """Refuse what is not exactly one message, or a batch of the revision that has them."""
    match peeked:
        case Message():
            return peeked
        case Batch() if version in {"", BATCH_VERSION}:
            return peeked
        case Batch():
            text = f"MCP {version[:40]} has no batches; send one JSON-RPC message a request"
            return Refusal(400, Code.INVALID_REQUEST, text)
        case Invalid(is_json=False):
            return Refusal(400, Code.PARSE_ERROR, f"the body is not JSON: {peeked.reason}")
        case Invalid():
            return Refusal(
                400, Code.INVALID_REQUEST, f"the body is not a JSON-RPC message: {peeked.reason}", peeked.id
            )


def judge_post(message: Message, facts: PostFacts) -> Verb | Refusal | None:
    """Say what to ask the keeper of the sessions for; ``None`` for what is accepted and concerns nobody."""
    if message.method == "initialize" and message.kind is Kind.REQUEST:
        return _judge_initialize(message, facts.version)
    if wants_modern(message, facts.version):
        return _judge_modern(message, facts)
    is_request = message.kind is Kind.REQUEST
    request_id = message.id if is_request else None
    if refusal := judge_version(facts.version, request_id):
        return refusal
    if not facts.session_id and not facts.strict:
        return Verb.CALL_ONCE if is_request else None
    return judge_session_id(facts.session_id, request_id) or (Verb.CALL if is_request else Verb.TELL)


def judge_version(version: str, request_id: Id | None = None) -> Refusal | None:
    """Refuse a version of the era with sessions that nobody here speaks; without one it is 2025-03-26."""
    if not version or version in SUPPORTED_VERSIONS:
        return None
    supported = ", ".join(SUPPORTED_VERSIONS)
    text = f"MCP-Protocol-Version {version[:40]!r} is not supported; use one of {supported}"
    return _unsupported(text, version, request_id)


def _judge_initialize(message: Message, version: str) -> Verb | Refusal:
    """Refuse one that says, in its header and in its body, that it belongs to the era that has none.

    A client that falls back from that era may say so in one of them still. A server that serves both eras would take
    it for the beginning of the other one.
    """
    if version in MODERN_VERSIONS and message.meta.get(VERSION_KEY) in MODERN_VERSIONS:
        text = f"MCP {version} has no initialize; each request stands alone"
        return Refusal(404, Code.METHOD_NOT_FOUND, text, message.id)
    return Verb.OPEN


def wants_modern(message: Message, version: str) -> bool:
    """Whether a message belongs to the era without sessions."""
    return version in MODERN_VERSIONS or speaks_modern(message.method, message.meta)


def _judge_modern(message: Message, facts: PostFacts) -> Verb | Refusal | None:
    if not facts.modern:
        asked = facts.version or MODERN_VERSIONS[0]
        text = f"this server speaks {SUPPORTED_VERSIONS[0]} and earlier, not {asked[:40]}; call initialize"
        return _unsupported(text, asked, message.id if message.kind is Kind.REQUEST else None)
    match message.kind:
        case Kind.NOTIFICATION:
            return None
        case Kind.RESPONSE:
            text = f"MCP {MODERN_VERSIONS[0]} has no answers of clients; send the request again with inputResponses"
            return Refusal(400, Code.INVALID_REQUEST, text)
        case Kind.REQUEST:
            return judge_modern(message, version=facts.version, method=facts.method, name=facts.name) or (
                Verb.CALL_MODERN
            )


def _unsupported(text: str, asked: str, request_id: Id | None) -> Refusal:
    data = {"supported": list(SUPPORTED_VERSIONS), "requested": asked}
    return Refusal(400, Code.UNSUPPORTED_PROTOCOL_VERSION, text, request_id, data)


def judge_session_id(session_id: str, request_id: Id | None = None) -> Refusal | None:
    """Refuse a session id that is missing or malformed."""
    if not session_id:
        return Refusal(400, Code.INVALID_REQUEST, "Mcp-Session-Id is missing; call initialize first", request_id)
    if not is_session_id(session_id):
        return Refusal(400, Code.INVALID_REQUEST, "Mcp-Session-Id may hold visible ASCII only", request_id)
    return None
