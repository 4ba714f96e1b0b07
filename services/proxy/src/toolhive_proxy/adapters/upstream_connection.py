"""One HTTP/1.1 connection to a server: a request out, a response in, piece by piece."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import cast

import httptools

from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.models.asgi import Header
from toolhive_proxy.models.upstream import UpstreamLimits, UpstreamTrouble

__all__ = ["UpstreamConnection"]


class UpstreamConnection(asyncio.Protocol):
    """A connection that serves one exchange at a time.

    The pieces of a response wait in a queue of at most `UpstreamLimits.high_water` bytes; beyond that the socket is
    not read, so that a slow client slows its server down and takes no memory here.
    """

    def __init__(self, limits: UpstreamLimits) -> None:
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._wakeup: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._paused = False
        self.closed = False
        self.answered = False
        """Whether any byte of the present response came."""
        self.idle_since = 0.0
        self._forget_response()

    def _forget_response(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[Header] = []
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._head_size = 0
        self._head_done = False
        self._complete = False
        self._framed = False
        self._keep_alive = False
        self._error: UpstreamError | None = None
        self.answered = False

    # -- use ------------------------------------------------------------------------------------------------------

    async def send(self, request: bytes) -> None:
        """Begin an exchange."""
        self._forget_response()
        if self._transport is None or self.closed:
            raise UpstreamError(UpstreamTrouble.LOST, "the connection is closed")
        self._transport.write(request)
        await self._writable.wait()

    async def head(self) -> None:
        """Wait until ``status`` and ``headers`` are there.

        Raises
        ------
        UpstreamError
            They will not come.
        """
        while not self._head_done:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def body(self) -> AsyncIterator[bytes]:
        """Tell the pieces of the body.

        Raises
        ------
        UpstreamError
            The rest will not come.
        """
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._buffered -= len(piece)
                if self._paused and self._buffered <= self._limits.high_water // 2:
                    self._resume()
                yield piece
            if self._complete:
                return
            if self._error is not None:
                raise self._error
            await self._wait()

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow."""
        return (
            not self.closed
            and self._complete
            and self._error is None
            and not self._pieces
            and self._framed
            and self._keep_alive
        )

    def close(self) -> None:
        """Drop the connection, whatever is under way."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        self._wakeup = asyncio.get_running_loop().create_future()
        try:
            await self._wakeup
        finally:
            self._wakeup = None

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    def _resume(self) -> None:
        self._paused = False
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()

    def _fail(self, trouble: UpstreamTrouble, detail: str) -> None:
        if self._error is None and not self._complete:
            self._error = UpstreamError(trouble, detail)
        self._wake()

    # -- asyncio's callbacks --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # A cast, for uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._complete or self._error is not None:
            self.close()  # nobody asked for it: whatever comes next could be taken for another's answer
            return
        self.answered = True
        if not self._head_done:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(UpstreamTrouble.MALFORMED, str(error)[:200])
            self.close()
            return
        if not self._head_done and self._head_size > self._limits.max_head:
            self._fail(UpstreamTrouble.MALFORMED, f"its head is larger than {self._limits.max_head} bytes")
            self.close()
            return
        if self._buffered > self._limits.high_water and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Take the end of the server's side."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way."""
        self.closed = True
        self._writable.set()
        if self._head_done and not self._framed and exc is None:
            self._complete = True  # a body without a length ends with the connection
        else:
            self._fail(UpstreamTrouble.LOST, str(exc) if exc else "connection closed")
        self._wake()

    def pause_writing(self) -> None:
        """Hold the request back: the server reads slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    # -- the parser's callbacks -----------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; those after the body are of no use here."""
        if not self._head_done:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note how the body is framed."""
        status = self._parser.get_status_code()
        if status < HTTPStatus.OK:  # 100 and 103 announce the real response
            self.headers = []
            return
        self.status = status
        names = {name for name, _ in self.headers}
        bodiless = status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
        self._framed = bodiless or bool(names & {b"content-length", b"transfer-encoding"})
        self._head_done = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece."""
        self._pieces.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        """Note the end."""
        if self._head_done:
            self._keep_alive = bool(self._parser.should_keep_alive())  # the parser forgets it after this callback
            self._complete = True
