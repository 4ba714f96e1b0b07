"""One request of a client's connection, and the answer to it as bytes."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from toolhive_proxy.errors import ClientLeftError, SlowClientError
from toolhive_proxy.models.http import Header, Request, Response
from toolhive_proxy.protocol.chunks import encode_chunk
from toolhive_proxy.protocol.heads import status_and_headers

__all__ = ["AnswerWriter", "HttpExchange"]

_BODILESS = frozenset({204, 304})
_LEFT = 499
"""Status of an answer that its client did not wait for; nginx counts them under it too."""


class AnswerWriter(Protocol):
    """The connection, as its exchange sees it."""

    slow: float
    """Seconds that its client read nothing, when it was closed because of that; else 0."""

    def write(self, data: bytes) -> None:
        """Send, or keep until the client reads."""
        ...

    def finish(self, *, keeps_alive: bool) -> None:
        """Go on with the next request, or close."""
        ...

    def break_off(self) -> None:
        """Close at once."""
        ...

    @property
    def full(self) -> bool:
        """Whether too much waits for the client."""
        ...


class HttpExchange:
    """`toolhive_proxy.models.http.Exchange` over one connection.

    Parameters
    ----------
    old
        Whether the client speaks HTTP/1.0, and knows no chunks.
    keeps_alive
        Whether the connection may serve another request.
    """

    __slots__ = (
        "_chunked",
        "_keeps_alive",
        "_missing",
        "_old",
        "_on_close",
        "_on_done",
        "_on_pause",
        "_on_resume",
        "_sent",
        "_status",
        "_waiters",
        "_writer",
        "correlation_id",
        "request",
        "started",
    )

    def __init__(
        self, writer: AnswerWriter, request: Request, correlation_id: str, *, old: bool, keeps_alive: bool
    ) -> None:
        self._writer: AnswerWriter | None = writer
        self.request = request
        self.correlation_id = correlation_id
        self.started = False
        self._old = old
        self._keeps_alive = keeps_alive
        self._chunked = False
        self._missing = -1
        self._on_close: Callable[[], None] | None = None
        self._on_pause: Callable[[], None] | None = None
        self._on_resume: Callable[[], None] | None = None
        self._on_done: Callable[[int, int], None] | None = None
        self._status = _LEFT
        self._sent = 0
        self._waiters: set[asyncio.Future[None]] = set()
        """Of all that write to it, as the answers of a batch do at once."""

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._writer is None

    def respond(self, response: Response) -> None:
        """Answer, whole, in one write."""
        writer = self._writer
        if writer is None:
            return
        body = response.body
        status = response.status
        head = status_and_headers(status, response.headers)
        length = "" if status in _BODILESS else f"content-length: {len(body)}\r\n"
        if self.request.method == "HEAD" or status in _BODILESS:
            body = b""
        close = "" if self._keeps_alive else "connection: close\r\n"
        own = f"{length}{close}x-request-id: {self.correlation_id}\r\n\r\n"
        self.started = True
        self._status, self._sent = status, len(body)
        writer.write(head + own.encode("latin-1") + body)
        self._finish(writer)

    def start(self, status: int, headers: Sequence[Header]) -> None:
        """Begin an answer in pieces."""
        writer = self._writer
        if writer is None:
            return
        self.started = True
        self._status = status
        length = next((value for name, value in headers if name == b"content-length"), b"")
        if length:
            self._missing = int(length)
        elif self._old:
            self._keeps_alive = False
        elif status not in _BODILESS:
            self._chunked = True
        close = b"" if self._keeps_alive else b"connection: close\r\n"
        framing = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        head = status_and_headers(status, headers)
        writer.write(
            b"%b%b%bx-request-id: %b\r\n\r\n" % (head, framing, close, self.correlation_id.encode("latin-1"))
        )

    def write(self, data: bytes) -> None:
        """Go on with it."""
        writer = self._writer
        if writer is None or not data or self.request.method == "HEAD":
            return
        if self._missing >= 0:
            self._missing -= len(data)
            if self._missing < 0:  # the client would take the rest for the next answer
                self.abort()
                return
        self._sent += len(data)
        writer.write(encode_chunk(data) if self._chunked else data)

    def end(self) -> None:
        """End it."""
        writer = self._writer
        if writer is None:
            return
        if self._missing > 0 and self.request.method != "HEAD":
            self.abort()
            return
        if self._chunked and self.request.method != "HEAD":
            writer.write(b"0\r\n\r\n")
        self._finish(writer)

    def abort(self) -> None:
        """Break it off."""
        writer = self._writer
        if writer is not None:
            self._release()
            writer.break_off()

    async def drain(self) -> None:
        """Wait until the client has read most of what was written."""
        writer = self._writer
        if writer is None:
            raise ClientLeftError
        if not writer.full:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
        if self._writer is None:
            raise SlowClientError(writer.slow) if writer.slow else ClientLeftError

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call this when the client leaves before the answer is whole."""
        if self._writer is None:  # it left before anybody asked
            callback()
        else:
            self._on_close = callback

    def on_done(self, callback: Callable[[int, int], None]) -> None:
        """Call this when the answer is over."""
        self._on_done = callback

    def on_pressure(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Call these when too much waits for the client, and when it has read most of it."""
        self._on_pause, self._on_resume = pause, resume
        if self._writer is not None and self._writer.full:
            pause()

    # -- what the connection tells --------------------------------------------------------------------------------

    def paused(self) -> None:
        """Too much waits for the client."""
        if self._on_pause is not None:
            self._on_pause()

    def resumed(self) -> None:
        """It has read most of it."""
        self._wake()
        if self._on_resume is not None:
            self._on_resume()

    def left(self) -> None:
        """The client is gone."""
        callback = self._on_close
        self._release()
        if callback is not None:
            callback()

    def _finish(self, writer: AnswerWriter) -> None:
        self._release()
        writer.finish(keeps_alive=self._keeps_alive)

    def _release(self) -> None:
        self._writer = None
        self._on_close = self._on_pause = self._on_resume = None
        if self._waiters:
            self._wake()
        if (done := self._on_done) is not None:
            self._on_done = None
            done(int(self._status), self._sent)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
