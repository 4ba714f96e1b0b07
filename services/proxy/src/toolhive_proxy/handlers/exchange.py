"""One HTTP request and the response to it."""

import asyncio
from collections.abc import Coroutine, Iterable, MutableMapping
from typing import Any

from toolhive_common.mcp.jsonrpc import Id
from toolhive_proxy.decisions.post_verdict import Refusal
from toolhive_proxy.errors import ClientLeftError, SlowClientError
from toolhive_proxy.models.asgi import Header, Receive, Scope, Send
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.protocol.asgi_messages import error_answer, json_answer

__all__ = ["Exchange", "until_first"]

_PATIENCE = 60.0
"""Seconds for a client to read what was sent; one that does not is cut off."""


class Exchange:
    """Reads the request and writes the response of one ASGI call."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: str = scope["query_string"].decode("latin-1")
        self.headers: list[Header] = scope["headers"]
        self.request_id: Id | None = None
        """Id of the JSON-RPC request in the body, which errors repeat."""

    def header(self, name: bytes) -> str:
        """A header's value; several lines are joined. Empty when absent."""
        return ", ".join(value.decode("latin-1") for key, value in self.headers if key == name)

    async def body(self) -> bytes:
        """The whole request body.

        Raises
        ------
        ClientLeftError
            It will not come.
        """
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            return bytes(message.get("body", b""))
        pieces = []
        while message["type"] == "http.request":
            pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                return b"".join(pieces)
            message = await self._receive()
        raise ClientLeftError

    async def disconnect(self) -> None:
        """Return when the client is gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def send(self, messages: Iterable[MutableMapping[str, Any]]) -> None:
        """Write a part of the response.

        Raises
        ------
        SlowClientError
            The client does not read.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                for message in messages:
                    await self._send(message)
        except TimeoutError as error:
            raise SlowClientError(_PATIENCE) from error

    async def answer(self, status: int, body: bytes = b"", *, headers: Iterable[Header] = ()) -> None:
        """Answer with a JSON text or with nothing."""
        await self.send(json_answer(status, body, headers=list(headers)))

    async def refuse(self, refusal: Refusal | Failure) -> None:
        """Answer with a JSON-RPC error."""
        data = refusal.data if isinstance(refusal, Refusal) else None
        lines: list[Header] = []
        if isinstance(refusal, Failure) and refusal.retry_after is not None:
            lines.append((b"retry-after", b"%d" % refusal.retry_after))
        await self.send(
            error_answer(
                refusal.status,
                refusal.code,
                refusal.message,
                request_id=self.request_id,
                data=data,
                headers=lines,
            )
        )


async def until_first(*ways: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, end the others, and raise what it raised."""
    # Owned, and ended, by this function. A task group would wrap what a way raises, and callers catch the cause.
    tasks = [asyncio.create_task(way) for way in ways]  # noqa: TID251
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
