"""Health: of a workload in ToolHive's JSON, and of the process for whoever restarts it."""

from collections.abc import Callable, Mapping
from datetime import datetime

import orjson

from toolhive_common.observability.health import Check, readiness
from toolhive_proxy.middleware.runner import GateRunner
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.models.routes import Route, Unavailable, Unknown, Workloads
from toolhive_proxy.protocol.answers import json_answer

__all__ = ["ProcessHealth", "WorkloadHealth"]


class WorkloadHealth:
    """``/<workload>/health``: whether it can be called. It passes no gate, as in ToolHive.

    Parameters
    ----------
    lenient
        Whether a workload that cannot be called is told with status 200, where any other restarts the proxy.
    """

    def __init__(self, directory: Workloads, now: Callable[[], datetime], *, lenient: bool = False) -> None:
        self._directory = directory
        self._now = now
        self._down = ("degraded", 200) if lenient else ("unhealthy", 503)

    def __call__(self, exchange: Exchange, workload: str) -> None:
        """Serve one request."""
        if exchange.request.method not in {"GET", "HEAD"}:
            exchange.respond(json_answer(405, b'{"error":"use GET"}', headers=[(b"allow", b"GET, HEAD")]))
        else:
            exchange.respond(self._answer(workload))

    def _answer(self, workload: str) -> Response:
        told: dict[str, object] = {"timestamp": self._now().isoformat()}
        match self._directory.find(workload):
            case Route() as route:
                told |= {"status": "healthy", "transport": str(route.transport), "mcp": {"available": True}}
                return json_answer(200, orjson.dumps(told))
            case Unavailable() as found:
                word, status = self._down
                told |= {"status": word, "mcp": {"available": False, "error": found.reason}}
                return json_answer(status, orjson.dumps(told))
            case Unknown(name):
                text = f"there is no workload {name[:120]!r}; `thv list --all` shows those there are"
                return json_answer(404, orjson.dumps({"error": text}))


class ProcessHealth:
    """``/healthz``: the process works. ``/readyz``: what it depends on answers."""

    def __init__(self, checks: Mapping[str, Check], runner: GateRunner) -> None:
        self._checks = checks
        self._runner = runner

    def alive(self, exchange: Exchange, _workload: str) -> None:
        """Serve ``/healthz``."""
        exchange.respond(json_answer(200, b'{"status":"ok"}'))

    def ready(self, exchange: Exchange, _workload: str) -> None:
        """Serve ``/readyz``."""
        self._runner.start(exchange, self._check(exchange))

    async def _check(self, exchange: Exchange) -> None:
        outcome = await readiness(self._checks)
        exchange.respond(json_answer(outcome.status, outcome.to_json()))
