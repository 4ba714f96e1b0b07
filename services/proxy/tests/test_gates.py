"""The gates' order, their runner, and the paths behind them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from toolhive_common.middleware.parts import PartName
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.testing.factories import a_run_config
from toolhive_proxy.decisions.places import Endpoint, Place, path_of, place_of, rest_of
from toolhive_proxy.middleware.chain import GateChains
from toolhive_proxy.middleware.runner import GateRunner
from toolhive_proxy.models.gates import Gate, RequestContext
from toolhive_proxy.models.http import Header, Request, Response
from toolhive_proxy.models.routes import Route
from toolhive_proxy.services.tasks import Tasks


class Recorded:
    """An exchange that keeps what it is answered."""

    def __init__(self) -> None:
        self.request = Request("POST", "/time/mcp", "", [], b"", "")
        self.correlation_id = "id"
        self.started = self.closed = self.aborted = False
        self.status = 0
        self.answered = asyncio.Event()

    def respond(self, response: Response) -> None:
        self.status = response.status
        self.started = True
        self.answered.set()

    def start(self, status: int, headers: Sequence[Header]) -> None:
        self.status = status
        self.started = True

    def write(self, data: bytes) -> None: ...
    def end(self) -> None: ...

    def abort(self) -> None:
        self.aborted = True

    async def drain(self) -> None: ...
    def on_close(self, callback: Callable[[], None]) -> None: ...
    def on_done(self, callback: Callable[[int, int], None]) -> None: ...
    def on_pressure(self, pause: Callable[[], None], resume: Callable[[], None]) -> None: ...


def a_route(revision: int = 1) -> Route:
    return Route(WorkloadKey.default("time"), revision, Transport.STDIO, a_run_config("time"))


def a_context(exchange: Recorded) -> RequestContext:
    return RequestContext(exchange.request, a_route(), exchange.request.headers)


def serve(exchange: Any, _context: RequestContext) -> None:
    exchange.respond(Response(200))


def test_gates_are_made_once_for_each_revision() -> None:
    made: list[int] = []

    def make(route: Route) -> list[tuple[PartName, Gate]]:
        made.append(route.revision)
        return [(PartName.AUTHENTICATION, lambda _context: None)]

    chains = GateChains(make)
    route = a_route()
    assert chains.of(route) is chains.of(route)
    chains.of(Route(route.key, 2, route.transport, route.run_config))
    assert made == [1, 2]
    chains.keep_only({})
    chains.of(route)
    assert made == [1, 2, 1]


def test_the_first_gate_that_answers_is_the_last_that_is_asked() -> None:
    exchange = Recorded()
    asked: list[str] = []

    def passes(_context: RequestContext) -> None:
        asked.append("passes")

    def refuses(_context: RequestContext) -> Response:
        asked.append("refuses")
        return Response(403)

    GateRunner(Tasks()).run(exchange, a_context(exchange), (passes, refuses, passes), serve)
    assert exchange.status == 403
    assert asked == ["passes", "refuses"]


@pytest.mark.parametrize(("answer", "status"), [(None, 200), (Response(401), 401)])
async def test_a_gate_may_wait(answer: Response | None, status: int) -> None:
    exchange = Recorded()

    async def later() -> Response | None:
        return answer

    GateRunner(Tasks()).run(exchange, a_context(exchange), (lambda _context: later(),), serve)
    assert not exchange.started
    await exchange.answered.wait()
    assert exchange.status == status


def fails(_context: RequestContext) -> None:
    raise ZeroDivisionError


async def fails_later(_context: RequestContext) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("gate", [fails, fails_later])
async def test_a_failure_of_our_own_code_is_500(gate: Gate) -> None:
    exchange = Recorded()
    GateRunner(Tasks()).run(exchange, a_context(exchange), (gate,), serve)
    await exchange.answered.wait()
    assert exchange.status == 500


def test_a_failure_within_an_answer_breaks_it_off() -> None:
    exchange = Recorded()

    def half(_exchange: Any, _context: RequestContext) -> None:
        exchange.start(200, [])
        raise ZeroDivisionError

    GateRunner(Tasks()).run(exchange, a_context(exchange), (), half)
    assert exchange.aborted


@pytest.mark.parametrize(
    ("path", "single", "place"),
    [
        ("/time/mcp", "", Place(Endpoint.MCP, "time")),
        ("/time/mcp/", "", Place(Endpoint.MCP, "time")),
        ("/time/sse", "", Place(Endpoint.SSE, "time")),
        ("/time/messages", "", Place(Endpoint.MESSAGES, "time")),
        ("/time/health", "", Place(Endpoint.HEALTH, "time")),
        ("/healthz", "", Place(Endpoint.PROCESS_ALIVE)),
        ("/readyz", "time", Place(Endpoint.PROCESS_READY)),
        ("/mcp", "time", Place(Endpoint.MCP, "time")),
        ("/health", "time", Place(Endpoint.HEALTH, "time")),
        ("/time/mcp", "time", Place(Endpoint.OTHER, "time")),
        ("/", "time", Place(Endpoint.OTHER, "time")),
        ("/time", "", Place(Endpoint.OTHER, "time")),
        ("/time/v1/mcp", "", Place(Endpoint.OTHER, "time")),
        ("/metrics", "", Place(Endpoint.METRICS)),
        ("/metrics/mcp", "", Place(Endpoint.MCP, "metrics")),
        ("/.well-known/oauth-protected-resource/time/mcp", "", Place(Endpoint.METADATA, "time")),
        ("/.well-known/oauth-protected-resource/time", "", Place(Endpoint.METADATA, "time")),
        ("/time/.well-known/oauth-protected-resource", "", Place(Endpoint.METADATA, "time")),
        ("/.well-known/oauth-protected-resource/mcp", "time", Place(Endpoint.METADATA, "time")),
        ("/.well-known/oauth-protected-resource", "time", Place(Endpoint.METADATA, "time")),
        ("/.well-known/oauth-protected-resource", "", Place(Endpoint.WELL_KNOWN)),
        ("/.well-known/openid-configuration", "", Place(Endpoint.WELL_KNOWN)),
        ("/time/.well-known/openid-configuration", "time", Place(Endpoint.WELL_KNOWN)),
        ("//mcp", "", None),
        ("/", "", None),
        ("time/mcp", "", None),
    ],
)
def test_a_path_names_one_place(path: str, single: str, place: Place | None) -> None:
    assert place_of(path, single=single) == place


@pytest.mark.parametrize(
    ("path", "single", "rest"),
    [
        ("/time", "", ""),
        ("/time/", "", "/"),
        ("/time/a%2Fb/c", "", "/a%2Fb/c"),
        ("/a/b", "time", "/a/b"),
    ],
)
def test_what_comes_after_the_name_stays_as_it_came(path: str, single: str, rest: str) -> None:
    assert rest_of(path, single=single) == rest
    assert path_of("time", rest, single=single) == path
