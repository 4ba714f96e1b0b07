"""``/<workload>/health``: whether a workload can be called, in ToolHive's JSON."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

import orjson

from toolhive_proxy.handlers.exchange import Exchange
from toolhive_proxy.models.asgi import Receive, Scope, Send
from toolhive_proxy.models.routes import Route, Unavailable, Unknown
from toolhive_proxy.services.directory import Directory

__all__ = ["WorkloadHealth"]


class WorkloadHealth:
    """An ASGI application of all workloads' health."""

    def __init__(self, directory: Directory, now: Callable[[], datetime]) -> None:
        self._directory = directory
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = Exchange(scope, receive, send)
        if exchange.method != "GET":
            await exchange.answer(HTTPStatus.METHOD_NOT_ALLOWED, b'{"error":"use GET"}', headers=[(b"allow", b"GET")])
            return
        told: dict[str, object] = {"timestamp": self._now().isoformat()}
        match self._directory.find(exchange.path.split("/")[1]):
            case Route() as route:
                told |= {"status": "healthy", "transport": str(route.transport), "mcp": {"available": True}}
                await exchange.answer(HTTPStatus.OK, orjson.dumps(told))
            case Unavailable() as found:
                told |= {"status": "unhealthy", "mcp": {"available": False, "error": found.reason}}
                await exchange.answer(HTTPStatus.SERVICE_UNAVAILABLE, orjson.dumps(told))
            case Unknown(name):
                text = f"there is no workload {name[:120]!r}; `thv list --all` shows those there are"
                await exchange.answer(HTTPStatus.NOT_FOUND, orjson.dumps({"error": text}))
