"""Streams that a client listens to: what comes in its session, for as long as both like."""

from collections.abc import Callable
from http import HTTPStatus

from toolhive_common.mcp.port import FromBroker, Note
from toolhive_proxy.decisions.refusal import ENDED, failure_from
from toolhive_proxy.handlers.call_writer import STREAM_HEAD, StreamTimes
from toolhive_proxy.handlers.replying import end_stream
from toolhive_proxy.models.http import Exchange
from toolhive_proxy.protocol.sse import KEEP_ALIVE
from toolhive_proxy.services.inbox import Inbox

__all__ = ["write_stream"]


async def write_stream(
    exchange: Exchange,
    inbox: Inbox,
    times: StreamTimes,
    *,
    beginning: bytes,
    encode: Callable[[FromBroker, str], bytes],
) -> None:
    """Write what comes until the stream ends.

    Parameters
    ----------
    beginning
        Its first bytes.
    encode
        A message, and what the keeper of sessions calls the stream -> an event.

    Raises
    ------
    TimeoutError
        The stream did not begin in time.
    ClientLeftError, SlowClientError
        Nobody is there to read it.
    """
    exchange.on_close(inbox.leave)
    inbox.endless = True
    name = ""
    while True:
        try:
            item = await inbox.get(times.keep_alive if exchange.started else times.patience)
        except TimeoutError:
            if not exchange.started:
                raise
            exchange.write(KEEP_ALIVE)
            continue
        match item.note:
            case Note.STARTED:
                name = item.data.decode()
                exchange.start(HTTPStatus.OK, STREAM_HEAD)
                exchange.write(beginning)
            case Note.MESSAGE:
                exchange.write(encode(item, name))
            case Note.FINAL:
                exchange.write(encode(item, name))
                exchange.end()
                return
            case Note.REFUSED:
                end_stream(exchange, failure_from(item.code, item.data.decode()))
                return
            case Note.DONE:
                end_stream(exchange, ENDED)
                return
        await exchange.drain()
