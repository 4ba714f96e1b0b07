"""A client that says what a test tells it to: ids, headers and broken streams that no SDK would send."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

__all__ = ["Event", "RawSession", "a_call", "answer_in", "events_in", "open_session"]

_ACCEPT = {"Accept": "application/json, text/event-stream"}
_CAPABILITIES: dict[str, Any] = {"sampling": {}, "elicitation": {}, "roots": {}}


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    id: str | None
    data: str

    @property
    def message(self) -> dict[str, Any] | None:
        """The JSON-RPC message in it, if any."""
        return json.loads(self.data) if self.data else None


async def events_in(answer: httpx.Response) -> AsyncIterator[Event]:
    """Events of a stream as they come; comments are left out."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = fields.get(name, "") + value.removeprefix(" ")
        elif fields:
            if "data" in fields or "id" in fields:
                yield Event(fields.get("id"), fields.get("data", ""))
            fields = {}


class RawSession:
    """One session of the first era."""

    def __init__(self, client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> None:
        self._client = client
        self._url = url
        self.headers = headers

    def through(self, url: str) -> "RawSession":
        """The same session, at another address of its workload."""
        return RawSession(self._client, url, self.headers)

    def post(self, message: Any) -> "httpx.Request":
        """A request that carries a message, or whatever is given."""
        return self._client.build_request("POST", self._url, json=message, headers=self.headers)

    async def send(self, message: Any) -> httpx.Response:
        """Post a message and read the whole answer."""
        return await self._client.send(self.post(message))

    async def call(self, tool: str, arguments: dict[str, Any] | None = None, *, number: Any = 1) -> str:
        """Text that a tool answered."""
        message = await self.request("tools/call", {"name": tool, "arguments": arguments or {}}, number=number)
        return str(message["result"]["content"][0]["text"])

    async def request(self, method: str, params: dict[str, Any], *, number: Any = 1) -> dict[str, Any]:
        """The answer to a request, result or error."""
        answer = await self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return answer_in(answer)

    async def notify(self, method: str, **params: Any) -> None:
        """Send a notification."""
        answer = await self.send({"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params})
        assert answer.status_code == 202, answer.text

    async def delete(self) -> httpx.Response:
        """End the session."""
        return await self._client.delete(self._url, headers=self.headers)

    @asynccontextmanager
    async def stream(self, message: Any) -> AsyncIterator[httpx.Response]:
        """Post a message and give its answer while it comes; leaving the block cuts the connection."""
        answer = await self._client.send(self.post(message), stream=True)
        try:
            yield answer
        finally:
            await answer.aclose()

    @asynccontextmanager
    async def resumed(self, last_event_id: str) -> AsyncIterator[httpx.Response]:
        """Take a stream up again after an event."""
        headers = {**self.headers, "Last-Event-ID": last_event_id}
        async with self._client.stream("GET", self._url, headers=headers) as answer:
            yield answer


def answer_in(answer: httpx.Response) -> dict[str, Any]:
    """The last message of an answer, as JSON or as a stream."""
    if "text/event-stream" in answer.headers.get("Content-Type", ""):
        data = [
            line.partition(":")[2]
            for line in answer.text.splitlines()
            if line.startswith("data:") and line[5:].strip()
        ]
        return dict(json.loads(data[-1]))
    return dict(answer.json())


def a_call(tool: str, number: Any, **arguments: Any) -> dict[str, Any]:
    """Message that calls a tool."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


@asynccontextmanager
async def open_session(url: str, *, protocol: str = "2025-11-25", seconds: float = 30) -> AsyncIterator[RawSession]:
    """Say hello, and end the session after the block."""
    limits = httpx.Limits(max_connections=None)
    # No certificates are read for each client; the tests speak plain HTTP on loopback.
    async with httpx.AsyncClient(timeout=seconds, limits=limits, verify=False) as client:  # noqa: S501
        session = RawSession(client, url, dict(_ACCEPT))
        about = {"protocolVersion": protocol, "capabilities": _CAPABILITIES}
        hello = {"clientInfo": {"name": "raw", "version": "1"}, **about}
        answer = await session.send({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello})
        assert answer.status_code == 200, answer.text
        agreed = answer_in(answer)["result"]["protocolVersion"]
        session.headers |= {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"], "MCP-Protocol-Version": agreed}
        await session.notify("initialized")
        yield session
        await session.delete()
