"""Refuses requests that are too large, before they take the memory."""

from collections.abc import MutableMapping
from typing import Any

from toolhive_proxy.errors import BodyTooLargeError
from toolhive_proxy.models.asgi import App, Receive, Scope, Send
from toolhive_proxy.protocol.asgi_messages import error_answer
from toolhive_proxy.protocol.error_bodies import RpcCode

__all__ = ["body_limit"]


def body_limit(app: App, limit: int) -> App:
    """Count what is received, whatever ``Content-Length`` says."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise BodyTooLargeError(limit)
            return message

        try:
            _check_declared(scope, limit)
            await app(scope, counted, send)
        except BodyTooLargeError as error:
            # The rest of the body is not read: the connection cannot serve another request.
            headers = [(b"connection", b"close")]
            for message in error_answer(413, RpcCode.INVALID_REQUEST, error.message, headers=headers):
                await send(message)

    return limited


def _check_declared(scope: Scope, limit: int) -> None:
    value = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if value.isdigit() and int(value) > limit:
        raise BodyTooLargeError(limit)
