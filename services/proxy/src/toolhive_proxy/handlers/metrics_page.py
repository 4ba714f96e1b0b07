"""``/metrics``: numbers for Prometheus at a port of their own; at the clients' there is nothing, as in ToolHive."""

from collections.abc import Callable

from toolhive_proxy.models.http import Exchange, Response

__all__ = ["METRICS_TYPE", "MetricsPage", "no_metrics"]

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_TEXT = [(b"content-type", b"text/plain; charset=utf-8")]


class MetricsPage:
    """`toolhive_proxy.models.http.Handler` of that port.

    Parameters
    ----------
    render
        Writes the page.
    """

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._render = render

    def __call__(self, exchange: Exchange) -> None:
        """Serve one request."""
        request = exchange.request
        if request.path != "/metrics":
            exchange.respond(Response(404, b"not found; there is /metrics\n", _TEXT))
        elif request.method not in {"GET", "HEAD"}:
            exchange.respond(Response(405, b"use GET\n", [*_TEXT, (b"allow", b"GET, HEAD")]))
        else:
            exchange.respond(Response(200, self._render(), [(b"content-type", METRICS_TYPE)]))


def no_metrics(exchange: Exchange, _workload: str) -> None:
    """Answer at the clients' port."""
    exchange.respond(Response(404, b"404 page not found\n", _TEXT))
