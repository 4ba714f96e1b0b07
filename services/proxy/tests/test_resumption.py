"""A client that lost its connection comes again for what it missed, through whatever proxy."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import orjson
import pytest

from toolhive_proxy.protocol.sse import SseEvent, SseParser

from .conftest import Fleet, Proxy, StartProxy, call

BOTH = "application/json, text/event-stream"
VERSION = "2025-11-25"


def headers_of(session: str, after: str = "") -> dict[str, str]:
    own = {"mcp-session-id": session, "accept": BOTH, "mcp-protocol-version": VERSION}
    return own | ({"last-event-id": after} if after else {})


class Reading:
    """An event stream that is read event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self._pieces = response.aiter_bytes()
        self._parser = SseParser()
        self._events: list[SseEvent] = []

    async def next(self) -> SseEvent:
        async with asyncio.timeout(8):
            while not self._events:
                self._events += self._parser.feed(await anext(self._pieces))
        return self._events.pop(0)


async def begin_call(stack: AsyncExitStack, proxy: Proxy, session: str, message: dict[str, Any]) -> Reading:
    body = {"jsonrpc": "2.0", **message}
    stream = proxy.http.stream("POST", "/time/mcp", json=body, headers=headers_of(session))
    return Reading(await stack.enter_async_context(stream))


async def listen(stack: AsyncExitStack, proxy: Proxy, session: str, after: str = "") -> Reading:
    stream = proxy.http.stream("GET", "/time/mcp", headers=headers_of(session, after))
    return Reading(await stack.enter_async_context(stream))


@pytest.fixture
async def other(start_proxy: StartProxy) -> Proxy:
    return await start_proxy()


async def served(fleet: Fleet, *proxies: Proxy) -> Any:
    server = await fleet.stdio("time")
    for proxy in proxies:
        await proxy.until("time", 200)
    return server


async def call_number(server: Any) -> int:
    """Number under which the server knows the call that it hears next."""
    async with asyncio.timeout(8):
        while (heard := await server.heard.get()).get("method") != "tools/call":
            pass
    return int(heard["id"])


async def test_a_stream_begins_with_an_id_and_no_data_so_that_it_can_be_resumed(fleet: Fleet, proxy: Proxy) -> None:
    server = await served(fleet, proxy)
    session = await proxy.open_session("time")
    async with AsyncExitStack() as stack:
        stream = await begin_call(stack, proxy, session, call("silence"))
        first = await stream.next()
        server.server.say(id=await call_number(server), result={"a": 1})
        last = await stream.next()
    assert (first.data, first.retry) == (b"", 1000)
    assert first.id is not None
    assert first.id.endswith(".0")
    assert orjson.loads(last.data) == {"jsonrpc": "2.0", "id": 1, "result": {"a": 1}}
    assert last.id == first.id.replace(".0", ".1")


@pytest.mark.parametrize("through_another", [False, True])
async def test_a_call_goes_on_when_its_client_leaves_and_its_answer_is_fetched_later(
    *, fleet: Fleet, proxy: Proxy, other: Proxy, through_another: bool
) -> None:
    server = await served(fleet, proxy, other)
    session = await proxy.open_session("time")
    async with AsyncExitStack() as stack:
        stream = await begin_call(stack, proxy, session, call("silence", token="t"))
        number = await call_number(server)
        last = (await stream.next()).id or ""
    params = {"progressToken": number, "progress": 1}
    server.server.say(method="notifications/progress", params=params)
    server.server.say(id=number, result={"late": True})
    again = other if through_another else proxy
    async with AsyncExitStack() as stack:
        stream = await listen(stack, again, session, last)
        assert stream.status == 200
        missed = [orjson.loads((await stream.next()).data) for _ in range(2)]
    assert missed[0]["params"] == {"progressToken": "t", "progress": 1}
    assert missed[1] == {"jsonrpc": "2.0", "id": 1, "result": {"late": True}}


async def test_clients_of_a_proxy_that_was_taken_for_dead_come_again_for_what_they_miss(
    fleet: Fleet, proxy: Proxy
) -> None:
    server = await served(fleet, proxy)
    session = await proxy.open_session("time")
    async with AsyncExitStack() as stack:
        calling = await begin_call(stack, proxy, session, call("silence"))
        number, last = await call_number(server), (await calling.next()).id or ""
        listening = await listen(stack, proxy, session)
        [edge] = {edge for edge, _ in server.host._broker._at}
        while len(server.host._broker._at) < 2:
            await asyncio.sleep(0.01)
        await server.host.edge_gone(edge)
        with pytest.raises(httpx.RemoteProtocolError):  # no answer: that would be the end of the call
            await calling.next()
        with pytest.raises(StopAsyncIteration):
            await listening.next()
    server.server.say(id=number, result={"late": True})
    async with AsyncExitStack() as stack:
        answer = await (await listen(stack, proxy, session, last)).next()
    assert orjson.loads(answer.data) == {"jsonrpc": "2.0", "id": 1, "result": {"late": True}}


async def test_a_call_whose_client_cannot_come_again_fails_when_its_proxy_was_taken_for_dead(
    fleet: Fleet, proxy: Proxy
) -> None:
    server = await served(fleet, proxy)
    session = await proxy.open_session("time")
    message = {"jsonrpc": "2.0", **call("silence")}
    headers = {"mcp-session-id": session, "accept": "application/json"}
    async with asyncio.timeout(8), asyncio.TaskGroup() as group:
        calling = group.create_task(proxy.http.post("/time/mcp", json=message, headers=headers))
        await call_number(server)
        [edge] = {edge for edge, _ in server.host._broker._at}
        await server.host.edge_gone(edge)
    assert calling.result().status_code == 503
    assert "cut off" in calling.result().json()["error"]["message"]


async def test_only_what_came_behind_the_last_event_is_told_again(fleet: Fleet, proxy: Proxy, other: Proxy) -> None:
    server = await served(fleet, proxy, other)
    session = await proxy.open_session("time")
    async with AsyncExitStack() as stack:
        stream = await begin_call(stack, proxy, session, call("silence", token="t"))
        number = await call_number(server)
        for progress in (1, 2):
            server.server.say(method="notifications/progress", params={"progressToken": number, "progress": progress})
        ids = [(await stream.next()).id for _ in range(3)]
    server.server.say(id=number, result={})
    async with AsyncExitStack() as stack:
        stream = await listen(stack, other, session, ids[1] or "")
        second, answer = await stream.next(), await stream.next()
    assert orjson.loads(second.data)["params"]["progress"] == 2
    assert second.id == ids[2]
    assert orjson.loads(answer.data)["id"] == 1


async def test_an_event_that_is_not_known_cannot_be_resumed_from(fleet: Fleet, proxy: Proxy) -> None:
    await served(fleet, proxy)
    session = await proxy.open_session("time")
    reply = await proxy.http.get("/time/mcp", headers=headers_of(session, "nothing.7"))
    assert reply.status_code == 400
    assert "make the request again" in reply.json()["error"]["message"]


@pytest.mark.parametrize("after", ["junk.x", "junk", ".", "x.y.7z"])
async def test_events_behind_an_id_that_is_none_have_ids_that_can_be_resumed_from(
    fleet: Fleet, proxy: Proxy, after: str
) -> None:
    server = await served(fleet, proxy)
    session = await proxy.open_session("time")
    async with AsyncExitStack() as stack:
        stream = await listen(stack, proxy, session, after)
        for _ in range(2):
            server.server.say(method="notifications/tools/list_changed")
        first, second = await stream.next(), await stream.next()
    async with AsyncExitStack() as stack:
        again = await (await listen(stack, proxy, session, first.id or "")).next()
    assert (again.id, again.data) == (second.id, second.data)


async def test_another_session_cannot_fetch_the_answer(fleet: Fleet, proxy: Proxy) -> None:
    server = await served(fleet, proxy)
    mine, theirs = await proxy.open_session("time"), await proxy.open_session("time")
    async with AsyncExitStack() as stack:
        stream = await begin_call(stack, proxy, mine, call("silence"))
        last = (await stream.next()).id or ""
        reply = await proxy.http.get("/time/mcp", headers=headers_of(theirs, last))
        server.server.say(id=await call_number(server), result={})
    assert reply.status_code == 400


async def test_what_came_while_nobody_listened_is_told_to_the_next_get_stream(
    fleet: Fleet, proxy: Proxy, other: Proxy
) -> None:
    server = await served(fleet, proxy, other)
    session = await proxy.open_session("time")
    for name in ("tools", "prompts"):
        server.server.say(method=f"notifications/{name}/list_changed")
    await proxy.post("time", call("echo", text="a"), mcp_session_id=session)  # so it was said before
    async with AsyncExitStack() as stack:
        stream = await listen(stack, other, session)
        events = [await stream.next() for _ in range(2)]
        server.server.say(method="notifications/resources/list_changed")
        events.append(await stream.next())
    methods = [orjson.loads(event.data)["method"].split("/")[1] for event in events]
    assert methods == ["tools", "prompts", "resources"]
    server.server.say(method="notifications/tools/list_changed")
    async with AsyncExitStack() as stack:
        stream = await listen(stack, proxy, session, events[1].id or "")
        again = [orjson.loads((await stream.next()).data)["method"].split("/")[1] for _ in range(2)]
    assert again == ["resources", "tools"]


async def test_a_session_that_nobody_uses_is_not_found_any_more(fleet: Fleet, proxy: Proxy) -> None:
    server = await fleet.stdio("time", ttl=0.2)
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    async with asyncio.timeout(8):
        assert await server.ended.get() == session
    reply = await proxy.post("time", call("echo", text="x"), mcp_session_id=session)
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == -32001
