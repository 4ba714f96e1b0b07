"""Writes what a streamable-http server answers, as it comes."""

import asyncio
from collections.abc import AsyncIterator

import structlog

from toolhive_common.mcp.jsonrpc import error_body
from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.handlers.exchange import Exchange, until_first
from toolhive_proxy.models.asgi import Header
from toolhive_proxy.models.messages import Kind, Message
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.models.routes import Route
from toolhive_proxy.models.upstream import UpstreamTrouble
from toolhive_proxy.protocol.asgi_messages import head, piece
from toolhive_proxy.protocol.sse import encode_event
from toolhive_proxy.services.forwarding import Forwarding, ForwardRequest

__all__ = ["write_forwarded"]

_log = structlog.get_logger(__name__)

_UNFINISHED = b"event: toolhive-unfinished\n\n"
"""Ends whatever the server left half said. The last ``event`` line of an event counts, and clients pass over a type
that they do not know: the torso reaches nobody as a message."""


async def write_forwarded(
    exchange: Exchange,
    forwarding: Forwarding,
    route: Route,
    message: Message | None,
    body: bytes,
    *,
    patience: float,
    stopping: asyncio.Event,
) -> None:
    """Send the request on, and write the response.

    Parameters
    ----------
    patience
        Seconds that an answer may stay silent.
    stopping
        Set when the proxy stops: streams that would never end, end.
    """
    request = ForwardRequest(exchange.method, exchange.query, exchange.headers, body, message)
    copy = _Copy(exchange)
    started = streams = False
    try:
        async with forwarding.forward(route, request) as response:
            streams = _is_event_stream(response.headers)
            await exchange.send([head(response.status, response.headers)])
            started = True
            if exchange.method == "GET":
                await until_first(copy.run(response.body), exchange.disconnect(), _wait(stopping))
            elif streams:
                # A client that leaves a stream may mean to cancel: let the server see it leave.
                await until_first(copy.run(_impatient(response.body, patience)), exchange.disconnect())
            else:
                await copy.run(_impatient(response.body, patience))
            await exchange.send([piece(b"", more=False)])
    except UpstreamError as error:
        failure = forwarding.failure(route, error)
        _log.warning("a server failed", workload=route.key.name, cause=error.message)
        if not started:
            await exchange.refuse(failure)
        elif streams and message is not None and message.kind is Kind.REQUEST:
            await copy.end_stream(failure)
        # else: the response stays unfinished and the connection is closed, which is how HTTP tells it


class _Copy:
    """Brings a body to the client, and remembers how it ended."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._last = b""

    async def run(self, pieces: AsyncIterator[bytes]) -> None:
        """Write each piece as it comes."""
        async for data in pieces:
            self._last = data
            await self._exchange.send([piece(data, more=True)])

    async def end_stream(self, failure: Failure) -> None:
        """End an event stream with an error, whatever the server was about to say."""
        line_end = b"" if self._last.endswith((b"\n", b"\r")) else b"\n"
        body = error_body(self._exchange.request_id, failure.code, failure.message)
        await self._exchange.send([piece(line_end + _UNFINISHED + encode_event(body), more=False)])


async def _wait(stopping: asyncio.Event) -> None:
    await stopping.wait()


async def _impatient(pieces: AsyncIterator[bytes], patience: float) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(patience):
                data = await anext(pieces, None)
        except TimeoutError as error:
            raise UpstreamError(UpstreamTrouble.SILENT, f"nothing came for {patience:g} s") from error
        if data is None:
            return
        yield data


def _is_event_stream(headers: list[Header]) -> bool:
    values = dict(headers)
    return values.get(b"content-type", b"").lower().startswith(b"text/event-stream") and (
        b"content-encoding" not in values  # we could add nothing to a compressed stream
    )
