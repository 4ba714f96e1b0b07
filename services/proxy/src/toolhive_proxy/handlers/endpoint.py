"""The endpoints of every workload: through its gates, and on to its server or its sessions."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Self

from toolhive_common.schemas.runconfig import Transport
from toolhive_proxy.decisions.post_verdict import judge_body
from toolhive_proxy.decisions.refusal import Refusal
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
from toolhive_proxy.models.routes import Route, Unavailable, Unknown
from toolhive_proxy.protocol.answers import json_answer
from toolhive_proxy.protocol.headers import PROTOCOL_VERSION
from toolhive_proxy.protocol.messages import read_client
from toolhive_proxy.services.directory import Directory
from toolhive_proxy.services.forwarding import Forwarding

__all__ = ["Gates", "WorkloadEndpoints"]


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


_MCP_METHODS = Methods.of("GET", "POST", "DELETE")
_SSE_METHODS = Methods.of("GET")
_MESSAGES_METHODS = Methods.of("POST")


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


class WorkloadEndpoints:
    """Serves all workloads' endpoints: ``/mcp``, and for the clients of old ``/sse`` and ``/messages``."""

    def __init__(
        self, directory: Directory, gates: Gates, forwarding: Forwarding, sessions: SessionsFront, sse: SseFront
    ) -> None:
        self._directory = directory
        self._gates = gates
        self._forwarding = forwarding
        self._sessions = sessions
        self._sse = sse
        self._streams: set[Forwarded] = set()
        self._stopping = False

    def mcp(self, exchange: Exchange, workload: str) -> None:
        """Serve one request of the streamable-http transport."""
        self._lead(exchange, workload, _MCP_METHODS, self._serve)

    def sse(self, exchange: Exchange, workload: str) -> None:
        """Begin a session of the HTTP+SSE transport."""
        self._lead(exchange, workload, _SSE_METHODS, self._sse.stream)

    def messages(self, exchange: Exchange, workload: str) -> None:
        """Take a message of such a session."""
        self._lead(exchange, workload, _MESSAGES_METHODS, self._sse.post)

    def _lead(self, exchange: Exchange, workload: str, methods: Methods, serve: Serve) -> None:
        """Lead a request through the gates of its workload."""
        found = self._directory.find(workload)
        request = exchange.request
        if not isinstance(found, Route):
            exchange.respond(self._gates.check_origin(request) or _refuse_route(exchange, found))
        elif request.method not in methods.allowed:
            exchange.respond(methods.refusal)
        else:
            context = RequestContext(request, found, request.headers)
            self._gates.run(exchange, context, self._gates.of(found), serve)

    def end_streams(self) -> None:
        """End the streams that would never end by themselves: the proxy stops."""
        self._stopping = True
        for stream in list(self._streams):
            stream.stop()

    def _serve(self, exchange: Exchange, context: RequestContext) -> Coroutine[Any, Any, None] | None:
        if context.route.transport is not Transport.STREAMABLE_HTTP:
            return self._sessions.serve(exchange, context)
        if context.request.method != "GET":
            Forwarded(exchange, context, self._forwarding).go()
        elif self._stopping:
            exchange.respond(json_answer(503, b'{"error":"the proxy stops; try again"}'))
        else:
            stream = Forwarded(exchange, context, self._forwarding, self._streams.discard)
            self._streams.add(stream)
            stream.go()
        return None


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
