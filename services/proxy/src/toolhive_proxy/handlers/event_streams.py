"""Writes what a session's streams give: event streams, or a plain JSON answer where that is enough."""

from dataclasses import dataclass
from http import HTTPStatus

from toolhive_common.mcp.jsonrpc import Code, Id, error_body
from toolhive_proxy.handlers.replying import refusal_answer, until_client_leaves
from toolhive_proxy.models.http import Exchange, Header, Response
from toolhive_proxy.models.outcomes import Answer
from toolhive_proxy.models.replies import Failure, Reply
from toolhive_proxy.protocol.answers import json_answer
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


@dataclass(frozen=True)
class StreamTimes:
    """How long streams stay silent, in seconds."""

    patience: float = 60.0
    """Until a call without any sign of life is given up."""
    keep_alive: float = 30.0
    """Until a comment is sent, so that nothing on the way takes the connection for dead."""


def write_answer(exchange: Exchange, answer: Answer) -> None:
    """Write an answer that is whole."""
    headers = [(SESSION_ID, answer.session_id.encode())] if answer.session_id else []
    if _as_event(exchange, answer.data):
        exchange.respond(Response(HTTPStatus.OK, encode_event(answer.data), [*_HEAD, *headers]))
    else:
        exchange.respond(json_answer(HTTPStatus.OK, answer.data, headers=headers))


async def write_call(exchange: Exchange, call: OpenedCall, request_id: Id | None, times: StreamTimes) -> None:
    """Write what a call brings.

    The head waits for the first message, so that an error can still have its HTTP status, and an answer that comes
    first can be whole.
    """
    silent = 0.0
    while True:
        step = min(times.keep_alive, times.patience - silent)
        try:
            item = await call.stream.get(step)
        except TimeoutError:
            silent += step
            if silent < times.patience:
                if accepts_sse(exchange.request.header(b"accept")):
                    _start(exchange)
                    exchange.write(KEEP_ALIVE)
                continue
            await call.give_up("the client's request timed out")
            item = timeout_failure(times.patience)
        silent = 0.0
        if not exchange.started and _write_whole(exchange, item, request_id):
            return
        _start(exchange)
        exchange.write(_event_of(item, request_id))
        if not isinstance(item, Reply) or item.final:
            exchange.end()
            return
        if not exchange.closed:
            await exchange.drain()


def _start(exchange: Exchange) -> None:
    if not exchange.started:
        exchange.start(HTTPStatus.OK, _HEAD)


def _write_whole(exchange: Exchange, item: Reply | Failure | None, request_id: Id | None) -> bool:
    """Answer at once, if the first item is the last; tells whether it did."""
    if not isinstance(item, Reply):
        exchange.respond(refusal_answer(item or _ENDED, request_id))
        return True
    if item.final:
        write_answer(exchange, Answer(item.data))
    return item.final


def _event_of(item: Reply | Failure | None, request_id: Id | None) -> bytes:
    if isinstance(item, Reply):
        return encode_event(item.data)
    failure = item or _ENDED
    return encode_event(error_body(request_id, failure.code, failure.message))


async def write_listening(exchange: Exchange, opened: OpenedStream, times: StreamTimes) -> None:
    """Write a GET stream until either side ends it."""
    exchange.start(HTTPStatus.OK, _HEAD)
    exchange.write(KEEP_ALIVE)
    await until_client_leaves(exchange, _follow(exchange, opened.stream, times))


async def _follow(exchange: Exchange, stream: MessageStream, times: StreamTimes) -> None:
    while True:
        try:
            item = await stream.get(times.keep_alive)
        except TimeoutError:
            exchange.write(KEEP_ALIVE)
            continue
        if not isinstance(item, Reply):
            exchange.end()
            return
        exchange.write(encode_event(item.data))
        await exchange.drain()


def _as_event(exchange: Exchange, data: bytes) -> bool:
    accept = exchange.request.header(b"accept")
    return accepts_sse(accept) and (len(data) <= _LARGEST_EVENT or not accepts_json(accept))
