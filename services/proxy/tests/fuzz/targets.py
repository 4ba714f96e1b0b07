"""What must hold for any bytes at all. `run.py` looks for bytes for which it does not; a test replays those kept."""

import asyncio
from contextlib import suppress
from typing import Any

import httptools

from toolhive_proxy.adapters.http_connection import HttpConnection
from toolhive_proxy.adapters.http_server import HttpServer
from toolhive_proxy.models.http import Exchange, HttpLimits, Request, Response
from toolhive_proxy.protocol.chunks import ChunkError, ChunkReader
from toolhive_proxy.protocol.request_head import passes_for_another
from toolhive_proxy.protocol.response_head import MalformedResponseError, parse_response_head
from toolhive_proxy.protocol.sse import EventTooLargeError, SseEvent, SseParser, encode_event

__all__ = ["TARGETS", "request", "response", "sse"]

_KNOWN = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}


class _Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        self.closed = True

    close = write_eof = abort

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0


def _served(pieces: list[bytes]) -> tuple[list[Request], bytes]:
    """Requests that the server understood, and what it wrote."""
    found: list[Request] = []

    def take(exchange: Exchange) -> None:
        found.append(exchange.request)
        exchange.respond(Response(200))

    server = HttpServer(take, HttpLimits(max_body=1000), new_correlation_id=lambda _given: "id")
    connection, transport = HttpConnection(server), _Transport()
    connection.connection_made(transport)
    for piece in pieces:
        if not transport.closed:
            connection.data_received(piece)
    connection.connection_lost(None)
    return found, transport.written


class _Llhttp:
    """The same requests, as another parser understands them."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.found: list[tuple[str, list[tuple[bytes, bytes]], bytes]] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._in_body = False

    def on_message_begin(self) -> None:
        self._headers, self._body, self._in_body = [], b"", False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:
            self._headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.found.append((self.parser.get_method().decode(), self._headers, self._body))


def request(data: bytes) -> None:
    """The pieces that requests come in make no difference, and nobody else reads more out of them than we do."""
    whole, written = _served([data])
    middle = len(data) // 2
    assert _served([data[:middle], data[middle:]])[0] == whole
    assert written.count(b"HTTP/1.1 200 ") == len(whole)
    other = _Llhttp()
    # It may give up later than we do, or at what is of no danger; what both understood must be the same.
    with suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
        other.parser.feed_data(data)
    for ours, theirs in zip(whole, other.found, strict=False):
        assert ours.method == theirs[0]
        assert ours.headers == [each for each in theirs[1] if b"_" not in each[0] or not passes_for_another(each[0])]
        assert ours.body == theirs[2]
    if (
        whole
        and whole[0].method in _KNOWN
        and not {b"upgrade", b"connection"} & {name for name, _ in whole[0].headers}
    ):
        assert other.found


def response(data: bytes) -> None:
    """A response's head is read or refused, and chunks are the same in pieces of any size."""
    head, _, body = data.partition(b"\r\n\r\n")
    with suppress(MalformedResponseError):
        parse_response_head(head)
    whole = _unchunked([body])
    assert whole == _unchunked([body[start : start + 1] for start in range(len(body))])


def _unchunked(pieces: list[bytes]) -> tuple[bytes, bytes] | None:
    reader, found, rest = ChunkReader(), b"", b""
    try:
        for piece in pieces:
            if reader.done:
                rest += piece
            else:
                found += reader.feed(piece)
                rest += reader.rest
    except ChunkError:
        return None
    return found, rest


def sse(data: bytes) -> None:
    """Events are the same in pieces of any size, and what is written is read again."""
    whole = _events([data])
    assert whole == _events([data[start : start + 1] for start in range(len(data))])
    for event in whole or ():
        text = encode_event(event.data, event=event.event.encode(), event_id=event.id, retry=event.retry)
        assert _events([text]) == [event]


def _events(pieces: list[bytes]) -> list[SseEvent] | None:
    parser = SseParser(max_event=1000)
    try:
        return [event for piece in pieces for event in parser.feed(piece)]
    except EventTooLargeError:
        return None


TARGETS = {"request": request, "response": response, "sse": sse}
