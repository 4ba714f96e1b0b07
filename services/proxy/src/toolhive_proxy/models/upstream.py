"""HTTP servers behind the proxy: what they answer and how they fail."""

from dataclasses import dataclass
from enum import Enum

from toolhive_proxy.models.asgi import Header

__all__ = ["UpstreamLimits", "UpstreamRequest", "UpstreamTrouble"]


class UpstreamTrouble(Enum):
    """Ways for an HTTP server to fail."""

    UNREACHABLE = "unreachable"
    """It accepts no connection."""
    LOST = "lost"
    """It closed the connection before its answer was whole."""
    MALFORMED = "malformed"
    """It answered something that is not HTTP."""
    SILENT = "silent"
    """It did not answer in time."""


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """A request to an HTTP server, its body whole."""

    method: str
    target: str
    """Path and query."""
    headers: list[Header]
    """Without ``Host`` and framing: those are the connection's."""
    body: bytes
    safe: bool
    """Whether it may be sent again when its connection closed before any answer."""


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """Bounds of every exchange with an HTTP server."""

    connect_timeout: float = 5.0
    """Seconds until the connection must stand."""
    answer_timeout: float = 60.0
    """Seconds until the head of the response must be there."""
    idle_limit: float = 4.0
    """Seconds that an unused connection is kept. Servers commonly close at 5: to be first avoids a lost request."""
    max_idle: int = 64
    """Unused connections kept for each server."""
    max_head: int = 64 * 1024
    """Bytes of a response's head."""
    high_water: int = 256 * 1024
    """Bytes of a response that wait for a slow client before the server is slowed down."""
