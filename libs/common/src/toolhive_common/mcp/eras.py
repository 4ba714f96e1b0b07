"""The two eras of MCP.

Up to 2025-11-25 a connection begins with ``initialize``; from 2026-07-28 each request says its version itself. A
stdio server of the newer SDKs binds its process to the era of the first message that it reads, so that one newer
request would shut all clients of the older era out of a shared process. Each era therefore gets a process of its own
(ADR 14). Clients of a server that knows no newer one are told so: they fall back to ``initialize``.
"""

from collections.abc import Mapping
from typing import Any

from toolhive_common.mcp.jsonrpc import Code, Notification, Request, error_body, meta_of

__all__ = ["MODERN_VERSIONS", "SUPPORTED_VERSIONS", "VERSION_KEY", "is_modern", "refuse_modern", "speaks_modern"]

SUPPORTED_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Those with a handshake. Newest first."""
MODERN_VERSIONS = ("2026-07-28",)
"""Those without. Newest first."""

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
"""Key of ``_meta`` under which each request of the era without sessions says its version."""
_MODERN_METHODS = frozenset({"server/discover", "subscriptions/listen"})


def is_modern(message: Request | Notification) -> bool:
    """Whether a message belongs to the era without sessions."""
    return speaks_modern(message.method, meta_of(message))


def speaks_modern(method: str, meta: Mapping[str, Any]) -> bool:
    """Whether a method and its ``_meta`` belong to the era without sessions.

    ``initialize`` never does, whatever it carries: it is how a client of both eras falls back. A version that nobody
    here knows is a later one: only the era without sessions writes it into each message.
    """
    if method == "initialize":
        return False
    version = meta.get(VERSION_KEY)
    return method in _MODERN_METHODS or (version is not None and version not in SUPPORTED_VERSIONS)


def refuse_modern(request: Request) -> bytes:
    """Answer that sends a client back to ``initialize``."""
    return error_body(
        request.id,
        Code.UNSUPPORTED_PROTOCOL_VERSION,
        "this server is shared over stdio and speaks the versions in data.supported; begin with initialize",
        {"supported": list(SUPPORTED_VERSIONS)},
    )
