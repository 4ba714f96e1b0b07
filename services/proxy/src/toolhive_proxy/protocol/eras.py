"""The two eras of MCP: with a handshake and sessions, and without (2026-07-28)."""

from enum import Enum

from toolhive_proxy.protocol.jsonrpc import Message

__all__ = ["HANDSHAKE_VERSIONS", "LATEST_HANDSHAKE_VERSION", "MODERN_VERSIONS", "Era", "era_of"]

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LATEST_HANDSHAKE_VERSION = HANDSHAKE_VERSIONS[-1]
MODERN_VERSIONS = ("2026-07-28",)

_META_VERSION = "io.modelcontextprotocol/protocolVersion"


class Era(Enum):
    """Which set of rules a message follows."""

    HANDSHAKE = "handshake"
    MODERN = "modern"


def era_of(message: Message, version_header: str) -> Era:
    """Classify one message. Each names its own era: there is no session in the modern one to remember it."""
    if message.method == "initialize":
        return Era.HANDSHAKE  # the modern era has none, whatever the header says
    if message.method == "server/discover" or version_header in MODERN_VERSIONS:
        return Era.MODERN
    return Era.MODERN if message.meta.get(_META_VERSION) in MODERN_VERSIONS else Era.HANDSHAKE
