"""``/<workload>/mcp``: the streamable-http front of every workload."""

from collections.abc import Coroutine
from typing import Any

from toolhive_common.schemas.runconfig import Transport
from toolhive_proxy.decisions.post_verdict import Refusal, judge_body
from toolhive_proxy.handlers.event_streams import StreamTimes, write_answer, write_call, write_listening
from toolhive_proxy.handlers.forwarded import Forwarded
from toolhive_proxy.handlers.replying import failure_of_lookup, id_of, refusal_answer, request_id_of
from toolhive_proxy.middleware.chain import GateChains
from toolhive_proxy.middleware.origin import OriginCheck
from toolhive_proxy.middleware.runner import GateRunner
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.models.messages import Message
from toolhive_proxy.models.outcomes import Accepted, Answer
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.models.routes import Route, Unavailable, Unknown
from toolhive_proxy.protocol.answers import json_answer
from toolhive_proxy.protocol.headers import PROTOCOL_VERSION, SESSION_ID, accepts_sse
from toolhive_proxy.protocol.messages import read_client
from toolhive_proxy.services.directory import Directory
from toolhive_proxy.services.forwarding import Forwarding
from toolhive_proxy.services.session_calls import OpenedCall, OpenedStream, PostFacts, SessionCalls

__all__ = ["Gates", "McpEndpoint"]

_NOT_ALLOWED = json_answer(405, b'{"error":"use POST, GET or DELETE"}', headers=[(b"allow", b"GET, POST, DELETE")])
_METHODS = frozenset({"POST", "GET", "DELETE"})


class Gates:
    """What stands before every workload.

    Parameters
    ----------
    origin
        Also looks at requests for workloads that cannot be called, which have no gates.
    """

    def __init__(self, chains: GateChains, runner: GateRunner, origin: OriginCheck) -> None:
        self.of = chains.of
        self.run = runner.run
        self.check_origin = origin.check


class McpEndpoint:
    """Serves all workloads' endpoints."""

    def __init__(
        self,
        directory: Directory,
        gates: Gates,
        calls: SessionCalls,
        forwarding: Forwarding,
        *,
        times: StreamTimes,
    ) -> None:
        self._directory = directory
        self._gates = gates
        self._calls = calls
        self._forwarding = forwarding
        self._times = times
        self._streams: set[Forwarded] = set()
        self._stopping = False

    def __call__(self, exchange: Exchange, workload: str) -> None:
        """Serve one request."""
        found = self._directory.find(workload)
        request = exchange.request
        if not isinstance(found, Route):
            exchange.respond(self._gates.check_origin(request) or _refuse_route(exchange, found))
        elif request.method not in _METHODS:
            exchange.respond(_NOT_ALLOWED)
        else:
            context = RequestContext(request, found, request.headers)
            self._gates.run(exchange, context, self._gates.of(found), self._serve)

    def end_streams(self) -> None:
        """End the streams that would never end by themselves: the proxy stops."""
        self._stopping = True
        for stream in list(self._streams):
            stream.stop()

    def _serve(self, exchange: Exchange, context: RequestContext) -> Coroutine[Any, Any, None] | None:
        if context.route.transport is not Transport.STREAMABLE_HTTP:
            return self._serve_session(exchange, context)
        if context.request.method != "GET":
            Forwarded(exchange, context, self._forwarding).go()
        elif self._stopping:
            exchange.respond(json_answer(503, b'{"error":"the proxy stops; try again"}'))
        else:
            stream = Forwarded(exchange, context, self._forwarding, self._streams.discard)
            self._streams.add(stream)
            stream.go()
        return None

    async def _serve_session(self, exchange: Exchange, context: RequestContext) -> None:
        message = context.message
        if isinstance(message, Message):
            await self._post_to_session(exchange, context, message)
        elif context.request.method == "GET":
            await self._listen(exchange, context)
        else:
            outcome = await self._calls.end(context.route, context.request.header(SESSION_ID))
            exchange.respond(refusal_answer(outcome, None) if isinstance(outcome, Refusal) else Response(204))

    async def _post_to_session(self, exchange: Exchange, context: RequestContext, message: Message) -> None:
        request = context.request
        facts = PostFacts(
            request.header(PROTOCOL_VERSION),
            request.header(SESSION_ID),
            takes_stream=accepts_sse(request.header(b"accept")),
        )
        match await self._calls.post(context.route, message, facts):
            case Refusal() | Failure() as refusal:
                exchange.respond(refusal_answer(refusal, request_id_of(context)))
            case Accepted():
                exchange.respond(Response(202))
            case Answer() as answer:
                write_answer(exchange, answer)
            case OpenedCall() as call:
                try:
                    await write_call(exchange, call, request_id_of(context), self._times)
                finally:
                    await call.finish()

    async def _listen(self, exchange: Exchange, context: RequestContext) -> None:
        opened = self._calls.listen(context.route, context.request.header(SESSION_ID))
        match opened:
            case Refusal():
                exchange.respond(refusal_answer(opened, None))
            case OpenedStream():
                try:
                    await write_listening(exchange, opened, self._times)
                finally:
                    opened.finish()


def _refuse_route(exchange: Exchange, found: Unavailable | Unknown) -> Response:
    """Say why a workload cannot be called; with the request's id, where the body has one."""
    request = exchange.request
    request_id = None
    if request.method == "POST":
        message = judge_body(read_client(request.body))
        if isinstance(message, Refusal):
            return refusal_answer(message, message.request_id)
        request_id = id_of(message)
    return refusal_answer(failure_of_lookup(found), request_id)
