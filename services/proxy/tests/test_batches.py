"""Batches, which clients of 2025-03-26 may send."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from toolhive_proxy.protocol.sse import SseParser

from .conftest import Fleet, Proxy, StartProxy, call, initialize

BOTH = "application/json, text/event-stream"


async def send(proxy: Proxy, session: str, *messages: dict[str, Any], **headers: str) -> httpx.Response:
    named = {key.replace("_", "-"): value for key, value in headers.items()} | {"mcp-session-id": session}
    body = [{"jsonrpc": "2.0", **message} for message in messages]
    return await proxy.http.post("/time/mcp", json=body, headers=named)


@pytest.fixture
async def session(fleet: Fleet, proxy: Proxy) -> str:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    return await proxy.open_session("time")


TOLD = {"method": "notifications/cancelled", "params": {"requestId": 99}}


def answers_of(found: list[Any]) -> dict[Any, Any]:
    return {answer["id"]: answer["result"] if "result" in answer else answer["error"]["code"] for answer in found}


async def test_all_answers_come_in_one_array(proxy: Proxy, session: str) -> None:
    reply = await send(
        proxy, session, call("echo", text="a"), TOLD, {"id": "b", "method": "ping"}, {"id": 3, "method": "nothing"}
    )
    assert reply.status_code == 200
    found = answers_of(reply.json())
    assert found[1]["content"][0]["text"] == "a"
    assert set(found) == {1, "b", 3}
    assert found[3] == -32601


async def test_answers_and_progress_come_as_events_where_the_client_takes_those(proxy: Proxy, session: str) -> None:
    reply = await send(proxy, session, call("steps", token="t", count=2), {"id": 2, "method": "ping"}, accept=BOTH)
    events = [orjson.loads(event.data) for event in SseParser().feed(reply.content)]
    assert reply.headers["content-type"] == "text/event-stream"
    assert [event["params"]["progress"] for event in events if "method" in event] == [1, 2]
    assert set(answers_of([event for event in events if "id" in event])) == {1, 2}


@pytest.mark.parametrize("accept", [BOTH, "application/json"])
async def test_a_batch_without_requests_is_accepted(proxy: Proxy, session: str, accept: str) -> None:
    reply = await send(proxy, session, TOLD, TOLD, accept=accept)
    assert (reply.status_code, reply.content) == (202, b"")


@pytest.mark.parametrize("accept", [BOTH, "application/json"])
async def test_a_batch_of_a_session_that_is_over_is_not_found(proxy: Proxy, session: str, accept: str) -> None:
    await proxy.http.delete("/time/mcp", headers={"mcp-session-id": session})
    reply = await send(proxy, session, call("echo", text="a"), {"id": 2, "method": "ping"}, accept=accept)
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == -32001


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25", "2026-07-28"])
async def test_revisions_without_batches_refuse_them(proxy: Proxy, session: str, version: str) -> None:
    reply = await send(proxy, session, {"id": 1, "method": "ping"}, mcp_protocol_version=version)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == -32600


async def test_a_session_does_not_begin_in_a_batch(proxy: Proxy, session: str) -> None:
    reply = await send(proxy, session, initialize(), {"id": 2, "method": "ping"})
    assert reply.status_code == 400


async def test_a_batch_of_too_many_is_refused(proxy: Proxy, session: str) -> None:
    reply = await send(proxy, session, *({"id": number, "method": "ping"} for number in range(101)))
    assert reply.status_code == 400
    assert "100 messages" in reply.json()["error"]["message"]


async def test_a_message_of_a_batch_that_is_not_answered_in_time_is_cancelled(
    fleet: Fleet, start_proxy: StartProxy
) -> None:
    server = await fleet.stdio("time")
    proxy = await start_proxy(proxy_request_timeout=1.0)
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    reply = await send(proxy, session, call("silence", request_id=1), {"id": 2, "method": "ping"})
    found = answers_of(reply.json())
    assert (found[1], found[2]) == (-32000, {})
    async with asyncio.timeout(10):
        while (await server.heard.get())["method"] != "notifications/cancelled":
            pass


async def test_answers_that_are_too_large_together_become_errors(proxy: Proxy, session: str) -> None:
    size = 15_000_000
    reply = await send(proxy, session, *(call("large", request_id=number, size=size) for number in range(5)))
    found = answers_of(reply.json())
    assert set(found) == set(range(5))
    assert sum(answer == -32000 for answer in found.values()) == 1
