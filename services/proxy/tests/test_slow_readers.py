"""A client that does not read takes no memory, and takes nothing from the others."""

import asyncio
import socket

import pytest
from mcp.client.client import Client

from toolhive_proxy.services.inbox import Inboxes, InboxLimits

from .conftest import Fleet, Proxy, StartProxy, call

SIZE = 4 * 1024 * 1024


async def test_a_get_stream_that_is_not_read_is_cut_off_and_others_are_served(fleet: Fleet, proxy: Proxy) -> None:
    server = await fleet.stdio("time")
    await proxy.until("time", 200)
    slow, quick = await proxy.open_session("time"), await proxy.open_session("time")
    port = int(proxy.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"GET /time/mcp HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nmcp-session-id: {slow}\r\n\r\n"
        connection.sendall(head.encode())
        connection.setblocking(False)  # the socket's own way
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5):
            assert b"200 OK" in await loop.sock_recv(connection, 100)
        for _ in range(10):
            server.server.say(method="notifications/tools/list_changed", params={"x": "x" * SIZE})
        async with asyncio.timeout(15):
            reply = await proxy.post("time", call("echo", text="x"), mcp_session_id=quick)
        assert reply.status_code == 200
        size, end = 0, b""
        async with asyncio.timeout(10):
            while not end.endswith(b"\r\n0\r\n\r\n"):
                piece = await loop.sock_recv(connection, 1 << 20)
                size, end = size + len(piece), (end + piece)[-10:]
        assert size < 10 * SIZE, "what did not fit was dropped, and the stream ended"


async def test_a_large_answer_to_a_slow_client_holds_nobody_up(fleet: Fleet, start_proxy: StartProxy) -> None:
    proxy = await start_proxy(proxy_slow_client=0.5)
    await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    body = {"jsonrpc": "2.0", **call("large", request_id=7, size=10 * SIZE)}
    async with proxy.http.stream("POST", "/time/mcp", json=body, headers={"mcp-session-id": session}) as response:
        assert response.status_code == 200
        async with Client(proxy.mcp("time")) as client:
            result = await client.call_tool("echo", {"text": "quick"})
        assert result.content[0].text == "quick"  # type: ignore[union-attr]
        size = sum([len(piece) async for piece in response.aiter_bytes()])
    assert size > 10 * SIZE


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> list[Inboxes]:
    """The counts of all proxies that are started."""
    books: list[Inboxes] = []
    original = Inboxes.__init__

    def remember(self: Inboxes, limits: InboxLimits) -> None:
        original(self, limits)
        books.append(self)

    monkeypatch.setattr(Inboxes, "__init__", remember)
    return books


async def test_what_a_client_does_not_read_counts_until_it_was_written(
    fleet: Fleet, books: list[Inboxes], start_proxy: StartProxy
) -> None:
    proxy = await start_proxy()
    await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    body = {"jsonrpc": "2.0", **call("large", request_id=7, size=5 * SIZE)}
    async with proxy.http.stream("POST", "/time/mcp", json=body, headers={"mcp-session-id": session}) as response:
        await asyncio.sleep(0.5)
        assert books[0].held >= 5 * SIZE
        size = sum([len(piece) async for piece in response.aiter_bytes()])
    assert size > 5 * SIZE
    async with asyncio.timeout(5):
        while books[0].held:
            await asyncio.sleep(0.01)


async def test_what_waits_is_given_back_when_clients_leave(
    fleet: Fleet, books: list[Inboxes], start_proxy: StartProxy
) -> None:
    proxy = await start_proxy()
    await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    calls = [
        proxy.post("time", call("large", request_id=number, size=100_000), mcp_session_id=session)
        for number in range(1, 30)
    ]
    tasks = [asyncio.ensure_future(each) for each in calls]
    await tasks[0]
    for task in tasks[1::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await proxy.http.delete("/time/mcp", headers={"mcp-session-id": session})
    async with asyncio.timeout(5):
        while list(books[0]):
            await asyncio.sleep(0.01)
    assert books[0].held == 0


async def test_a_batch_goes_on_when_its_slow_client_reads_again(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    batch = [{"jsonrpc": "2.0", **call("large", request_id=number, size=400_000)} for number in range(20)]
    headers = {"mcp-session-id": session, "accept": "text/event-stream, application/json"}
    async with proxy.http.stream("POST", "/time/mcp", json=batch, headers=headers) as response:
        await asyncio.sleep(1)  # while all of them wait for the client
        async with asyncio.timeout(15):
            size = sum([len(piece) async for piece in response.aiter_bytes()])
    assert size > 20 * 400_000
