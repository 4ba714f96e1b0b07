"""Clients of 2026-07-28 before a stdio server that speaks it."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest
from mcp.client.client import Client

from toolhive_proxy.protocol.sse import SseParser

from .conftest import Fleet, Proxy, call
from .support.modern_server import ModernServer

PREFIX = "io.modelcontextprotocol/"
VERSION = "2026-07-28"
BOTH = "application/json, text/event-stream"


@pytest.fixture
async def server(fleet: Fleet, proxy: Proxy) -> ModernServer:
    server = ModernServer()
    await fleet.stdio("new", server=server)
    await proxy.until("new", 200)
    return server


def a_request(method: str, request_id: Any = 1, **params: Any) -> dict[str, Any]:
    meta = {PREFIX + "protocolVersion": VERSION, PREFIX + "clientCapabilities": {}}
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {"_meta": meta, **params}}


def headers_of(message: dict[str, Any], **changes: str | None) -> dict[str, str]:
    named = {"mcp-protocol-version": VERSION, "mcp-method": message["method"], "accept": BOTH}
    if "name" in message["params"]:
        named["mcp-name"] = message["params"]["name"]
    own = named | {key.replace("_", "-"): value for key, value in changes.items()}
    return {key: value for key, value in own.items() if value is not None}


async def send(proxy: Proxy, message: dict[str, Any], **changes: str | None) -> httpx.Response:
    return await proxy.http.post("/new/mcp", json=message, headers=headers_of(message, **changes))


def answer_of(response: httpx.Response) -> Any:
    if response.headers["content-type"] == "application/json":
        return response.json()
    return orjson.loads(SseParser().feed(response.content)[-1].data)


ECHO = a_request("tools/call", name="echo", arguments={"text": "a", "region": "eu"})
PLAIN = a_request("tools/call", name="echo", arguments={"text": "a"})


async def test_the_official_client_speaks_the_new_era_to_a_server_that_does(
    server: ModernServer, proxy: Proxy
) -> None:
    async with Client(proxy.mcp("new")) as client:
        tools = await client.list_tools()
    assert [tool.name for tool in tools.tools] == ["echo", "silence"]
    methods = [server.heard.get_nowait()["method"] for _ in range(server.heard.qsize())]
    assert "initialize" not in methods


async def test_a_call_is_served_and_no_session_begins(server: ModernServer, proxy: Proxy) -> None:
    reply = await send(proxy, ECHO, mcp_param_region="eu", mcp_session_id="ignored")
    assert reply.status_code == 200
    assert answer_of(reply)["result"]["content"][0]["text"] == "a"
    assert "mcp-session-id" not in reply.headers
    assert server is not None


@pytest.mark.parametrize(
    ("message", "changes", "code"),
    [
        (ECHO, {}, -32020),
        (ECHO, {"mcp_param_region": "us"}, -32020),
        (ECHO, {"mcp_param_region": "eu", "mcp_name": "other"}, -32020),
        (ECHO, {"mcp_param_region": "eu", "mcp_name": None}, -32020),
        (ECHO, {"mcp_param_region": "eu", "mcp_method": None}, -32020),
        (ECHO, {"mcp_param_region": "eu", "mcp_method": "tools/list"}, -32020),
        (ECHO, {"mcp_param_region": "eu", "mcp_protocol_version": "2025-11-25"}, -32020),
        (a_request("missing"), {}, -32021),
    ],
)
async def test_headers_that_differ_from_the_body_are_400(
    server: ModernServer, proxy: Proxy, message: dict[str, Any], changes: dict[str, str | None], code: int
) -> None:
    reply = await send(proxy, message, **changes)
    assert (reply.status_code, reply.json()["error"]["code"], reply.json()["id"]) == (400, code, 1)
    heard = [server.heard.get_nowait()["method"] for _ in range(server.heard.qsize())]
    assert "tools/call" not in heard


@pytest.mark.parametrize("region", ["eu", "=?base64?ZXU=?="])
async def test_an_argument_is_repeated_plainly_or_in_base64(server: ModernServer, proxy: Proxy, region: str) -> None:
    assert (await send(proxy, ECHO, mcp_param_region=region)).status_code == 200
    assert (await send(proxy, PLAIN)).status_code == 200
    assert server is not None


async def test_a_method_that_the_server_does_not_know_is_404(server: ModernServer, proxy: Proxy) -> None:
    reply = await send(proxy, a_request("nothing"))
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, -32601)
    assert server is not None


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_is_nothing_but_post(server: ModernServer, proxy: Proxy, method: str) -> None:
    reply = await proxy.http.request(method, "/new/mcp", headers={"mcp-protocol-version": VERSION})
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    assert server is not None


async def test_a_subscription_is_acknowledged_told_and_ended_under_its_clients_id(
    server: ModernServer, proxy: Proxy
) -> None:
    message = a_request("subscriptions/listen", "mine", notifications={"toolsListChanged": True})
    found: list[Any] = []
    async with (
        asyncio.timeout(8),
        proxy.http.stream("POST", "/new/mcp", json=message, headers=headers_of(message)) as reply,
    ):
        assert reply.headers["x-accel-buffering"] == "no"
        parser = SseParser()
        async for piece in reply.aiter_bytes():
            for event in parser.feed(piece):
                assert event.id is None, "this era has no ids of events"
                found.append(orjson.loads(event.data))
                if len(found) == 1:
                    server.notify("notifications/tools/list_changed")
                elif len(found) == 2:
                    meta = {"_meta": {PREFIX + "subscriptionId": server.subscribed}}
                    server.say(id=server.subscribed, result=meta)
    names = [said.get("method", "").rpartition("/")[2] for said in found]
    assert names == ["acknowledged", "list_changed", ""]
    assert {said["params"]["_meta"][PREFIX + "subscriptionId"] for said in found[:2]} == {"mine"}
    assert found[2]["id"] == found[2]["result"]["_meta"][PREFIX + "subscriptionId"] == "mine"


@pytest.mark.parametrize("method", ["subscriptions/listen", "tools/call"])
async def test_a_client_that_closes_its_stream_cancels(server: ModernServer, proxy: Proxy, method: str) -> None:
    params: dict[str, Any] = {} if method != "tools/call" else {"name": "silence", "arguments": {}}
    message = a_request(method, "mine", **params)
    calling = asyncio.ensure_future(send(proxy, message))
    number: Any = None
    async with asyncio.timeout(8):
        while (heard := await server.heard.get()).get("method") != method:
            pass
        number = heard["id"]
        calling.cancel()
        while (heard := await server.heard.get()).get("method") != "notifications/cancelled":
            pass
    assert heard["params"]["requestId"] == number


async def test_both_eras_are_told_apart_and_the_older_one_gets_a_process_of_its_own(
    server: ModernServer, proxy: Proxy
) -> None:
    assert (await send(proxy, PLAIN)).status_code == 200
    reply = await proxy.post("new", call("echo", text="x"), mcp_session_id="unknown")
    assert reply.status_code == 404
    old = {"id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}}
    reply = await proxy.post("new", old)
    assert reply.status_code == 503, "this fleet starts no further process"
    assert "no further process" in reply.json()["error"]["message"]
    assert (await send(proxy, PLAIN)).status_code == 200


class OddLists(ModernServer):
    """Lists what is asked for in ``tools``; nothing at all while that is ``None``."""

    def __init__(self, tools: Any) -> None:
        super().__init__()
        self.tools = tools
        self.lists = 0

    def _answer(self, message: dict[str, Any]) -> None:
        if message["method"] != "tools/list":
            super()._answer(message)
            return
        self.lists += 1
        if self.tools is not None:
            self.say(id=message["id"], result={"resultType": "complete", "tools": self.tools})


@pytest.mark.parametrize("tools", [["echo", 3, None], "echo", 3, {"name": "echo"}, [{"name": "echo"}]])
async def test_lists_with_what_is_no_tool_stop_no_call(fleet: Fleet, proxy: Proxy, tools: Any) -> None:
    await fleet.stdio("new", server=OddLists(tools))
    await proxy.until("new", 200)
    reply = await send(proxy, PLAIN)
    assert (reply.status_code, answer_of(reply)["result"]["content"][0]["text"]) == (200, "a")


async def test_a_server_that_does_not_list_its_tools_is_waited_for_once(fleet: Fleet, proxy: Proxy) -> None:
    server = OddLists(None)
    await fleet.stdio("new", server=server)
    await proxy.until("new", 200)
    for _ in range(2):
        assert (await send(proxy, PLAIN)).status_code == 200
    assert server.lists == 1
