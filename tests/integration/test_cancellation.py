"""A cancelled call is cancelled, and no other."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from .support.raw_session import RawSession, a_call, answer_in, open_session
from .support.stack import until
from .support.workloads import created, ready_at

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


async def names_told_by(session: RawSession, tool: str) -> list[str]:
    """What the server says of its calls: the tools `waiting` and `cancelled`."""
    return list(json.loads(await session.call(tool, number=f"what is {tool}")))


async def until_told(session: RawSession, tool: str, names: list[str]) -> None:
    """Return when the server says exactly that."""

    async def says_so() -> bool:
        return await names_told_by(session, tool) == names

    await until(f"{tool} is {names}", says_so, seconds=10)


async def test_it_reaches_the_call_of_its_own_session_though_another_has_the_same_id(
    api: httpx.AsyncClient, talkative_server: str
) -> None:
    await created(api, "cancel", talkative_server)
    url = await ready_at(api, "cancel")
    async with open_session(url) as mine, open_session(url) as other, asyncio.TaskGroup() as calls:
        cancelled = calls.create_task(error_for(mine, a_call("wait", 7, name="mine")))
        kept = calls.create_task(mine_is(other, a_call("wait", 7, name="other")))
        await until_told(mine, "waiting", ["mine", "other"])
        await mine.notify("cancelled", requestId=7, reason="the user went away")
        assert await cancelled == {"id": 7, "error": "cancelled by the client"}
        await until_told(mine, "cancelled", ["mine"])
        assert await names_told_by(mine, "waiting") == ["other"]
        await other.call("release", {"name": "other"}, number=8)
        assert await kept == {"id": 7, "text": "other was released"}


async def test_it_tells_a_number_from_a_text_that_looks_like_it(
    api: httpx.AsyncClient, talkative_server: str
) -> None:
    await created(api, "cancel", talkative_server)
    url = await ready_at(api, "cancel")
    async with open_session(url) as session, asyncio.TaskGroup() as calls:
        kept = calls.create_task(mine_is(session, a_call("wait", 7, name="number")))
        cancelled = calls.create_task(error_for(session, a_call("wait", "7", name="text")))
        await until_told(session, "waiting", ["number", "text"])
        await session.notify("cancelled", requestId="7")
        assert await cancelled == {"id": "7", "error": "cancelled by the client"}
        await until_told(session, "cancelled", ["text"])
        await session.call("release", {"name": "number"}, number=8)
        assert await kept == {"id": 7, "text": "number was released"}


async def test_a_client_that_goes_away_has_not_cancelled(api: httpx.AsyncClient, talkative_server: str) -> None:
    await created(api, "cancel", talkative_server)
    url = await ready_at(api, "cancel")
    async with open_session(url) as session, open_session(url) as watcher:
        async with asyncio.TaskGroup() as calls:
            call = calls.create_task(ended(session, a_call("wait", 7, name="left alone")))
            await until_told(watcher, "waiting", ["left alone"])
            call.cancel()
        assert await session.call("echo", {"text": "still here"}, number=8) == "still here"
        assert await names_told_by(watcher, "waiting") == ["left alone"]
        assert await names_told_by(watcher, "cancelled") == []
        await watcher.call("release", {"name": "left alone"}, number=9)


async def mine_is(session: RawSession, call: dict[str, Any]) -> dict[str, Any]:
    """Id and text of the answer to a call."""
    message = answer_in(await session.send(call))
    return {"id": message["id"], "text": message["result"]["content"][0]["text"]}


async def error_for(session: RawSession, call: dict[str, Any]) -> dict[str, Any]:
    """Id and message of the error that answers a call."""
    message = answer_in(await session.send(call))
    return {"id": message["id"], "error": message["error"]["message"]}


async def ended(session: RawSession, call: dict[str, Any]) -> None:
    """Send a call whose answer does not matter."""
    await session.send(call)
