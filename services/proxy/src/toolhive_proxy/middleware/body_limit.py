"""Refuses requests that are too large, before they take the memory."""

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from toolhive_common.mcp.jsonrpc import Code
from toolhive_proxy.errors import BodyTooLargeError
from toolhive_proxy.models.asgi import App, Receive, Scope, Send
from toolhive_proxy.protocol.asgi_messages import error_answer

__all__ = ["body_limit"]

_LINGER = 5.0
"""Seconds that a client may go on sending what nobody wants."""
_DROPPED = 256 * 1024 * 1024
"""Bytes of it."""


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
            await _let_finish(receive)
            headers = [(b"connection", b"close")]
            for message in error_answer(413, Code.INVALID_REQUEST, error.message, headers=headers):
                await send(message)

    return limited


async def _let_finish(receive: Receive) -> None:
    """Drop the rest of the body: a connection that is closed while the client still sends loses the answer."""
    dropped = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER):
            while dropped < _DROPPED:
                message = await receive()
                dropped += len(message.get("body", b""))
                if not message.get("more_body"):
                    return


def _check_declared(scope: Scope, limit: int) -> None:
    value = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if value.isdigit() and int(value) > limit:
        raise BodyTooLargeError(limit)
