"""Three proxies before one stdio server in a container: a session enters through any of them, and outlives each."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import count

import httpx
import pytest
from mcp import Client

from .support.more_proxies import more_proxies
from .support.raw_session import RawSession, a_call, answer_in, open_session
from .support.stack import Stack
from .support.workloads import created, ready_at, text_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

_BEFORE, _AFTER = 10, 20
"""Calls of each session before one of the proxies is killed, and after."""


async def test_a_session_is_served_by_whatever_proxy_it_comes_to(
    stack: Stack, api: httpx.AsyncClient, talkative_server: str
) -> None:
    await created(api, "shared", talkative_server)
    url = await ready_at(api, "shared")
    async with more_proxies(stack, 2, workload="shared") as further, open_session(url) as session:
        for number, proxy in enumerate(further):
            assert await session.through(f"{proxy.url}/shared/mcp").call("echo", {"text": str(number)}) == str(number)
        ended = await session.through(f"{further[0].url}/shared/mcp").delete()
        assert ended.status_code == 204
        gone = await session.send(a_call("echo", 1, text="x"))
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, -32001)


async def test_a_proxy_that_is_killed_under_load_takes_no_session_with_it(
    stack: Stack, api: httpx.AsyncClient, talkative_server: str
) -> None:
    await created(api, "shared", talkative_server)
    url = await ready_at(api, "shared")
    async with more_proxies(stack, 2, workload="shared") as further, AsyncExitStack() as sessions:
        urls = [url, *(f"{proxy.url}/shared/mcp" for proxy in further)]
        killed = asyncio.Event()
        talks = [
            Talk(await sessions.enter_async_context(open_session(url)), number, urls[number % 3 :] + urls, killed)
            for number in range(6)
        ]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(talk.run()) for talk in talks]
            for talk in talks:
                await talk.warm.wait()
            killed.set()
            further[-1].sigkill()
        lost = sum(task.result() for task in running)
        async with Client(url) as client:
            assert text_of(await client.call_tool("echo", {"text": "and on"})) == "and on"
    assert lost <= 2, "each session of the killed proxy may lose the one call that was under way"


class Talk:
    """One session that calls without a pause, and goes to the next proxy when its own is gone."""

    def __init__(self, session: RawSession, name: int, urls: Sequence[str], killed: asyncio.Event) -> None:
        self._session = session
        self._name = name
        self._urls = deque(urls)
        self._killed = killed
        """Set once a proxy was killed: until then none may fail."""
        self.warm = asyncio.Event()

    async def run(self) -> int:
        """Call until enough was answered after the kill; returns how many calls were told to have failed."""
        answered, after, lost = 0, 0, 0
        for number in count(1):
            text = f"{self._name}-{number}"
            try:
                answer = await self._session.through(self._urls[0]).send(a_call("echo", number, text=text))
            except httpx.TransportError:
                assert self._killed.is_set()
                self._urls.popleft()
                lost += 1
                continue
            assert answer.status_code == 200, answer.text
            assert answer_in(answer)["id"] == number
            assert answer_in(answer)["result"]["content"][0]["text"] == text
            answered += 1
            after += self._killed.is_set()
            if answered == _BEFORE:
                self.warm.set()
            if after == _AFTER:
                break
        return lost
