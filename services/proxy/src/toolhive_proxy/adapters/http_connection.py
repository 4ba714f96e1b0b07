"""One client's connection: bytes -> requests, one after the other, each served before the next is read."""

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, cast

from toolhive_common.mcp.jsonrpc import Code
from toolhive_proxy.adapters.http_exchange import HttpExchange
from toolhive_proxy.errors import HttpRefusedError
from toolhive_proxy.models.http import Request, RequestHead
from toolhive_proxy.protocol.answers import error_answer
from toolhive_proxy.protocol.chunks import ChunkError, ChunkReader
from toolhive_proxy.protocol.request_head import check_partial_head, parse_request_head

if TYPE_CHECKING:
    from toolhive_proxy.adapters.http_server import HttpServer

__all__ = ["HttpConnection"]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NEVER = float("inf")
_SOON = 2
"""Seconds after which there may be room again."""


class _State(Enum):
    IDLE = "between two requests"
    HEAD = "within a head"
    BODY = "within a body"
    SERVING = "a handler answers"
    LINGER = "what still comes is dropped"
    CLOSED = "closed"


class HttpConnection(asyncio.Protocol):
    """Reads requests and hands each to the server's handler.

    While one is answered what comes is kept, and after the first piece no more is read: a client that sends many at
    once gets its answers in order and takes no memory. Until then the socket is read, or a client that leaves would
    go unseen.
    """

    __slots__ = (
        "_body",
        "_body_began",
        "_chunks",
        "_dropped",
        "_exchange",
        "_head",
        "_known",
        "_limits",
        "_missing",
        "_peer",
        "_rest",
        "_running",
        "_server",
        "_state",
        "_transport",
        "_waiting",
        "deadline",
        "full",
        "slow",
    )

    def __init__(self, server: "HttpServer") -> None:
        self._server = server
        self._limits = server.limits
        self._transport: asyncio.Transport | None = None
        self._state = _State.IDLE
        self._peer = ""
        self._rest = b""
        self._known: tuple[bytes, RequestHead] | None = None
        self._head: RequestHead | None = None
        self._body = bytearray()
        self._body_began = 0.0
        self._missing = 0
        self._chunks: ChunkReader | None = None
        self._exchange: HttpExchange | None = None
        self._running = False
        self._dropped = 0
        self._waiting = 0
        self.deadline = _NEVER
        """When the server's sweeper calls `expire`."""
        self.full = False
        """Whether too much waits for the client."""
        self.slow = 0.0
        """Seconds that the client read nothing, when it was closed because of that; else 0."""

    # -- asyncio's callbacks --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # A cast, for uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._limits.high_water)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self._server.admits(self._peer):
            self.break_off()
            return
        self.deadline = self._server.now + self._limits.head_timeout
        if not self._server.enter(self):
            self._refuse(HttpRefusedError(503, "this proxy has as many connections as it may; try again in a moment"))

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        state = self._state
        if state is _State.SERVING:
            self._rest += data
            if self._transport is not None:
                self._transport.pause_reading()
        elif state is _State.LINGER:
            self._dropped += len(data)
            if self._dropped > self._limits.linger_size:
                self.break_off()
        elif state is not _State.CLOSED:
            self._advance(self._rest + data if self._rest else data)

    def eof_received(self) -> bool:
        """Take that the client sends no more: it left, as far as HTTP is concerned."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Tell whoever answers."""
        self._state = _State.CLOSED
        self._server.leave(self)
        self._drop_body()
        self._rest = b""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.left()

    def pause_writing(self) -> None:
        """Hold the answer back: the client reads slowly."""
        self.full = True
        self._waiting = self._unread()
        self.deadline = self._server.now + self._limits.write_timeout
        if self._exchange is not None:
            self._exchange.paused()

    def resume_writing(self) -> None:
        """Go on."""
        self.full = False
        if self._state is _State.SERVING:
            self.deadline = _NEVER
        if self._exchange is not None:
            self._exchange.resumed()

    # -- what the exchange asks for -------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send, or keep until the client reads."""
        if self._transport is not None:
            self._transport.write(data)

    def finish(self, *, keeps_alive: bool) -> None:
        """Go on with the next request, or close."""
        self._exchange = None
        if not keeps_alive or self._server.stopping:
            self._close()
            return
        self._state = _State.IDLE
        if not self.full:
            self.deadline = self._server.now + self._limits.keep_alive
        if self._running:
            return  # `_advance` is on the stack and goes on by itself
        if self._rest:
            if self._transport is not None:
                self._transport.resume_reading()
            self._advance(self._rest)

    def break_off(self) -> None:
        """Close at once."""
        self._state = _State.CLOSED
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    # -- what the server asks for ---------------------------------------------------------------------------------

    def stop(self) -> None:
        """Close now if nothing is under way, or else after the answer."""
        if self._state in {_State.IDLE, _State.HEAD}:
            self._close()

    def expire(self) -> None:
        """Act on the deadline's passing."""
        least = self._limits.write_rate * self._limits.write_timeout
        if self.full and self._waiting - self._unread() >= min(least, self._waiting):  # it reads, if slowly
            self._waiting = self._unread()
            self.deadline = self._server.now + self._limits.write_timeout
        elif self.full:
            self.slow = self._limits.write_timeout
            exchange = self._exchange
            self.break_off()
            if exchange is not None:
                exchange.left()
        elif self._state is _State.HEAD:
            text = f"the request's head did not come within {self._limits.head_timeout:g} s"
            self._refuse(HttpRefusedError(408, text))
        elif self._state is _State.BODY:
            limits = self._limits
            text = f"nothing for {limits.body_timeout:g} s, or less than {limits.body_rate} bytes a second"
            self._refuse(HttpRefusedError(408, f"the request's body came too slowly: {text}"))
        else:
            self.break_off()

    # -- requests -------------------------------------------------------------------------------------------------

    def _advance(self, data: bytes) -> None:
        """Read requests until one waits for its answer or the bytes are used up."""
        self._rest = b""
        self._running = True
        try:
            while data:
                state = self._state
                if state is _State.IDLE or state is _State.HEAD:
                    data = self._read_head(data)
                elif state is _State.BODY:
                    data = self._read_body(data)
                else:
                    break
        except HttpRefusedError as error:
            self._refuse(error)
        finally:
            self._running = False
        if data and self._state is _State.SERVING:
            self._rest = data
            if self._transport is not None:
                self._transport.pause_reading()

    def _read_head(self, data: bytes) -> bytes:
        known = self._known
        if known is not None and data.startswith(known[0]):  # a client repeats its head with each request
            return self._take_head(known[1], data, len(known[0]))
        end = data.find(b"\r\n\r\n", 2 if data.startswith(b"\r\n") else 0)
        if end < 0:
            if self._state is _State.IDLE:
                self._state = _State.HEAD
                self.deadline = self._server.now + self._limits.head_timeout
            check_partial_head(data)
            self._rest = data
            return b""
        start = end + 4
        head = parse_request_head(data[:end].removeprefix(b"\r\n"))  # one empty line before a request is forgiven
        self._known = (data[:start], head)
        return self._take_head(head, data, start)

    def _take_head(self, head: RequestHead, data: bytes, start: int) -> bytes:
        """Go on behind a head; returns what comes after it, or after the whole request."""
        self._head = head
        length = head.length
        if length > self._limits.max_body:
            raise self._body_too_large()
        if 0 <= length <= len(data) - start:
            stop = start + length
            self._dispatch(head, data[start:stop])
            return data[stop:]
        self._begin_body(head, announced=start < len(data))
        return data[start:]

    def _unread(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _begin_body(self, head: RequestHead, *, announced: bool) -> None:
        self._state = _State.BODY
        self._body_began = self._server.now
        self._set_body_deadline()
        self._missing = head.length
        self._chunks = ChunkReader() if head.length < 0 else None
        if head.expects and not announced:
            self.write(_CONTINUE)

    def _read_body(self, data: bytes) -> bytes:
        if self._chunks is None:
            missing = self._missing - len(self._body)
            self._hold(data[:missing])
            rest, whole = data[missing:], len(self._body) == self._missing
        else:
            try:
                self._hold(self._chunks.feed(data))
            except ChunkError as error:
                raise HttpRefusedError(400, f"the request's body is not framed well: {error}") from error
            if len(self._body) > self._limits.max_body:
                raise self._body_too_large()
            rest, whole = self._chunks.rest, self._chunks.done
        if whole and self._head is not None:
            body = bytes(self._body)
            self._drop_body()
            self._chunks = None
            self._dispatch(self._head, body)
        else:
            self._set_body_deadline()
        return rest

    def _hold(self, piece: bytes) -> None:
        """Keep a piece of a body, where all that are not whole yet leave room for it."""
        server = self._server
        if server.bodies + len(piece) > self._limits.bodies:
            text = "this proxy reads as many bytes of requests at once as it may; try again in a moment"
            raise HttpRefusedError(503, text, retry_after=_SOON)
        self._body += piece
        server.bodies += len(piece)

    def _drop_body(self) -> None:
        self._server.bodies -= len(self._body)
        self._body = bytearray()

    def _set_body_deadline(self) -> None:
        limits = self._limits
        slowest = self._body_began + len(self._body) / limits.body_rate
        self.deadline = min(self._server.now, slowest) + limits.body_timeout

    def _dispatch(self, head: RequestHead, body: bytes) -> None:
        self._state = _State.SERVING
        self.deadline = _NEVER
        server = self._server
        request = Request(head.method, head.path, head.query, list(head.headers), body, self._peer, head.raw_path)
        exchange = HttpExchange(
            self,
            request,
            server.new_correlation_id(head.correlation_id),
            old=head.old,
            keeps_alive=head.keeps_alive,
        )
        self._exchange = exchange
        server.handler(exchange)

    def _body_too_large(self) -> HttpRefusedError:
        return HttpRefusedError(
            413,
            f"Request Entity Too Large: a request may have {self._limits.max_body} bytes; "
            "send less, or raise TOOLHIVE_PROXY_MAX_BODY",
        )

    # -- ends -----------------------------------------------------------------------------------------------------

    def _refuse(self, error: HttpRefusedError) -> None:
        """Answer with an error, and drop what still comes until the client has read it."""
        self._state = _State.HEAD
        request = Request("POST", "", "", [], b"", self._peer)
        exchange = HttpExchange(self, request, self._server.new_correlation_id(""), old=False, keeps_alive=False)
        after = error.retry_after
        headers = [(b"retry-after", b"%d" % after)] if after is not None else []
        exchange.respond(error_answer(error.status, Code.INVALID_REQUEST, error.message, headers=headers))

    def _close(self) -> None:
        """Close as soon as the client has what was written, and stopped sending: else the answer might be lost."""
        if self._transport is None or self._state is _State.CLOSED:
            return
        sends = self._state in {_State.HEAD, _State.BODY} or bool(self._rest)
        self._drop_body()
        self._rest = b""
        self._state = _State.LINGER
        self.deadline = self._server.now + self._limits.linger
        if not sends or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._transport.resume_reading()
