"""One HTTP/1.1 connection to a server: a request out, a response in, piece by piece."""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.models.upstream import ResponseHead, ResponseSink, UpstreamLimits, UpstreamTrouble
from toolhive_proxy.protocol.chunks import ChunkError, ChunkReader
from toolhive_proxy.protocol.response_head import (
    CHUNKED,
    UNTIL_CLOSE,
    MalformedResponseError,
    parse_response_head,
)

__all__ = ["UpstreamConnection"]

_NEVER = float("inf")


class Clock(Protocol):
    """A time that is read from an attribute, which costs nothing."""

    now: float


class UpstreamConnection(asyncio.Protocol):
    """A connection that serves one exchange at a time, and tells its sink what comes as it comes.

    Parameters
    ----------
    on_free
        Called when another exchange may follow.
    on_gone
        Called when the connection is closed.
    clock
        Tells the time, a round of the pool's sweeper ahead.
    """

    __slots__ = (
        "_answered",
        "_buffer",
        "_chunks",
        "_clock",
        "_endless",
        "_head",
        "_known",
        "_limits",
        "_missing",
        "_on_free",
        "_on_gone",
        "_sink",
        "_transport",
        "closed",
        "deadline",
        "idle_since",
        "on_stale",
    )

    def __init__(
        self,
        limits: UpstreamLimits,
        *,
        on_free: Callable[["UpstreamConnection"], None],
        on_gone: Callable[["UpstreamConnection"], None],
        clock: Clock,
    ) -> None:
        self._limits = limits
        self._on_free = on_free
        self._on_gone = on_gone
        self._clock = clock
        self._transport: asyncio.Transport | None = None
        self._known: tuple[bytes, ResponseHead] | None = None
        self._sink: ResponseSink | None = None
        self._head: ResponseHead | None = None
        self._chunks: ChunkReader | None = None
        self._buffer = b""
        self._missing = 0
        self._answered = False
        self._endless = False
        self.on_stale: Callable[[], None] | None = None
        """Called in place of the sink when the connection closes before any answer."""
        self.closed = False
        self.deadline = _NEVER
        """When the pool's sweeper calls `expire`."""
        self.idle_since = 0.0

    # -- use ------------------------------------------------------------------------------------------------------

    def send(
        self, request: bytes, sink: ResponseSink, *, endless: bool, on_stale: Callable[[], None] | None = None
    ) -> None:
        """Begin an exchange. ``endless`` = the body may stay silent for as long as it likes."""
        self._sink = sink
        self._head = None
        self._answered = False
        self._endless = endless
        self.on_stale = on_stale
        self.deadline = self._clock.now + self._limits.answer_timeout
        if self._transport is not None:
            self._transport.write(request)

    def serves(self, sink: ResponseSink) -> bool:
        """Whether the exchange under way is this sink's."""
        return self._sink is sink

    def pause(self) -> None:
        """Read nothing for now; the server's silence is not its fault then."""
        self.deadline = _NEVER
        if self._transport is not None and not self.closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Go on."""
        if self._transport is not None and not self.closed and self._sink is not None:
            self._set_deadline()
            self._transport.resume_reading()

    def cancel(self) -> None:
        """Drop the exchange; its sink hears nothing more."""
        self._sink = None
        self.close()

    def close(self) -> None:
        """Drop the connection, whatever is under way."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def expire(self) -> None:
        """Act on the deadline's passing."""
        self._fail(UpstreamTrouble.SILENT, f"nothing came for {self._limits.answer_timeout:g} s")

    # -- asyncio's callbacks --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # A cast, for uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._sink is None:
            self.close()  # nobody asked for it: whatever comes next could be taken for another's answer
            return
        try:
            if self._head is None:
                self._take_head(self._buffer + data if self._buffer else data)
            else:
                self._take_body(data)
        except (MalformedResponseError, ChunkError) as error:
            self._fail(UpstreamTrouble.MALFORMED, str(error)[:200])

    def eof_received(self) -> bool:
        """Take the end of the server's side."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way."""
        self.closed = True
        self._on_gone(self)
        sink, head = self._sink, self._head
        if sink is None:
            return
        if head is not None and head.length == UNTIL_CLOSE and exc is None:
            self._sink = None
            sink.on_data(b"", ended=True)
        elif not self._answered and self.on_stale is not None:
            self._sink = None
            self.on_stale()
        else:
            self._fail(UpstreamTrouble.LOST, str(exc) if exc else "connection closed")

    # -- responses ------------------------------------------------------------------------------------------------

    def _take_head(self, data: bytes) -> None:
        self._answered = True
        known = self._known
        if known is not None and data.startswith(known[0]):
            self._begin(known[1], data[len(known[0]) :])
            return
        end = data.find(b"\r\n\r\n")
        if end < 0 or end > self._limits.max_head:
            self._buffer = data
            if len(data) > self._limits.max_head:
                raise MalformedResponseError(f"its head is larger than {self._limits.max_head} bytes")
            return
        self._buffer = b""
        head = parse_response_head(data[:end])
        body = data[end + 4 :]
        if head.status < 200:  # noqa: PLR2004  # 100 and 103 announce the real response
            if body:
                self._take_head(body)
            return
        self._known = (data[: end + 4], head)
        self._begin(head, body)

    def _begin(self, head: ResponseHead, body: bytes) -> None:
        """Take the first piece of the body; most have no other."""
        self._head = head
        if head.length == len(body):
            sink = self._sink
            self._end()
            if sink is not None:
                sink.on_response(head, body, ended=True)
            return
        self._missing = head.length
        self._set_deadline()
        self._chunks = ChunkReader() if head.length == CHUNKED else None
        piece, ended = self._unframed(body)
        self._tell_head(head, piece, ended=ended)

    def _tell_head(self, head: ResponseHead, piece: bytes, *, ended: bool) -> None:
        sink = self._sink
        if sink is None:
            return
        if ended:
            self._end()
        sink.on_response(head, piece, ended=ended)

    def _take_body(self, data: bytes) -> None:
        self._set_deadline()
        piece, ended = self._unframed(data)
        sink = self._sink
        if sink is None:
            return
        if ended:
            self._end()
        if piece or ended:
            sink.on_data(piece, ended=ended)

    def _unframed(self, data: bytes) -> tuple[bytes, bool]:
        """Take the framing off; tells whether the body is whole."""
        if self._chunks is not None:
            piece = self._chunks.feed(data)
            if self._chunks.rest:
                self.closed = True  # more than was asked for
            return piece, self._chunks.done
        if self._missing == UNTIL_CLOSE:
            return data, False
        if len(data) > self._missing:
            self.closed = True
            data = data[: self._missing]
        self._missing -= len(data)
        return data, self._missing == 0

    def _end(self) -> None:
        """Make the connection free, before the sink hears of the end: it may need one at once."""
        head = self._head
        self._sink = None
        self._chunks = None
        self.on_stale = None
        self.deadline = _NEVER
        if head is not None and head.keeps_alive and not self.closed:
            self._on_free(self)
        else:
            self.close()

    def _set_deadline(self) -> None:
        silent_for_ever = self._endless and self._head is not None
        self.deadline = _NEVER if silent_for_ever else self._clock.now + self._limits.answer_timeout

    def _fail(self, trouble: UpstreamTrouble, detail: str) -> None:
        sink, self._sink = self._sink, None
        self.close()
        if sink is not None:
            sink.on_failure(UpstreamError(trouble, detail))
