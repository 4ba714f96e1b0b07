"""Large results, slow readers, a thousand streams and a thousand sessions."""

import asyncio

import httpx
import pytest

from .support.engine import containers_of, docker
from .support.raw_session import RawSession, a_call, answer_in, open_session
from .support.stack import Stack, until
from .support.workloads import created, ready_at

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

_MIB = 1024 * 1024


async def test_a_result_of_20_megabytes_arrives_whole(api: httpx.AsyncClient, talkative_server: str) -> None:
    await created(api, "large", talkative_server)
    async with open_session(await ready_at(api, "large"), seconds=60) as session:
        said = await session.call("big", {"size": 20 * _MIB})
        assert len(said) == 20 * _MIB
        assert await session.call("echo", {"text": "and on"}, number=2) == "and on"


def memory_of(stack: Stack, service: str) -> int:
    """Bytes that the service's processes hold."""
    told = docker("exec", stack.container(service), "cat", "/proc/1/status")
    line = next(line for line in told.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


async def test_a_reader_that_stops_holds_up_nobody_else_and_fills_no_memory(
    stack: Stack, api: httpx.AsyncClient, talkative_server: str
) -> None:
    await created(api, "slow", talkative_server)
    await created(api, "quick", talkative_server)
    slow_url, quick_url = await ready_at(api, "slow"), await ready_at(api, "quick")
    before = {service: memory_of(stack, service) for service in ("proxy", "runtime-agent")}
    async with open_session(slow_url) as slow, open_session(quick_url) as quick:
        flood = a_call("flood", 1, lines=4000, size=50_000)
        async with asyncio.TaskGroup() as calls:
            stalled = calls.create_task(read_nothing(slow, flood))
            for number in range(50):
                assert await quick.call("echo", {"text": str(number)}, number=number) == str(number)
                await asyncio.sleep(0.05)
            grown = {service: memory_of(stack, service) - bytes_ for service, bytes_ in before.items()}
            stalled.cancel()
    assert max(grown.values()) < 100 * _MIB, grown  # of 200 that the server wrote


async def read_nothing(session: RawSession, message: dict[str, object]) -> None:
    """Post a message and leave its answer unread until cancelled."""
    async with session.stream(message):
        await asyncio.Event().wait()


async def test_a_thousand_streams_at_once_get_each_its_own_answer(
    api: httpx.AsyncClient, talkative_server: str
) -> None:
    await created(api, "streams", talkative_server)
    url = await ready_at(api, "streams")
    async with open_session(url, seconds=120) as watcher, open_session(url, seconds=120) as session:
        async with asyncio.TaskGroup() as calls:
            names = [f"stream-{number:04}" for number in range(1000)]
            waiting = [calls.create_task(session.send(a_call("wait", name, name=name))) for name in names]

            async def all_wait() -> bool:
                return (await watcher.call("waiting")).count("stream-") == len(names)

            await until("all of them wait", all_wait, seconds=60)
            await watcher.call("release", {"name": "stream-"})
        answers = [answer_in(call.result()) for call in waiting]
    assert [(answer["id"], answer["result"]["content"][0]["text"]) for answer in answers] == [
        (name, f"{name} was released") for name in names
    ]


@pytest.mark.parametrize(
    ("processes", "sessions"),
    [
        pytest.param("shared", 1000, id="one process for all"),
        pytest.param("per-session", 200, id="a process for each"),  # as telling as 1000, and five times as quick
    ],
)
async def test_sessions_leave_nothing_behind(
    stack: Stack, api: httpx.AsyncClient, talkative_server: str, processes: str, sessions: int
) -> None:
    await created(api, "many", talkative_server, stdio_process=processes)
    url = await ready_at(api, "many")
    before = (containers_of(stack.agent), process_count(stack))
    at_once = asyncio.Semaphore(20)
    seen: set[str] = set()

    async def one_session() -> None:
        async with at_once, open_session(url) as session:
            seen.add(await session.call("who"))

    async with asyncio.TaskGroup() as clients:
        for _ in range(sessions):
            clients.create_task(one_session())
    assert len(seen) == (1 if processes == "shared" else sessions)

    async def as_before() -> bool:
        return (containers_of(stack.agent), process_count(stack)) == before

    await until("containers and processes are as before", as_before)


def process_count(stack: Stack) -> int:
    """Processes in all containers of the agent's; one that goes while they are counted has none."""
    listed = (docker("top", name, check=False) for name in containers_of(stack.agent, running=True))
    return sum(max(0, len(lines.splitlines()) - 1) for lines in listed)
