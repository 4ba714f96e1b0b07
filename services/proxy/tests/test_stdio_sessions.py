"""A stdio server behind the proxy, over real NATS and real HTTP."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest
from mcp.client.client import Client

from toolhive_common import subjects
from toolhive_common.messaging.events import EventLog
from toolhive_common.schemas.state import DesiredPhase, ObservedPhase
from toolhive_common.testing.nats_server import NatsServer
from toolhive_proxy.protocol.sse import SseParser

from .conftest import Fleet, Proxy, StartProxy, call, eventually, initialize
from .support.frame_server import ScriptedServer

BOTH = "application/json, text/event-stream"


def text_of(response: httpx.Response) -> Any:
    return response.json()["result"]["content"][0]["text"]


def events_of(body: bytes) -> list[Any]:
    return [orjson.loads(event.data) for event in SseParser().feed(body)]


async def test_the_official_client_falls_back_from_the_modern_era_and_calls_a_tool(
    fleet: Fleet, proxy: Proxy
) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    async with Client(proxy.mcp("time")) as client:
        tools = await client.list_tools()
        result = await client.call_tool("echo", {"text": "hello"})
    assert [tool.name for tool in tools.tools] == ["echo"]
    assert result.content[0].text == "hello"  # type: ignore[union-attr]


async def test_clients_with_equal_ids_get_their_own_answers(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)

    async def talk(name: str) -> list[str]:
        session = await proxy.open_session("time")
        answers = []
        for number in range(10):
            answer = await proxy.post("time", call("echo", text=f"{name}-{number}"), mcp_session_id=session)
            answers.append(text_of(answer))
        return answers

    names = [f"client{number}" for number in range(6)]
    assert await asyncio.gather(*map(talk, names)) == [[f"{name}-{n}" for n in range(10)] for name in names]


async def test_an_answer_is_json_or_an_event_as_the_client_accepts(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    plain = await proxy.post("time", call("echo", text="a"), mcp_session_id=session, accept="application/json")
    stream = await proxy.post("time", call("echo", text="b"), mcp_session_id=session, accept=BOTH)
    assert plain.headers["content-type"] == "application/json"
    assert text_of(plain) == "a"
    assert stream.headers["content-type"] == "text/event-stream"
    assert [event["result"]["content"][0]["text"] for event in events_of(stream.content)] == ["b"]


async def test_progress_comes_on_the_stream_of_its_call_and_before_the_answer(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    message = call("steps", request_id="a", token=7, count=3)
    answer = await proxy.post("time", message, mcp_session_id=session, accept=BOTH)
    events = events_of(answer.content)
    assert [event["params"]["progress"] for event in events[:-1]] == [1, 2, 3]
    assert events[-1]["id"] == "a"


async def test_a_servers_request_is_answered_by_the_client_whose_call_caused_it(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time", roots={})
    headers = {"mcp-session-id": session, "accept": BOTH}
    body = {"jsonrpc": "2.0", **call("ask")}
    async with proxy.http.stream("POST", "/time/mcp", json=body, headers=headers) as response:
        parser = SseParser()
        events: list[Any] = []
        async for piece in response.aiter_bytes():
            for event in parser.feed(piece):
                events += events_of(b"data: " + event.data + b"\n\n")
                if events[-1].get("method") == "roots/list":
                    told = await proxy.post(
                        "time", {"id": events[-1]["id"], "result": {"roots": []}}, mcp_session_id=session
                    )
                    assert told.status_code == 202
    assert events[-1]["result"]["content"][0]["text"] == "{'roots': []}"


async def test_a_request_without_a_session_is_served(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    answer = await proxy.post("time", call("echo", text="alone"))
    assert text_of(answer) == "alone"
    assert "mcp-session-id" not in answer.headers


async def test_a_notification_reaches_the_get_stream_and_earlier_ones_are_kept(fleet: Fleet, proxy: Proxy) -> None:
    server = await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    server.server.say(method="notifications/tools/list_changed")
    answer = await proxy.post("time", call("echo", text="a"), mcp_session_id=session)
    assert answer.status_code == 200
    async with proxy.http.stream("GET", "/time/mcp", headers={"mcp-session-id": session, "accept": BOTH}) as response:
        pieces = response.aiter_bytes()
        parser = SseParser()
        events = []
        async with asyncio.timeout(5):
            async for piece in pieces:
                events += parser.feed(piece)
                if len(events) == 1:
                    server.server.say(method="notifications/prompts/list_changed")
                if len(events) == 2:
                    break
    assert b"tools/list_changed" in events[0].data
    assert b"prompts/list_changed" in events[1].data


async def test_a_deleted_session_is_gone_and_the_agent_is_told(fleet: Fleet, proxy: Proxy) -> None:
    server = await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    headers = {"mcp-session-id": session}
    assert (await proxy.http.delete("/time/mcp")).status_code == 400
    assert (await proxy.http.delete("/time/mcp", headers=headers)).status_code == 204
    assert (await proxy.http.delete("/time/mcp", headers=headers)).status_code == 404
    answer = await proxy.post("time", call("echo", text="late"), mcp_session_id=session)
    assert answer.status_code == 404
    assert answer.json() == {"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": "Session not found"}}
    async with asyncio.timeout(5):
        assert await server.ended.get() == session


async def test_a_workload_with_too_many_sessions_says_so_and_when_to_come_back(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time", max_sessions=1)
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    answer = await proxy.post("time", initialize())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "has 1 open sessions" in answer.json()["error"]["message"]
    await proxy.http.delete("/time/mcp", headers={"mcp-session-id": session})
    assert (await proxy.post("time", initialize())).status_code == 200


async def test_a_session_of_one_workload_is_unknown_to_another(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time")
    await fleet.stdio("other")
    await proxy.until("time", 200)
    await proxy.until("other", 200)
    session = await proxy.open_session("time")
    answer = await proxy.post("other", call("echo", text="x"), mcp_session_id=session)
    assert answer.status_code == 404


async def test_a_modern_request_to_a_server_of_old_is_refused_with_the_versions_that_it_speaks(
    fleet: Fleet, proxy: Proxy
) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    prefix = "io.modelcontextprotocol/"
    meta = {prefix + "protocolVersion": "2026-07-28", prefix + "clientCapabilities": {}}
    message = {"id": 1, "method": "server/discover", "params": {"_meta": meta}}
    answer = await proxy.post("time", message, mcp_protocol_version="2026-07-28", mcp_method="server/discover")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32022
    assert "2025-11-25" in answer.json()["error"]["data"]["supported"]


async def test_a_result_of_20_mb_comes_through_to_the_official_client(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    size = 20 * 1024 * 1024
    async with Client(proxy.mcp("time")) as client:
        result = await client.call_tool("large", {"size": size})
    assert len(result.content[0].text) == size  # type: ignore[union-attr]


async def test_a_call_fails_at_once_when_no_agent_listens(fleet: Fleet, proxy: Proxy) -> None:
    server = await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    await server.end()
    async with asyncio.timeout(5):
        answer = await proxy.post("time", call("echo", text="x"), mcp_session_id=session)
    assert answer.status_code == 503
    assert answer.json()["id"] == 1
    assert "no agent holds the server" in answer.json()["error"]["message"]


async def test_open_calls_fail_when_the_agent_attaches_anew_and_the_session_goes_on(
    fleet: Fleet, proxy: Proxy
) -> None:
    server = await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    async with asyncio.TaskGroup() as tasks:
        lost = tasks.create_task(proxy.post("time", call("silence"), mcp_session_id=session))
        while (await server.heard.get()).get("method") != "tools/call":
            pass
        await fleet.observe("time", attachment="second")
    assert lost.result().status_code == 502
    assert lost.result().json()["error"]["code"] == -32000
    assert "restarted; call again" in lost.result().json()["error"]["message"]
    assert text_of(await proxy.post("time", call("echo", request_id=2, text="on"), mcp_session_id=session)) == "on"


async def test_an_id_that_is_in_use_is_refused(fleet: Fleet, proxy: Proxy) -> None:
    server = await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(proxy.post("time", call("silence"), mcp_session_id=session))
        while (heard := await server.heard.get()).get("method") != "tools/call":
            pass
        second = await proxy.post("time", call("echo", text="x"), mcp_session_id=session)
        server.server.say(id=heard["id"], result={})
    assert second.status_code == 400
    assert second.json()["error"]["code"] == -32600
    assert first.result().status_code == 200


async def test_a_silent_server_is_a_timeout_and_is_told_so(fleet: Fleet, start_proxy: StartProxy) -> None:
    server = await fleet.stdio("time")
    proxy = await start_proxy(proxy_request_timeout=0.3)
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    answer = await proxy.post("time", call("silence", request_id=9), mcp_session_id=session, accept=BOTH)
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == -32000
    numbers = []
    async with asyncio.timeout(5):
        while (message := await server.heard.get()).get("method") != "notifications/cancelled":
            numbers.append(message.get("id"))
    assert message["params"]["requestId"] == numbers[-1]


async def test_nats_lost_during_a_call_is_an_error_and_the_next_call_works(
    fleet: Fleet, proxy: Proxy, nats: NatsServer
) -> None:
    server = await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    async with asyncio.TaskGroup() as tasks:
        lost = tasks.create_task(proxy.post("time", call("silence"), mcp_session_id=session))
        while (await server.heard.get()).get("method") != "tools/call":
            pass
        await nats.kill()
    assert lost.result().status_code == 502
    assert "NATS" in lost.result().json()["error"]["message"]
    while_down = await proxy.post("time", call("echo", text="x"), mcp_session_id=session)
    assert while_down.status_code == 503
    assert "check that the NATS server runs" in while_down.json()["error"]["message"]
    await nats.start()

    async def works_again() -> bool:
        answer = await proxy.post("time", call("echo", request_id=2, text="back"), mcp_session_id=session)
        return answer.status_code == 200 and text_of(answer) == "back"

    await eventually(works_again)


async def test_events_tell_of_routes(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    await fleet.forget("time")
    await proxy.until("time", 404)
    found = []
    async with asyncio.timeout(10):
        async for stored in EventLog(fleet.api).read(1, subject_filter=subjects.event_filter(workload="time")):
            found.append((str(stored.event.type), stored.event.data))
            if len(found) == 2:
                break
    assert [name for name, _ in found] == ["proxy.started", "proxy.stopped"]
    assert found[0][1]["url"] == f"{proxy.url}/time/mcp"


@pytest.mark.parametrize(
    ("name", "why"),
    [("stopped", "thv restart stopped"), ("failed", "the image does not exist"), ("preparing", "is being prepared")],
)
async def test_a_workload_that_does_not_run_says_why_and_when_to_come_back(
    fleet: Fleet, proxy: Proxy, name: str, why: str
) -> None:
    await fleet.declare("stopped", phase=DesiredPhase.STOPPED)
    await fleet.declare("failed")
    await fleet.observe("failed", phase=ObservedPhase.ERROR, reason="the image does not exist")
    await fleet.declare("preparing")
    await fleet.observe("preparing", phase=ObservedPhase.PREPARING)
    await proxy.until_shut(name, why)
    answer = await proxy.post(name, initialize())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert why in answer.json()["error"]["message"]
    assert answer.json()["id"] == 0


async def test_a_version_that_nobody_speaks_is_refused_whatever_the_method(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    headers = {"mcp-session-id": await proxy.open_session("time"), "mcp-protocol-version": "1999-01-01"}
    for method in ("GET", "DELETE"):
        refused = await proxy.http.request(method, "/time/mcp", headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32022), method
    headers["mcp-protocol-version"] = "2025-11-25"
    assert (await proxy.http.delete("/time/mcp", headers=headers)).status_code == 204


class LogsAtOnce(ScriptedServer):
    """A server that logs before it answers the first request."""

    def _answer(self, message: dict[str, Any]) -> None:
        if message["method"] == "initialize":
            self.say(method="notifications/message", params={"level": "info", "data": "starting"})
        super()._answer(message)


async def test_a_session_has_its_id_though_its_server_said_something_before(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.stdio("time", server=LogsAtOnce())
    await proxy.until("time", 200)
    opened = await proxy.post("time", initialize(), accept="application/json, text/event-stream")
    assert b"starting" in opened.content
    called = await proxy.post("time", call("echo", text="x"), mcp_session_id=opened.headers["mcp-session-id"])
    assert called.status_code == 200
