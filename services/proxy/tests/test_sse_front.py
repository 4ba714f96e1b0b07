"""Clients that still speak HTTP+SSE (2024-11-05), before servers of each transport."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from mcp import ClientSession
from mcp.client.sse import sse_client

from toolhive_common.schemas.runconfig import Transport

from .conftest import Fleet, Proxy, StartProxy, call, eventually, initialize
from .test_resumption import Reading

pytestmark = pytest.mark.wire


async def serve(fleet: Fleet, proxy: Proxy, real_server: Callable[[str], int], transport: Transport) -> None:
    if transport is Transport.STDIO:
        await fleet.stdio("old")
    else:
        port = real_server(str(transport))
        await fleet.http("old", port, transport)

        async def listens() -> bool:
            try:
                async with httpx.AsyncClient() as client:
                    await client.post(f"http://127.0.0.1:{port}/nothing")
            except httpx.TransportError:
                return False
            return True

        await eventually(listens)
    await proxy.until("old", 200)


@pytest.mark.parametrize("transport", [Transport.STDIO, Transport.SSE, Transport.STREAMABLE_HTTP])
async def test_six_clients_of_the_official_sdk_call_a_server_at_once(
    fleet: Fleet, proxy: Proxy, real_server: Callable[[str], int], transport: Transport
) -> None:
    await serve(fleet, proxy, real_server, transport)

    async def talk(name: str) -> list[str]:
        async with (
            sse_client(f"{proxy.url}/old/sse") as (read, write),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            heard: list[float] = []

            async def hear(progress: float, total: float | None, message: str | None) -> None:
                heard.append(progress)

            tools = await session.list_tools()
            assert "echo" in [tool.name for tool in tools.tools]
            await session.call_tool("steps", {"count": 3}, progress_callback=hear)
            assert heard == [1, 2, 3]
            results = [await session.call_tool("echo", {"text": f"{name}-{number}"}) for number in range(5)]
        return [result.content[0].text for result in results]  # type: ignore[union-attr]

    names = [f"client{number}" for number in range(6)]
    async with asyncio.timeout(15):
        found = await asyncio.gather(*map(talk, names))
    assert found == [[f"{name}-{number}" for number in range(5)] for name in names]


@pytest.fixture
async def old(fleet: Fleet, proxy: Proxy) -> Proxy:
    await fleet.stdio("old")
    await proxy.until("old", 200)
    return proxy


async def test_the_stream_begins_with_the_endpoint_and_answers_come_on_it(old: Proxy) -> None:
    async with AsyncExitStack() as stack:
        stream = Reading(await stack.enter_async_context(old.http.stream("GET", "/old/sse")))
        endpoint = await stream.next()
        assert (stream.status, endpoint.event) == (200, "endpoint")
        target = endpoint.data.decode()
        assert target.startswith("/old/messages?session_id=")
        body = {"jsonrpc": "2.0", **initialize()}
        taken = await old.http.post(target, json=body)
        assert (taken.status_code, taken.text) == (202, "Accepted")
        answer = await stream.next()
        assert (answer.event, b'"serverInfo"' in answer.data) == ("message", True)
        again = await old.http.post(target, json={"jsonrpc": "2.0", **call("silence", request_id="a")})
        twice = await old.http.post(target, json={"jsonrpc": "2.0", **call("echo", request_id="a", text="x")})
        assert (again.status_code, twice.status_code) == (202, 400)


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("?session_id=", 400), ("?session_id=unknown", 404), ("?other=1", 400)]
)
async def test_a_message_needs_the_id_of_an_open_session(old: Proxy, query: str, status: int) -> None:
    reply = await old.http.post(f"/old/messages{query}", json={"jsonrpc": "2.0", **initialize()})
    assert reply.status_code == status
    assert reply.json()["id"] == 0


async def test_a_session_ends_with_its_stream(old: Proxy) -> None:
    async with AsyncExitStack() as stack:
        stream = Reading(await stack.enter_async_context(old.http.stream("GET", "/old/sse")))
        target = (await stream.next()).data.decode()

    async def is_gone() -> bool:
        return (await old.http.post(target, json={"jsonrpc": "2.0", **initialize()})).status_code == 404

    await eventually(is_gone)


async def test_messages_of_a_session_may_come_through_another_proxy(old: Proxy, start_proxy: StartProxy) -> None:
    other = await start_proxy()
    await other.until("old", 200)
    async with AsyncExitStack() as stack:
        stream = Reading(await stack.enter_async_context(old.http.stream("GET", "/old/sse")))
        target = (await stream.next()).data.decode()
        taken = await other.http.post(target, json={"jsonrpc": "2.0", **initialize()})
        answer = await stream.next()
    assert taken.status_code == 202
    assert b'"serverInfo"' in answer.data


@pytest.mark.parametrize(("method", "path"), [("POST", "/old/sse"), ("GET", "/old/messages")])
async def test_each_endpoint_has_one_method(old: Proxy, method: str, path: str) -> None:
    body = {"jsonrpc": "2.0", **initialize()} if method == "POST" else None
    assert (await old.http.request(method, path, json=body)).status_code == 405


async def test_a_server_that_is_away_is_told_at_once(fleet: Fleet, proxy: Proxy) -> None:
    server = await fleet.stdio("old")
    await proxy.until("old", 200)
    await server.end()
    async with asyncio.timeout(5):
        reply = await proxy.http.get("/old/sse")
    assert reply.status_code == 503
    assert "no agent holds the server" in reply.json()["error"]["message"]
