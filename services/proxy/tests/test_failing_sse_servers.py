"""Servers of the HTTP+SSE transport that misbehave, each scripted byte by byte."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from toolhive_common.schemas.runconfig import Transport
from toolhive_common.testing.factories import a_run_config

from .conftest import Fleet, Proxy, StartProxy, call, eventually
from .support.scripted_http import Script, read_request, says, scripted

pytestmark = pytest.mark.wire

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: endpoint\ndata: /m\n\n"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
Answer = Callable[[dict[str, Any]], bytes | None]
"""A message to what is written on the stream; ``None`` closes it."""


def speaks(answer: Answer, *, taken: bytes = ACCEPTED) -> Script:
    """A server with one session, which shakes hands as it should and then does what it is told."""
    streams: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, body = await read_request(reader)
        if head.startswith(b"GET"):
            writer.write(STREAM)
            streams.put_nowait(writer)
            await reader.read(-1)
            return
        message = orjson.loads(body)
        hello = message.get("method") == "initialize"
        writer.write(ACCEPTED if hello or "id" not in message else taken)
        await writer.drain()
        if "id" not in message:
            return
        stream = await streams.get()
        streams.put_nowait(stream)
        said = (
            event(orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "result": HELLO}))
            if hello
            else answer(message)
        )
        if said is None:
            stream.close()
        else:
            stream.write(said)

    return script


def event(data: bytes) -> bytes:
    return b"event: message\ndata: %b\n\n" % data


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("http://elsewhere.example/messages", "another origin"),
        ("//elsewhere.example/messages", "another origin"),
        ("http://[", "no address"),
        ("/m\x01", "characters that no address may hold"),
        ("/\u20ac", "characters that no address may hold"),
    ],
)
async def test_an_sse_server_cannot_send_its_clients_elsewhere(
    fleet: Fleet, proxy: Proxy, endpoint: str, text: str
) -> None:
    event = b"event: endpoint\ndata: %b\n\n" % endpoint.encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    async with scripted(says(head + event)) as port:
        await fleet.http("sly", port, Transport.SSE)
        await proxy.until("sly", 200)
        reply = await proxy.post("sly", call("echo"))
    assert reply.status_code == 503
    assert text in reply.json()["error"]["message"]


async def test_an_sse_server_that_never_ends_its_answer_to_a_message_is_a_timeout(
    fleet: Fleet, start_proxy: StartProxy
) -> None:
    proxy = await start_proxy(proxy_request_timeout=0.3)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        if head.startswith(b"GET"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: endpoint\ndata: /m\n\n")
        else:
            writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 10\r\n\r\nhalf")
        await reader.read(-1)

    async with scripted(script) as port:
        await fleet.http("slow", port, Transport.SSE)
        await proxy.until("slow", 200)
        async with asyncio.timeout(10):
            reply = await proxy.post("slow", call("echo", request_id="a"))
    assert reply.status_code == 504
    assert reply.json()["id"] == "a"


async def test_an_sse_server_that_dies_fails_the_call_and_ends_the_session(fleet: Fleet, proxy: Proxy) -> None:
    async with scripted(speaks(lambda _message: None)) as port:
        await fleet.http("dies", port, Transport.SSE)
        await proxy.until("dies", 200)
        session = await proxy.open_session("dies")
        reply = await proxy.post("dies", call("echo"), mcp_session_id=session)
        later = await proxy.post("dies", call("echo"), mcp_session_id=session)
    assert reply.status_code == 502
    assert reply.json()["id"] == 1
    assert "closed its event stream" in reply.json()["error"]["message"]
    assert later.status_code == 404


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(b'{"jsonrpc":"2.0","id":%d,"result":NaN}', "cannot be read", id="no JSON"),
        pytest.param(b'{"jsonrpc":"2.0","id":%d}', "cannot be read", id="no answer"),
        pytest.param(b'{"id":%d,"result":{}}', "", id="without version"),
        pytest.param(b'[{"jsonrpc":"2.0","id":%d,"result":{}}]', "", id="in an array"),
    ],
)
async def test_an_answer_reaches_its_caller_or_fails_at_once(
    fleet: Fleet, proxy: Proxy, answer: bytes, text: str
) -> None:
    garbage = event(b"Listening...") + event(b"{") + b": comment\n\nevent: other\ndata: {}\n\n"
    async with scripted(speaks(lambda message: garbage + event(answer % message["id"]))) as port:
        await fleet.http("odd", port, Transport.SSE)
        await proxy.until("odd", 200)
        session = await proxy.open_session("odd")
        async with asyncio.timeout(5):
            reply = await proxy.post("odd", call("echo"), mcp_session_id=session)
    assert (reply.status_code, reply.json()["id"]) == (200, 1)
    assert text in reply.json().get("error", {}).get("message", "")
    assert ("error" in reply.json()) == bool(text)


async def test_a_message_that_the_server_refuses_fails_the_call(fleet: Fleet, proxy: Proxy) -> None:
    refused = b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    async with scripted(speaks(lambda _message: b"", taken=refused)) as port:
        await fleet.http("no", port, Transport.SSE)
        await proxy.until("no", 200)
        session = await proxy.open_session("no")
        async with asyncio.timeout(5):
            reply = await proxy.post("no", call("echo"), mcp_session_id=session)
    assert (reply.status_code, reply.json()["id"]) == (502, 1)
    assert "refused a message with HTTP status 500" in reply.json()["error"]["message"]


async def test_a_call_that_is_not_answered_is_a_timeout(fleet: Fleet, start_proxy: StartProxy) -> None:
    proxy = await start_proxy(proxy_request_timeout=0.3)
    async with scripted(speaks(lambda _message: b": alive\n\n")) as port:
        await fleet.http("mute", port, Transport.SSE)
        await proxy.until("mute", 200)
        session = await proxy.open_session("mute")
        reply = await proxy.post("mute", call("echo"), mcp_session_id=session)
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, -32000)


async def test_a_session_ends_when_its_workload_becomes_another_server(fleet: Fleet, proxy: Proxy) -> None:
    async with scripted(speaks(lambda _message: b"")) as port:
        await fleet.http("web", port, Transport.SSE)
        await proxy.until("web", 200)
        session = await proxy.open_session("web")
        config = a_run_config("web", transport=Transport.SSE, image="uvx://another")
        await fleet.declare("web", revision=2, run_config=config)
        await fleet.observe("web", revision=2, endpoint=f"http://127.0.0.1:{port}")

        async def is_gone() -> bool:
            reply = await proxy.post("web", {"method": "notifications/x"}, mcp_session_id=session)
            return reply.status_code == 404

        await eventually(is_gone)
