"""MCP's HTTP headers: how they are read and what they may hold."""

import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = [
    "HOP_BY_HOP",
    "LAST_EVENT_ID",
    "MCP_METHOD",
    "MCP_NAME",
    "MCP_PARAM",
    "PROTOCOL_VERSION",
    "SESSION_ID",
    "accepts_json",
    "accepts_sse",
    "end_to_end",
    "is_event_stream",
    "is_printable",
    "is_session_id",
    "without_named",
]

SESSION_ID = b"mcp-session-id"
PROTOCOL_VERSION = b"mcp-protocol-version"
MCP_METHOD = b"mcp-method"
MCP_NAME = b"mcp-name"
MCP_PARAM = b"mcp-param-"
"""Begins the names of headers that repeat arguments of a tool."""
LAST_EVENT_ID = b"last-event-id"

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers about one connection, which a proxy does not pass on (RFC 9110 §7.6.1)."""

_OPTIONS = frozenset({b"", b"close", b"keep-alive"})
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,1024}")


@lru_cache(maxsize=16)  # few clients send different ones, and all send one with each request
def accepts_sse(accept: str) -> bool:
    """Whether a client takes an event stream. ToolHive's rule: the type must stand there, ``*/*`` is not enough."""
    return any(
        part.partition(";")[0].strip().lower() == "text/event-stream" and not _refused(part)
        for part in accept.split(",")
    )


def _refused(part: str) -> bool:
    return re.search(r";\s*q=0(\.0*)?\s*(;|$)", part) is not None


def is_session_id(text: str) -> bool:
    """Whether a session id holds visible ASCII only."""
    return _VISIBLE_ASCII.fullmatch(text) is not None


def is_printable(text: str) -> bool:
    """Whether a header may hold it, and a request's target too, once it has no space."""
    return text.isascii() and text.isprintable()


def end_to_end(
    headers: Iterable[tuple[bytes, bytes]], *, without: frozenset[bytes] = frozenset()
) -> list[tuple[bytes, bytes]]:
    """Leave out the headers about the connection, those that ``Connection`` names, and ``without``.

    Names must be in lower case.
    """
    dropped = HOP_BY_HOP | without
    return [(name, value) for name, value in without_named(list(headers)) if name not in dropped]


def without_named(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Leave out what ``Connection`` names: it was said to us alone. Names must be in lower case."""
    named = _named(b",".join([value for name, value in headers if name == b"connection"]))
    return [header for header in headers if header[0] not in named] if named else headers


@lru_cache(maxsize=64)  # most clients send one of two or three
def _named(connection: bytes) -> frozenset[bytes]:
    """Names of headers in ``Connection``; its options are none."""
    return frozenset(token.strip().lower() for token in connection.split(b",")) - _OPTIONS


def accepts_json(accept: str) -> bool:
    """Whether a client takes JSON. All do that do not ask for an event stream alone."""
    types = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return not accept or bool(types & {"application/json", "application/*", "*/*"})


def is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a response is an event stream that can be read: a compressed one can not."""
    values = dict(headers)
    kind = values.get(b"content-type", b"").lower()
    return kind.startswith(b"text/event-stream") and b"content-encoding" not in values
