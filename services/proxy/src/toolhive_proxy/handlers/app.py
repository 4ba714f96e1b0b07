"""Requests to handlers, by path."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from toolhive_proxy.decisions.places import Endpoint, place_of
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.protocol.answers import json_answer

__all__ = ["ProxyApp", "WorkloadHandler", "nothing_there"]

_NAMED = b'{"error":"not found; an MCP server is at /<workload>/mcp, and `thv list` shows the workloads"}'
_SINGLE = b'{"error":"not found; the MCP server is at /mcp"}'
_REMEMBERED = 256

WorkloadHandler = Callable[[Exchange, str], None]
"""Serves an exchange about the workload of this name."""


def nothing_there(*, single: str = "") -> Response:
    """Say that nothing is at a path, and where something is."""
    return json_answer(404, _SINGLE if single else _NAMED)


class ProxyApp:
    """`toolhive_proxy.models.http.Handler` of the whole proxy.

    Parameters
    ----------
    handlers
        Endpoint to who serves it; what is not there is not found.
    single
        Name of the only workload, served at the root; empty for all workloads by their names.
    """

    def __init__(self, handlers: Mapping[Endpoint, WorkloadHandler], *, single: str = "") -> None:
        self._handlers = handlers
        self._single = single
        self._find = lru_cache(maxsize=_REMEMBERED)(self._look_up)
        self.not_found = nothing_there(single=single)

    def __call__(self, exchange: Exchange) -> None:
        """Serve one request."""
        found = self._find(exchange.request.path)
        if found is None:
            exchange.respond(self.not_found)
        else:
            handler, workload = found
            handler(exchange, workload)

    def _look_up(self, path: str) -> tuple[WorkloadHandler, str] | None:
        place = place_of(path, single=self._single)
        handler = self._handlers.get(place.endpoint) if place is not None else None
        return (handler, place.workload) if place is not None and handler is not None else None
