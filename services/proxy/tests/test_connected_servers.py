"""Sessions with servers that speak HTTP, held by the proxy for clients of the older transport."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from .conftest import Fleet, Proxy, StartProxy, call, initialize
from .support.recording_server import Asked, RecordingServer, echo
from .support.scripted_http import read_request, scripted
from .test_joined_gates import http

pytestmark = pytest.mark.wire

INITIALIZED = {"method": "notifications/initialized"}


@dataclass
class OldClient:
    proxy: Proxy
    reader: asyncio.StreamReader
    target: str

    async def post(self, message: dict[str, Any], credentials: str = "Bearer first") -> None:
        headers = {"authorization": credentials}
        taken = await self.proxy.http.post(self.target, json={"jsonrpc": "2.0", **message}, headers=headers)
        assert taken.status_code == 202, taken.text

    async def until(self, text: bytes) -> bytes:
        async with asyncio.timeout(15):
            return await self.reader.readuntil(text)


@asynccontextmanager
async def old_client(proxy: Proxy, name: str) -> AsyncIterator[OldClient]:
    port = int(proxy.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 26)
    try:
        head = f"GET /{name}/sse HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer first\r\n\r\n"
        writer.write(head.encode())
        answer = await reader.readuntil(b"session_id=") + await reader.readuntil(b"\n\n")
        yield OldClient(proxy, reader, answer.rpartition(b"data: ")[2].split()[0].decode())
    finally:
        writer.close()


async def test_a_server_that_always_closes_its_stream_is_asked_ever_less_often(fleet: Fleet, proxy: Proxy) -> None:
    asked: asyncio.Queue[float] = asyncio.Queue()

    def answer(request: Asked) -> Any:
        if request.method == "GET":
            asked.put_nowait(asyncio.get_running_loop().time())
            return 200, {"content-type": "text/event-stream; charset=utf-8"}, b"retry: 0\nid: 1\ndata: \n\n"
        return echo(request)

    async with RecordingServer(answer) as server:
        await http(fleet, "web", server.port)
        await proxy.until("web", 200)
        async with old_client(proxy, "web") as client:
            await client.post(initialize())
            await client.until(b"serverInfo")
            await client.post(INITIALIZED)
            first, second, third = [await asked.get() for _ in range(3)]
    assert second - first >= 1, "whatever the server says"
    assert third - second >= 2


def says_version(version: str) -> Any:
    def answer(request: Asked) -> Any:
        status, headers, body = echo(request)
        return status, headers, body.replace(b'"2025-11-25"', version.encode())

    return answer


@pytest.mark.parametrize("version", ['"2025\\n11"', '"2025\\u001111"', '"\\u20ac"', '""'])
async def test_a_version_that_no_header_can_hold_ends_its_session_and_hangs_nobody(
    fleet: Fleet, proxy: Proxy, version: str
) -> None:
    async with RecordingServer(says_version(version)) as server:
        await http(fleet, "web", server.port)
        await proxy.until("web", 200)
        async with old_client(proxy, "web") as client:
            await client.post(initialize())
            assert b"protocolVersion that no header can hold" in await client.until(b"can hold")


@pytest.mark.parametrize("event_id", [b"a\x01b", "\u20ac".encode()])
async def test_an_event_id_that_no_header_can_hold_ends_its_session_and_hangs_nobody(
    fleet: Fleet, proxy: Proxy, event_id: bytes
) -> None:
    def answer(request: Asked) -> Any:
        if b"tools/call" not in request.body:
            return echo(request)
        return 200, {"content-type": "text/event-stream; charset=utf-8"}, b"id: %b\ndata: \n\n" % event_id

    async with RecordingServer(answer) as server:
        await http(fleet, "web", server.port)
        await proxy.until("web", 200)
        async with old_client(proxy, "web") as client:
            await client.post(initialize())
            await client.until(b"serverInfo")
            await client.post(call("a", request_id=9))
            assert b"an id that no header can hold" in await client.until(b"can hold")


async def test_an_event_that_is_no_json_before_the_answer_to_initialize_is_passed_over(
    fleet: Fleet, proxy: Proxy
) -> None:
    def answer(request: Asked) -> Any:
        status, headers, body = echo(request)
        if b'"initialize"' not in request.body:
            return status, headers, body
        return 200, {"content-type": "text/event-stream; charset=utf-8"}, b"data: hello\n\ndata: %b\n\n" % body

    async with RecordingServer(answer) as server:
        await http(fleet, "web", server.port)
        await proxy.until("web", 200)
        async with old_client(proxy, "web") as client:
            await client.post(initialize())
            await client.until(b"serverInfo")


@pytest.mark.parametrize("method", ["initialize", "notifications/initialized"])
async def test_of_an_endless_body_no_more_is_read_than_a_message_may_have(
    fleet: Fleet, start_proxy: StartProxy, method: str
) -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, body = await read_request(reader)
        start = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\n"
        if not head.startswith(b"POST"):
            writer.write(b"HTTP/1.1 405 X\r\ncontent-length: 0\r\n\r\n")
        elif method.encode() not in body:
            _, _, answer = echo(Asked("POST", "", {}, body))
            writer.write(start + b"content-length: %d\r\n\r\n%b" % (len(answer), answer))
        else:
            writer.write(start + b"transfer-encoding: chunked\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"%x\r\n%b\r\n" % (100_000, b" " * 100_000))
                try:
                    await writer.drain()
                except OSError:
                    break
            left.set()

    proxy = await start_proxy(proxy_max_message=1_000_000)
    async with scripted(serve) as port:
        await http(fleet, "web", port)
        await proxy.until("web", 200)
        async with old_client(proxy, "web") as client:
            await client.post(initialize())
            if method == "initialize":
                await client.until(b"is larger than 1000000 bytes")
            else:
                await client.until(b"serverInfo")
                await client.post(INITIALIZED)
            async with asyncio.timeout(10):
                await left.wait()


async def test_a_server_gets_the_credentials_that_its_caller_has_now(fleet: Fleet, proxy: Proxy) -> None:
    async with RecordingServer() as server:
        await http(fleet, "web", server.port)
        await proxy.until("web", 200)
        async with old_client(proxy, "web") as client:
            await client.post(initialize())
            await client.until(b"serverInfo")
            await client.post(call("a", request_id=9), credentials="Bearer renewed")
            await client.until(b'"id":9')
    assert server.asked[0].headers["authorization"] == "Bearer first"
    assert server.asked[-1].headers["authorization"] == "Bearer renewed"
