"""The endpoints of every workload: through its gates, and on to its server or its sessions."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self

from toolhive_common.schemas.runconfig import Transport
from toolhive_proxy.decisions.endless import is_endless
from toolhive_proxy.decisions.fronts import Front, front_of
from toolhive_proxy.decisions.post_verdict import judge_body
from toolhive_proxy.decisions.refusal import Refusal
from toolhive_proxy.handlers.counting import Counting
from toolhive_proxy.handlers.forwarded import Forwarded
from toolhive_proxy.handlers.replying import failure_of_lookup, id_of, refusal_answer
from toolhive_proxy.handlers.sessions_front import SessionsFront
from toolhive_proxy.handlers.sse_front import SseFront
from toolhive_proxy.middleware.chain import GateChains
from toolhive_proxy.middleware.origin import OriginCheck
from toolhive_proxy.middleware.runner import GateRunner, Serve
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.models.messages import Message
from toolhive_proxy.models.routes import Route, Unavailable, Unknown, Workloads
from toolhive_proxy.protocol.answers import json_answer
from toolhive_proxy.protocol.headers import PROTOCOL_VERSION, without_named
from toolhive_proxy.protocol.messages import read_client
from toolhive_proxy.services.callers import calling_with
from toolhive_proxy.services.forwarding import Forwarding
from toolhive_proxy.services.metrics import Metrics

__all__ = ["Gates", "Ways", "WorkloadEndpoints"]


@dataclass(frozen=True)
class Methods:
    """HTTP methods of an endpoint."""

    allowed: frozenset[str]
    refusal: Response
    """For all others."""

    @classmethod
    def of(cls, *methods: str) -> Self:
        """Allow these."""
        text = f'{{"error":"use {" or ".join(methods)}"}}'
        allow = (b"allow", ", ".join(methods).encode())
        return cls(frozenset(methods), json_answer(405, text.encode(), headers=[allow]))

    def refuse(self, exchange: Exchange, _context: RequestContext) -> None:
        """Serve a request of another method."""
        exchange.respond(self.refusal)


_METHODS = {
    Front.STREAMABLE_HTTP: Methods.of("GET", "POST", "DELETE"),
    Front.SSE: Methods.of("GET"),
    Front.SSE_MESSAGES: Methods.of("POST"),
}
_POST_ONLY = Methods.of("POST")
"""Of a server that says it keeps no sessions: there is nothing to listen to, and nothing to end."""


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


@dataclass(frozen=True)
class Ways:
    """How each front is served, once a request has passed its gates."""

    forwarding: Forwarding
    sessions: SessionsFront
    sse: SseFront


class WorkloadEndpoints:
    """Serves all workloads' endpoints: ``/mcp``, and for the clients of old ``/sse`` and ``/messages``.

    Parameters
    ----------
    not_found
        Answers where a workload has nothing.
    rest_of
        Path of a request, percent-encoded -> what comes after the workload's name.
    clock
        Seconds, of any steady clock.
    """

    def __init__(
        self,
        directory: Workloads,
        gates: Gates,
        ways: Ways,
        metrics: Metrics,
        *,
        not_found: Response,
        rest_of: Callable[[str], str],
        clock: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._gates = gates
        self._forwarding = ways.forwarding
        self._sessions = ways.sessions
        self._metrics = metrics
        self._not_found = not_found
        self._rest_of = rest_of
        self._clock = clock
        self._serve_front: dict[Front, Serve] = {
            Front.STREAMABLE_HTTP: self._serve,
            Front.SSE: with_caller(ways.sse.stream),
            Front.SSE_MESSAGES: with_caller(ways.sse.post),
        }
        self._serve_sessions = with_caller(ways.sessions.serve)
        self._streams: set[Forwarded] = set()
        self._stopping = False

    def mcp(self, exchange: Exchange, workload: str) -> None:
        """Serve one request of the streamable-http transport."""
        self._lead(exchange, workload, Front.STREAMABLE_HTTP)

    def sse(self, exchange: Exchange, workload: str) -> None:
        """Begin a session of the HTTP+SSE transport."""
        self._lead(exchange, workload, Front.SSE)

    def messages(self, exchange: Exchange, workload: str) -> None:
        """Take a message of such a session."""
        self._lead(exchange, workload, Front.SSE_MESSAGES)

    def other(self, exchange: Exchange, workload: str) -> None:
        """Serve a path that a remote server may have."""
        self._lead(exchange, workload, None)

    def _lead(self, exchange: Exchange, workload: str, front: Front | None) -> None:
        """Lead a request through the gates of its workload."""
        found = self._directory.find(workload)
        request = exchange.request
        if not isinstance(found, Route):
            self._refuse(exchange, found, front)
            return
        context = RequestContext(request, found, without_named(request.headers))
        if front is None or found.remote:
            context.rest = self._rest_of(request.raw_path)
            front = front_of(found, context.rest)
            if front is None:
                exchange.respond(self._not_found)
                return
        Counting(exchange, self._metrics.of(workload), self._clock, context)
        methods = _METHODS[front]
        if front is Front.STREAMABLE_HTTP and found.run_config.stateless:
            methods = _POST_ONLY
        # Also what is not served passes the gates first: a stranger learns nothing but that it is one.
        serve = self._serve_front[front] if request.method in methods.allowed else methods.refuse
        self._gates.run(exchange, context, self._gates.of(found), serve)

    def _refuse(self, exchange: Exchange, found: Unavailable | Unknown, front: Front | None) -> None:
        if isinstance(found, Unknown) and front is None:
            exchange.respond(self._not_found)
            return
        if isinstance(found, Unavailable) and found.key.name in self._directory.table:
            # Not of others: whoever asks could make up any number of names.
            Counting(exchange, self._metrics.of(found.key.name), self._clock)
        exchange.respond(self._gates.check_origin(exchange.request) or _refuse_route(exchange, found))

    def end_streams(self) -> None:
        """End the streams that would never end by themselves: the proxy stops."""
        self._stopping = True
        for stream in list(self._streams):
            stream.stop()

    def _serve(self, exchange: Exchange, context: RequestContext) -> Coroutine[Any, Any, None] | None:
        if context.route.transport is not Transport.STREAMABLE_HTTP:
            return self._serve_sessions(exchange, context)
        if not is_endless(context.request.method, context.message):
            Forwarded(exchange, context, self._forwarding).go()
        elif self._stopping:
            exchange.respond(json_answer(503, b'{"error":"the proxy stops; try again"}'))
        else:
            stream = Forwarded(exchange, context, self._forwarding, self._streams.discard)
            self._streams.add(stream)
            stream.go()
        return None


def with_caller(serve: Callable[[Exchange, RequestContext], Coroutine[Any, Any, None]]) -> Serve:
    """Let a connection that is made because of a request know whose it is."""

    async def known(exchange: Exchange, context: RequestContext) -> None:
        with calling_with(context.headers):
            await serve(exchange, context)

    def begin(exchange: Exchange, context: RequestContext) -> Coroutine[Any, Any, None]:
        # The agent makes the connections of stdio servers, for nobody in particular.
        return serve(exchange, context) if context.route.origin is None else known(exchange, context)

    return begin


def _refuse_route(exchange: Exchange, found: Unavailable | Unknown) -> Response:
    """Say why a workload cannot be called; with the request's id, where the body has one."""
    request = exchange.request
    request_id = None
    if request.method == "POST":
        message = judge_body(read_client(request.body), version=request.header(PROTOCOL_VERSION))
        if isinstance(message, Refusal):
            return refusal_answer(message, message.request_id)
        request_id = id_of(message) if isinstance(message, Message) else None
    return refusal_answer(failure_of_lookup(found), request_id)
