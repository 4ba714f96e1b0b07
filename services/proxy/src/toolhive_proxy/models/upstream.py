"""HTTP servers behind the proxy: what they are asked, what they answer and how they fail."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.models.http import Header
from toolhive_proxy.models.routes import Origin

__all__ = [
    "HttpAnswer",
    "HttpClient",
    "ResponseHead",
    "ResponseSink",
    "Sending",
    "UpstreamLimits",
    "UpstreamRequest",
    "UpstreamTrouble",
]


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
    REDIRECTS = "redirecting"
    """It points to where nobody may follow it."""


@dataclass(slots=True)  # not frozen, which would make each three times as dear; nobody changes one
class UpstreamRequest:
    """A request to an HTTP server, its body whole."""

    method: str
    target: str
    """Path and query."""
    lines: bytes
    """Headers as they are written, without ``Host``, framing and ``X-Request-Id``."""
    correlation_id: str
    """``X-Request-Id``; empty for none."""
    body: bytes
    safe: bool
    """Whether it may be sent again when its connection closed before any answer."""
    endless: bool = False
    """Whether the body of the answer may stay silent for as long as it likes."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """All of a response but its body."""

    status: int
    headers: tuple[Header, ...]
    """Those for the client: what is about the connection is left out."""
    length: int
    """Bytes of the body; ``-1`` when it comes in chunks, ``-2`` when it ends with the connection."""
    keeps_alive: bool


class ResponseSink(Protocol):
    """Takes a response as it comes. All are called from the event loop and must return at once."""

    def on_response(self, head: ResponseHead, data: bytes, *, ended: bool) -> None:
        """Take the head, and what of the body came with it; ``ended`` when that is all of it."""
        ...

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """Take the next piece of the body."""
        ...

    def on_failure(self, error: ToolHiveError) -> None:
        """Take that there is no response, or no rest of it: an `UpstreamError` says why."""
        ...


class Sending(Protocol):
    """A request that is under way."""

    def pause(self) -> None:
        """Read nothing of the response for now."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...

    def cancel(self) -> None:
        """Drop it, and the connection with it: the server sees its client leave. The sink hears nothing more."""
        ...


class HttpAnswer(Protocol):
    """A response for whoever reads it in a task of his own."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Sequence[Header]:
        """Those for the client."""
        ...

    def body(self) -> AsyncIterator[bytes]:
        """Pieces of the body, as they come."""
        ...

    def on_failure(self, error: ToolHiveError) -> None:
        """Tell whoever reads it that there is no more, and why."""
        ...


class HttpClient(Protocol):
    """Sends requests to HTTP servers."""

    def send(self, origin: Origin, request: UpstreamRequest, sink: ResponseSink) -> Sending:
        """Send a request; the sink is told what comes of it."""
        ...

    def request(self, origin: Origin, request: UpstreamRequest) -> AbstractAsyncContextManager[HttpAnswer]:
        """Send a request; the block gets the response as soon as its head is there.

        Raises
        ------
        UpstreamError
            The server is out of reach, closed the connection, or answered no HTTP, or nothing in time.
        """
        ...


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """Bounds of every exchange with an HTTP server."""

    connect_timeout: float = 5.0
    """Seconds until the connection must stand."""
    answer_timeout: float = 60.0
    """Seconds that the server may stay silent, before its answer and within it."""
    idle_limit: float = 4.0
    """Seconds that an unused connection is kept. Servers commonly close at 5: to be first avoids a lost request."""
    max_idle: int = 256
    """Unused connections kept for each server."""
    max_head: int = 64 * 1024
    """Bytes of a response's head."""
