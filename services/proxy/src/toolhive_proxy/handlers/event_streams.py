"""Writes what a session's streams give: event streams, or a plain JSON answer where that is enough."""

from dataclasses import dataclass
from http import HTTPStatus

from toolhive_common.mcp.jsonrpc import Code, error_body
from toolhive_proxy.handlers.exchange import Exchange, until_first
from toolhive_proxy.models.asgi import Header
from toolhive_proxy.models.outcomes import Answer
from toolhive_proxy.models.replies import Failure, Reply
from toolhive_proxy.protocol.asgi_messages import head, piece
from toolhive_proxy.protocol.headers import SESSION_ID, accepts_json, accepts_sse
from toolhive_proxy.protocol.sse import KEEP_ALIVE, encode_event
from toolhive_proxy.services.message_stream import MessageStream
from toolhive_proxy.services.session_calls import OpenedCall, OpenedStream, timeout_failure

__all__ = ["StreamTimes", "write_answer", "write_call", "write_listening"]

_LARGEST_EVENT = 512 * 1024
"""Bytes. SDKs limit the size of an event (the Python one to 1 MiB) but not that of a JSON answer."""
_HEAD: list[Header] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
_ENDED = Failure(
    HTTPStatus.NOT_FOUND, Code.SESSION_NOT_FOUND, "the session ended before the answer came; call initialize again"
)
_PIECE = 256 * 1024


@dataclass(frozen=True)
class StreamTimes:
    """How long streams stay silent, in seconds."""

    patience: float = 60.0
    """Until a call without any sign of life is given up."""
    keep_alive: float = 30.0
    """Until a comment is sent, so that nothing on the way takes the connection for dead."""


async def write_answer(exchange: Exchange, answer: Answer) -> None:
    """Write an answer that is whole."""
    headers = [(SESSION_ID, answer.session_id.encode())] if answer.session_id else []
    if not _as_event(exchange, answer.data):
        await exchange.answer(HTTPStatus.OK, answer.data, headers=headers)
        return
    await exchange.send([head(HTTPStatus.OK, [*_HEAD, *headers])])
    await _write_event(exchange, answer.data, more=False)


async def write_call(exchange: Exchange, call: OpenedCall, times: StreamTimes) -> None:
    """Write what a call brings.

    The head waits for the first message, so that an error can still have its HTTP status, and an answer that comes
    first and is large can be plain JSON.
    """
    started = False
    silent = 0.0
    while True:
        step = min(times.keep_alive, times.patience - silent)
        try:
            item = await call.stream.get(step)
        except TimeoutError:
            silent += step
            if silent < times.patience:
                if accepts_sse(exchange.header(b"accept")):
                    started = await _start(exchange, started=started)
                    await exchange.send([piece(KEEP_ALIVE, more=True)])
                continue
            await call.give_up("the client's request timed out")
            item = timeout_failure(times.patience)
        silent = 0.0
        if not started and await _write_plain(exchange, item):
            return
        started = await _start(exchange, started=started)
        if await _write_item(exchange, item):
            return


async def _start(exchange: Exchange, *, started: bool) -> bool:
    if not started:
        await exchange.send([head(HTTPStatus.OK, _HEAD)])
    return True


async def _write_plain(exchange: Exchange, item: Reply | Failure | None) -> bool:
    """Answer without a stream, if the first item is the last and needs none; tells whether it did."""
    if not isinstance(item, Reply):
        await exchange.refuse(item or _ENDED)
        return True
    if item.final and not _as_event(exchange, item.data):
        await exchange.answer(HTTPStatus.OK, item.data)
        return True
    return False


async def _write_item(exchange: Exchange, item: Reply | Failure | None) -> bool:
    """Write one item of a call's stream; tells whether it was the last."""
    match item:
        case Reply(data, final):
            await _write_event(exchange, data, more=not final)
            return final
        case Failure() | None:
            failure = item or _ENDED
            body = error_body(exchange.request_id, failure.code, failure.message)
            await _write_event(exchange, body, more=False)
            return True


async def write_listening(exchange: Exchange, opened: OpenedStream, times: StreamTimes) -> None:
    """Write a GET stream until either side ends it."""
    await exchange.send([head(HTTPStatus.OK, _HEAD), piece(KEEP_ALIVE, more=True)])
    await until_first(_follow(exchange, opened.stream, times), exchange.disconnect())


async def _follow(exchange: Exchange, stream: MessageStream, times: StreamTimes) -> None:
    while True:
        try:
            item = await stream.get(times.keep_alive)
        except TimeoutError:
            await exchange.send([piece(KEEP_ALIVE, more=True)])
            continue
        if not isinstance(item, Reply):
            await exchange.send([piece(b"", more=False)])
            return
        await _write_event(exchange, item.data, more=True)


def _as_event(exchange: Exchange, data: bytes) -> bool:
    accept = exchange.header(b"accept")
    return accepts_sse(accept) and (len(data) <= _LARGEST_EVENT or not accepts_json(accept))


async def _write_event(exchange: Exchange, data: bytes, *, more: bool) -> None:
    event = encode_event(data)
    for start in range(0, len(event), _PIECE):
        last = start + _PIECE >= len(event)
        await exchange.send([piece(event[start : start + _PIECE], more=more or not last)])
