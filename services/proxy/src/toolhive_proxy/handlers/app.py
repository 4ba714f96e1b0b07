"""The proxy's ASGI application: paths to handlers."""

from toolhive_proxy.models.asgi import App, Receive, Scope, Send
from toolhive_proxy.protocol.asgi_messages import json_answer

__all__ = ["ProxyApp"]

_HINT = b'{"error":"not found; an MCP server is at /<workload>/mcp, and `thv list` shows the workloads"}'


class ProxyApp:
    """Dispatches by path.

    Parameters
    ----------
    mcp
        Serves ``/<workload>/mcp``, middleware included.
    workload_health
        Serves ``/<workload>/health``, which never passes the middleware, as in ToolHive.
    process_health
        Serves ``/healthz`` and ``/readyz``.
    """

    def __init__(self, *, mcp: App, workload_health: App, process_health: App) -> None:
        self._mcp = mcp
        self._workload_health = workload_health
        self._process_health = process_health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "MCP needs no websocket"})
            return
        parts = scope["path"].rstrip("/").split("/")[1:]
        match parts:
            case [name, "mcp"] if name:
                await self._mcp(scope, receive, send)
            case [name, "health"] if name:
                await self._workload_health(scope, receive, send)
            case ["healthz" | "readyz"]:
                await self._process_health(scope, receive, send)
            case _:
                for message in json_answer(404, _HINT):
                    await send(message)
