"""HTTP servers that misbehave, each scripted byte by byte."""

import asyncio

import orjson
import pytest

from toolhive_proxy.protocol.sse import SseParser

from .conftest import Fleet, Proxy, StartProxy, call
from .support.scripted_http import read_request, says, scripted

pytestmark = pytest.mark.wire


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        pytest.param(b"", 502, "closed the connection", id="closes at once"),
        pytest.param(b"garbage\r\n\r\n", 502, "not valid HTTP", id="no HTTP"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
            502,
            "not valid",
            id="two lengths",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, 502, "its head is larger", id="head without end"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", 502, "", id="upgrade"),
    ],
)
async def test_a_server_that_answers_badly_is_a_json_rpc_error(
    fleet: Fleet, proxy: Proxy, answer: bytes, status: int, text: str
) -> None:
    async with scripted(says(answer)) as port:
        await fleet.http("bad", port)
        await proxy.until("bad", 200)
        reply = await proxy.post("bad", call("echo", request_id="a"))
    assert reply.status_code == status
    assert reply.json()["id"] == "a"
    assert reply.json()["error"]["code"] == -32000
    assert text in reply.json()["error"]["message"]


async def test_a_server_that_is_not_there_is_unavailable(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.http("gone", 9)
    await proxy.until("gone", 200)
    reply = await proxy.post("gone", call("echo"))
    assert reply.status_code == 503
    assert "thv logs gone" in reply.json()["error"]["message"]


async def test_a_silent_server_is_a_gateway_timeout(fleet: Fleet, start_proxy: StartProxy) -> None:
    proxy = await start_proxy(proxy_request_timeout=0.3)

    async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with scripted(silence) as port:
        await fleet.http("silent", port)
        await proxy.until("silent", 200)
        reply = await proxy.post("silent", call("echo"))
    assert reply.status_code == 504


@pytest.mark.parametrize("torso", [b"", b'event: message\ndata: {"jsonrpc":"2.0"', b"event: mess", b"data: {}\n"])
async def test_a_server_that_dies_within_a_stream_leaves_an_error_and_no_half_message(
    fleet: Fleet, proxy: Proxy, torso: bytes
) -> None:
    whole = b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message"}\n\n'
    data = whole + torso
    chunk = b"%x\r\n%b\r\n" % (len(data), data)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    async with scripted(says(head + chunk)) as port:
        await fleet.http("dies", port)
        await proxy.until("dies", 200)
        reply = await proxy.post("dies", call("echo", request_id=5))
    events = [event for event in SseParser().feed(reply.content) if event.event == "message"]
    assert len(events) == 2
    error = orjson.loads(events[-1].data)
    assert error["id"] == 5
    assert error["error"]["code"] == -32000


async def test_headers_of_the_connection_are_not_passed_on(fleet: Fleet, proxy: Proxy) -> None:
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0].lower())
        body = b'{"jsonrpc":"2.0","id":1,"result":{}}'
        writer.write(
            b"HTTP/1.1 200 OK\r\nconnection: x-secret\r\nx-secret: 1\r\nkeep-alive: 5\r\nx-kept: 1\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        await writer.drain()

    async with scripted(script) as port:
        await fleet.http("strict", port)
        await proxy.until("strict", 200)
        reply = await proxy.post("strict", call("echo"), connection="x-mine", x_mine="1", x_other="1", te="trailers")
    assert reply.headers["x-kept"] == "1"
    assert not {"x-secret", "keep-alive"} & set(reply.headers)
    assert b"host: 127.0.0.1:%d\r\n" % port in heads[0]
    assert b"x-other: 1" in heads[0]
    assert b"x-mine" not in heads[0]
    assert b"\r\nte:" not in heads[0]
    assert heads[0].count(b"content-length:") == 1


@pytest.mark.parametrize(("message", "requests"), [({"id": 1, "method": "tools/list"}, 3), (call("echo"), 2)])
async def test_only_a_safe_request_is_sent_again_after_a_stale_connection(
    fleet: Fleet, proxy: Proxy, message: dict[str, object], requests: int
) -> None:
    served = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        for number in range(2):
            await read_request(reader)
            served += 1
            if number == 0:  # the second request on a connection finds it closed
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                await writer.drain()

    async with scripted(script) as port:
        await fleet.http("stale", port)
        await proxy.until("stale", 200)
        first = await proxy.post("stale", message)
        second = await proxy.post("stale", message)
    assert first.status_code == 200
    assert second.status_code == (200 if requests == 3 else 502)
    assert served == requests


async def test_a_server_without_a_length_ends_its_answer_by_closing(fleet: Fleet, proxy: Proxy) -> None:
    async with scripted(says(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}")) as port:
        await fleet.http("old", port)
        await proxy.until("old", 200)
        reply = await proxy.post("old", call("echo"))
    assert reply.content == b"{}"


async def test_a_subscription_at_a_server_may_be_silent_for_as_long_as_it_likes(
    fleet: Fleet, start_proxy: StartProxy
) -> None:
    proxy = await start_proxy(proxy_request_timeout=0.3)
    changed = b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'

    async def silent_for_a_while(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: listening\n\n")
        await asyncio.sleep(1.5)
        writer.write(changed)

    params = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
    message = {"id": 1, "method": "subscriptions/listen", "params": params}
    async with scripted(silent_for_a_while) as port:
        await fleet.http("new", port)
        await proxy.until("new", 200)
        said = await proxy.post("new", message, mcp_protocol_version="2026-07-28", mcp_method=message["method"])
    assert said.content == b": listening\n\n" + changed
