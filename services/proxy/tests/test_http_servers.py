"""Servers of the official SDK behind the proxy, over streamable-http and SSE."""

import asyncio
from collections.abc import Callable

import pytest
from mcp.client.client import Client

from toolhive_common import subjects
from toolhive_common.messaging.events import EventLog
from toolhive_common.schemas.runconfig import Transport

from .conftest import Fleet, Proxy, StartProxy, call, eventually, initialize

pytestmark = pytest.mark.wire

TRANSPORTS = [Transport.STREAMABLE_HTTP, Transport.SSE]


async def until_called(proxy: Proxy, name: str) -> None:
    """Wait until the server behind the route listens."""
    await proxy.until(name, 200)

    async def answers() -> bool:
        reply = await proxy.post(name, initialize(), accept="application/json, text/event-stream")
        return reply.status_code != 503

    await eventually(answers)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_official_client_calls_tools_and_hears_progress(
    fleet: Fleet, proxy: Proxy, real_server: Callable[[str], int], transport: Transport
) -> None:
    await fleet.http("real", real_server(str(transport)), transport)
    await until_called(proxy, "real")
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with Client(proxy.mcp("real")) as client:
        tools = await client.list_tools()
        echoed = await client.call_tool("echo", {"text": "hello"})
        await client.call_tool("steps", {"count": 3}, progress_callback=hear)
    assert {tool.name for tool in tools.tools} >= {"echo", "large", "steps"}
    assert echoed.content[0].text == "hello"  # type: ignore[union-attr]
    assert heard == [1, 2, 3]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_several_clients_get_their_own_answers(
    fleet: Fleet, proxy: Proxy, real_server: Callable[[str], int], transport: Transport
) -> None:
    await fleet.http("real", real_server(str(transport)), transport)
    await until_called(proxy, "real")

    async def talk(name: str) -> list[str]:
        async with Client(proxy.mcp("real"), mode="legacy") as client:
            results = [await client.call_tool("echo", {"text": f"{name}-{number}"}) for number in range(5)]
        return [result.content[0].text for result in results]  # type: ignore[union-attr]

    names = [f"client{number}" for number in range(6)]
    assert await asyncio.gather(*map(talk, names)) == [[f"{name}-{n}" for n in range(5)] for name in names]


async def test_a_result_of_20_mb_comes_through_from_an_sse_server(
    fleet: Fleet, start_proxy: StartProxy, real_server: Callable[[str], int]
) -> None:
    proxy = await start_proxy(proxy_quick_answer=15)  # a busy machine takes its time
    await fleet.http("real", real_server("sse"), Transport.SSE)
    await until_called(proxy, "real")
    size = 20 * 1024 * 1024
    async with Client(proxy.mcp("real")) as client:
        result = await client.call_tool("large", {"size": size})
    assert len(result.content[0].text) == size  # type: ignore[union-attr]


async def test_a_result_of_20_mb_comes_through_from_a_streamable_http_server(
    fleet: Fleet, proxy: Proxy, real_server: Callable[[str], int]
) -> None:
    await fleet.http("real", real_server("streamable-http"))
    await until_called(proxy, "real")
    size = 20 * 1024 * 1024
    accept = "application/json, text/event-stream"
    opened = await proxy.post("real", initialize(), accept=accept)
    answer = await proxy.post(
        "real", call("large", size=size), accept=accept, mcp_session_id=opened.headers["mcp-session-id"]
    )
    assert answer.status_code == 200
    assert answer.content.count(b"x" * size) >= 1


async def test_the_request_id_goes_to_the_server_and_back(
    fleet: Fleet, proxy: Proxy, real_server: Callable[[str], int]
) -> None:
    await fleet.http("real", real_server("streamable-http"))
    await until_called(proxy, "real")
    answer = await proxy.post("real", {"id": 1, "method": "ping"}, x_request_id="my-id")
    assert answer.headers["x-request-id"] == "my-id"


async def test_sessions_of_a_streamable_http_server_are_told_as_events(
    fleet: Fleet, proxy: Proxy, real_server: Callable[[str], int]
) -> None:
    await fleet.http("real", real_server("streamable-http"))
    await proxy.until("real", 200)
    await until_called(proxy, "real")
    async with Client(proxy.mcp("real"), mode="legacy"):
        pass
    wanted = {"session.opened", "session.closed"}
    async with asyncio.timeout(10):
        async for stored in EventLog(fleet.api).read(1, subject_filter=subjects.event_filter(workload="real")):
            wanted.discard(str(stored.event.type))
            if not wanted:
                break


async def test_an_sse_session_ends_when_its_server_dies_and_says_so(
    fleet: Fleet, proxy: Proxy, real_server: Callable[[str], int]
) -> None:
    await fleet.http("gone", 9, Transport.SSE)
    await proxy.until("gone", 200)
    answer = await proxy.post("gone", initialize())
    assert answer.status_code == 503
    assert answer.json()["id"] == 0
    assert "unreachable" in answer.json()["error"]["message"]
