"""All targets on all paths: the rows of the table, in its order."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.harness.targets import direct, nginx, peers, toolhive
from bench.harness.targets.base import HTTP_TO_HTTP, HTTP_TO_SSE, HTTP_TO_STDIO, Stage, Target

__all__ = ["CATALOGUE", "Entry"]


@dataclass(frozen=True)
class Entry:
    """One row before it is started."""

    path: str
    name: str
    start: Callable[[Stage], AbstractContextManager[Target]]


CATALOGUE: Sequence[Entry] = (
    Entry(HTTP_TO_HTTP, "direct", direct.http),
    Entry(HTTP_TO_HTTP, "nginx", nginx.http),
    Entry(HTTP_TO_HTTP, "nginx, all cores", nginx.http_all_cores),
    Entry(HTTP_TO_HTTP, "mcp-proxy", peers.mcp_proxy_http),
    Entry(HTTP_TO_HTTP, "supergateway", peers.supergateway_http),
    Entry(HTTP_TO_HTTP, toolhive.NAME, toolhive.http),
    Entry(HTTP_TO_SSE, "direct", direct.sse),
    Entry(HTTP_TO_SSE, "nginx", nginx.sse),
    Entry(HTTP_TO_SSE, "mcp-proxy", peers.mcp_proxy_sse),
    Entry(HTTP_TO_SSE, "supergateway", peers.supergateway_sse),
    Entry(HTTP_TO_SSE, toolhive.NAME, toolhive.sse),
    Entry(HTTP_TO_STDIO, "direct", direct.stdio),
    Entry(HTTP_TO_STDIO, "mcp-proxy", peers.mcp_proxy_stdio),
    Entry(HTTP_TO_STDIO, "supergateway", peers.supergateway_stdio),
    Entry(HTTP_TO_STDIO, f"{toolhive.NAME}, over NATS", toolhive.stdio),
    Entry(HTTP_TO_STDIO, f"{toolhive.NAME}, attached", toolhive.attached),
)
