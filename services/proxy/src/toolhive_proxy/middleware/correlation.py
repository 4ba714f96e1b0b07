"""Gives each request an id that follows it through the logs and to the server."""

from collections.abc import MutableMapping
from typing import Any

from toolhive_common.observability.correlation import correlated, new_correlation_id
from toolhive_proxy.models.asgi import App, Receive, Scope, Send

__all__ = ["correlation"]

_HEADER = b"x-request-id"


def correlation(app: App) -> App:
    """Take ``X-Request-Id`` or make one, and tell it in the response."""

    async def with_id(scope: Scope, receive: Receive, send: Send) -> None:
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER), None)
        request_id = new_correlation_id(given)
        told = (_HEADER, request_id.encode())

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*(pair for pair in message["headers"] if pair[0] != _HEADER), told]
            await send(message)

        with correlated(request_id):
            await app(scope, receive, send_with_id)

    return with_id
