"""Refuses what a browser was tricked into sending (DNS rebinding)."""

from collections.abc import Callable, Collection

from toolhive_common.mcp.jsonrpc import Code
from toolhive_common.origin import OriginRule, refuse_host, refuse_origin
from toolhive_proxy.models.asgi import App, Receive, Scope, Send
from toolhive_proxy.protocol.asgi_messages import error_answer

__all__ = ["origin_check"]


def origin_check(app: App, rule: OriginRule, origins_of: Callable[[str], Collection[str]]) -> App:
    """Let a request through when its ``Host`` and ``Origin`` may pass.

    Parameters
    ----------
    origins_of
        Path to the ``allowed_origins`` of its workload.
    """

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        host = origin = ""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value.decode("latin-1")
            elif name == b"origin":
                origin = value.decode("latin-1")
        also = origins_of(scope["path"]) if origin else ()
        problem = refuse_host(rule, host) or refuse_origin(rule, origin, also=also)
        if not problem:
            await app(scope, receive, send)
            return
        for message in error_answer(403, Code.INVALID_REQUEST, problem):
            await send(message)

    return checked
