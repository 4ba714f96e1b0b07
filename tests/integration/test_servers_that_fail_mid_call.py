"""A server that talks nonsense, dies, hangs or is restarted: clients get a right error in time, and go on."""

import asyncio
from typing import Any

import httpx
import pytest
from mcp import Client

from .support.raw_session import RawSession, a_call, answer_in, open_session
from .support.stack import Stack, until
from .support.workloads import created, ready_at, text_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


async def test_garbage_on_standard_output_is_passed_over(api: httpx.AsyncClient, odd_server: str) -> None:
    await created(api, "garbage", odd_server, cmd_arguments=["--garbage"])
    async with Client(await ready_at(api, "garbage")) as client:
        said = [text_of(await client.call_tool("echo", {"text": str(number)})) for number in range(20)]
    assert said == [str(number) for number in range(20)]


async def answer_to(session: RawSession, message: dict[str, Any]) -> dict[str, Any]:
    """What a client gets, as it is."""
    return answer_in(await session.send(message))


async def test_all_calls_of_a_server_that_dies_fail_at_once_and_the_next_one_works(
    api: httpx.AsyncClient, odd_server: str
) -> None:
    await created(api, "mortal", odd_server)
    url = await ready_at(api, "mortal")
    async with open_session(url) as mine, open_session(url) as other:
        async with asyncio.timeout(20), asyncio.TaskGroup() as calls:
            waiting = [
                calls.create_task(answer_to(session, a_call("slow", number, seconds=100)))
                for session in (mine, other)
                for number in (1, "1")
            ]
            assert await mine.call("echo", {"text": "alive"}, number=2) == "alive"
            death = calls.create_task(answer_to(other, a_call("die", 3, code=1)))
        answers = [call.result() for call in (*waiting, death)]
        assert [answer["id"] for answer in answers] == [1, "1", 1, "1", 3]
        assert {answer["error"]["code"] for answer in answers} == {-32000}

    async def works() -> bool:
        async with Client(url) as client:
            return text_of(await client.call_tool("echo", {"text": "back"})) == "back"

    await until("the next call works", lambda: unless_refused(works), seconds=30)


async def unless_refused(works: Any) -> bool:
    """Whether it works; a client that is told to come back later has not failed."""
    try:
        return bool(await works())
    except Exception:  # noqa: BLE001  # whatever the client makes of a refusal, the next attempt counts
        return False


async def test_a_call_of_a_server_that_hangs_fails_in_time_and_others_go_on(
    stack: Stack, api: httpx.AsyncClient, odd_server: str
) -> None:
    async with stack.with_settings(TOOLHIVE_PROXY_REQUEST_TIMEOUT="2"):
        await created(api, "hangs", odd_server)
        async with open_session(await ready_at(api, "hangs")) as session:
            async with asyncio.timeout(15):
                answer = await answer_to(session, a_call("slow", 1, seconds=1000))
            assert answer["id"] == 1
            assert answer["error"]["code"] == -32000
            assert await session.call("echo", {"text": "alive"}, number=2) == "alive"


async def test_after_a_restart_by_its_user_the_clients_can_go_on(
    stack: Stack, api: httpx.AsyncClient, odd_server: str
) -> None:
    await created(api, "again", odd_server)
    url = await ready_at(api, "again")
    async with Client(url) as client:
        first = text_of(await client.call_tool("echo", {"text": "before"}))
    assert stack.thv("restart", "again").returncode == 0
    url = await ready_at(api, "again")
    async with Client(url) as client:
        second = text_of(await client.call_tool("echo", {"text": "after"}))
    assert (first, second) == ("before", "after")
