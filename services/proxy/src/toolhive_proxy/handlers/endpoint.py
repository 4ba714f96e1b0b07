"""``/<workload>/mcp``: the streamable-http front of every workload."""

import asyncio
from http import HTTPStatus

from toolhive_common.mcp.jsonrpc import Code
from toolhive_common.schemas.runconfig import Transport
from toolhive_proxy.decisions.post_verdict import Refusal, judge_body
from toolhive_proxy.handlers.event_streams import StreamTimes, write_answer, write_call, write_listening
from toolhive_proxy.handlers.exchange import Exchange
from toolhive_proxy.handlers.forwarded import write_forwarded
from toolhive_proxy.models.asgi import Receive, Scope, Send
from toolhive_proxy.models.messages import Kind, Message
from toolhive_proxy.models.outcomes import Accepted, Answer
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.models.routes import Lookup, Route, Unavailable, Unknown
from toolhive_proxy.protocol.headers import PROTOCOL_VERSION, SESSION_ID, accepts_sse
from toolhive_proxy.protocol.messages import read_client
from toolhive_proxy.services.directory import Directory
from toolhive_proxy.services.forwarding import Forwarding
from toolhive_proxy.services.session_calls import OpenedCall, OpenedStream, PostFacts, SessionCalls

__all__ = ["McpEndpoint"]


class McpEndpoint:
    """An ASGI application of all workloads' endpoints.

    Parameters
    ----------
    stopping
        Set when the proxy stops.
    """

    def __init__(
        self,
        directory: Directory,
        calls: SessionCalls,
        forwarding: Forwarding,
        *,
        times: StreamTimes,
        stopping: asyncio.Event,
    ) -> None:
        self._directory = directory
        self._calls = calls
        self._forwarding = forwarding
        self._times = times
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = Exchange(scope, receive, send)
        found = self._directory.find(exchange.path.split("/")[1])
        match exchange.method:
            case "POST":
                await self._post(exchange, found)
            case "GET" | "DELETE":
                await self._get_or_delete(exchange, found)
            case _:
                await exchange.answer(
                    HTTPStatus.METHOD_NOT_ALLOWED,
                    b'{"error":"use POST, GET or DELETE"}',
                    headers=[(b"allow", b"GET, POST, DELETE")],
                )

    async def _post(self, exchange: Exchange, found: Lookup) -> None:
        body = await exchange.body()
        message = judge_body(read_client(body))
        if isinstance(message, Refusal):
            exchange.request_id = message.request_id
            await exchange.refuse(message)
            return
        exchange.request_id = message.id if message.kind is Kind.REQUEST else None
        if not isinstance(found, Route):
            await _refuse_route(exchange, found)
        elif found.transport is Transport.STREAMABLE_HTTP:
            await self._forward(exchange, found, message, body)
        else:
            await self._post_to_session(exchange, found, message)

    async def _post_to_session(self, exchange: Exchange, route: Route, message: Message) -> None:
        facts = PostFacts(
            exchange.header(PROTOCOL_VERSION),
            exchange.header(SESSION_ID),
            takes_stream=accepts_sse(exchange.header(b"accept")),
        )
        match await self._calls.post(route, message, facts):
            case Refusal() | Failure() as refusal:
                await exchange.refuse(refusal)
            case Accepted():
                await exchange.answer(HTTPStatus.ACCEPTED)
            case Answer() as answer:
                await write_answer(exchange, answer)
            case OpenedCall() as call:
                try:
                    await write_call(exchange, call, self._times)
                finally:
                    await call.finish()

    async def _get_or_delete(self, exchange: Exchange, found: Lookup) -> None:
        if not isinstance(found, Route):
            await _refuse_route(exchange, found)
        elif found.transport is Transport.STREAMABLE_HTTP:
            await self._forward(exchange, found, None, b"")
        elif exchange.method == "GET":
            await self._listen(exchange, found)
        else:
            await self._end(exchange, found)

    async def _listen(self, exchange: Exchange, route: Route) -> None:
        opened = self._calls.listen(route, exchange.header(SESSION_ID))
        match opened:
            case Refusal():
                await exchange.refuse(opened)
            case OpenedStream():
                try:
                    await write_listening(exchange, opened, self._times)
                finally:
                    opened.finish()

    async def _end(self, exchange: Exchange, route: Route) -> None:
        outcome = await self._calls.end(route, exchange.header(SESSION_ID))
        if isinstance(outcome, Refusal):
            await exchange.refuse(outcome)
        else:
            await exchange.answer(HTTPStatus.NO_CONTENT)

    async def _forward(self, exchange: Exchange, route: Route, message: Message | None, body: bytes) -> None:
        await write_forwarded(
            exchange,
            self._forwarding,
            route,
            message,
            body,
            patience=self._times.patience,
            stopping=self._stopping,
        )


async def _refuse_route(exchange: Exchange, found: Unavailable | Unknown) -> None:
    match found:
        case Unknown(name):
            text = f"there is no workload {name[:120]!r}; `thv list --all` shows those there are"
            await exchange.refuse(Failure(HTTPStatus.NOT_FOUND, Code.INVALID_REQUEST, text))
        case Unavailable():
            await exchange.refuse(
                Failure(HTTPStatus.SERVICE_UNAVAILABLE, Code.SERVER_ERROR, found.reason, found.retry_after)
            )
