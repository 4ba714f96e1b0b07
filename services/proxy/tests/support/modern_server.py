"""A server of the era without sessions (2026-07-28), scripted."""

from typing import Any

from .frame_server import ScriptedServer

__all__ = ["ModernServer"]

_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


class ModernServer(ScriptedServer):
    """Knows no handshake. ``subscribed`` is the number of the last ``subscriptions/listen``."""

    def __init__(self) -> None:
        super().__init__()
        self.subscribed: Any = None

    def _answer(self, message: dict[str, Any]) -> None:
        match message["method"]:
            case "server/discover":
                result: dict[str, Any] = {
                    "supportedVersions": ["2026-07-28"],
                    "capabilities": {},
                    "serverInfo": {"name": "new"},
                }
                self.say(id=message["id"], result={"resultType": "complete", **result})
            case "tools/list":
                region = {"type": "string", "x-mcp-header": "Region"}
                schema = {"type": "object", "properties": {"region": region, "text": {"type": "string"}}}
                tools = [{"name": name, "inputSchema": schema} for name in ("echo", "silence")]
                result = {"resultType": "complete", "tools": tools, "cacheScope": "public", "ttlMs": 0}
                self.say(id=message["id"], result=result)
            case "subscriptions/listen":
                self.subscribed = message["id"]
                self.notify("notifications/subscriptions/acknowledged")
            case "tools/call":
                self._call(message)
            case "missing":
                self.say(id=message["id"], error={"code": -32021, "message": "sampling is needed"})
            case _:
                self.say(id=message["id"], error={"code": -32601, "message": "Method not found"})

    def notify(self, method: str) -> None:
        """Say something to the subscriber."""
        self.say(method=method, params={"_meta": {_SUBSCRIPTION: self.subscribed}})
