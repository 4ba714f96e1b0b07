"""What a request is called in the numbers."""

__all__ = ["method_kind"]

_METHODS = frozenset(
    {
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "resources/subscribe",
        "resources/unsubscribe",
        "prompts/list",
        "prompts/get",
        "completion/complete",
        "logging/setLevel",
        "subscriptions/listen",
        "tasks/get",
        "tasks/result",
        "tasks/list",
        "tasks/cancel",
    }
)


def method_kind(http_method: str, mcp_method: str) -> str:
    """Name what a request is, out of a closed set: clients must not make up labels."""
    if http_method != "POST":
        return http_method.lower() if http_method in {"GET", "DELETE"} else "other"
    if mcp_method in _METHODS:
        return mcp_method
    if mcp_method.startswith("notifications/"):
        return "notification"
    return "response" if not mcp_method else "other"
