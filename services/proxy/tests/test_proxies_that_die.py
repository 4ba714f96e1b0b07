"""Three proxies as processes of their own before one stdio server; one is killed under load."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from toolhive_common.testing.nats_server import NatsServer

from .conftest import Fleet, Proxy, call, eventually, free_port
from .test_resumption import begin_call, call_number, listen

pytestmark = pytest.mark.wire


class OwnProcess:
    """A proxy that can be killed."""

    def __init__(self, nats: NatsServer, log: Path) -> None:
        port = free_port()
        own = {
            "TOOLHIVE_NATS_URL": nats.url,
            "TOOLHIVE_NATS_PASSWORD": "test",
            "TOOLHIVE_PORT": str(port),
            "TOOLHIVE_PROXY_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "TOOLHIVE_PROXY_METRICS_PORT": "0",
            "TOOLHIVE_PROXY_QUICK_ANSWER": "1",
        }
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "toolhive_proxy"], env={**os.environ, **own}, stdout=output, stderr=output
            )
        self.proxy = Proxy(port)

    async def ready(self) -> None:
        async def serves() -> bool:
            try:
                return (await self.proxy.http.get("/time/health")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(serves)

    async def end(self) -> None:
        self.process.kill()
        self.process.wait()
        await self.proxy.http.aclose()


@pytest.fixture
async def proxies(fleet: Fleet, nats: NatsServer, tmp_path: Path) -> AsyncIterator[list[OwnProcess]]:
    await fleet.stdio("time")
    found = [OwnProcess(nats, tmp_path / f"proxy{number}.log") for number in range(3)]
    try:
        for each in found:
            await each.ready()
        yield found
    finally:
        for each in found:
            await each.end()


async def test_calls_are_answered_or_fail_and_sessions_go_on_through_the_others(proxies: list[OwnProcess]) -> None:
    sessions = [await proxies[number % 3].proxy.open_session("time") for number in range(6)]
    answered, broken = 0, 0
    killed = asyncio.Event()
    enough = asyncio.Event()

    async def talk(number: int) -> None:
        nonlocal answered, broken
        at, after = number % 3, 0
        for request_id in range(1, 100_000):
            message = call("echo", request_id=request_id, text=f"{number}-{request_id}")
            try:
                reply = await proxies[at].proxy.post("time", message, mcp_session_id=sessions[number])
            except httpx.TransportError:
                assert killed.is_set()
                assert at == 0
                broken += 1
                at = 1
                continue
            assert reply.status_code == 200, reply.text
            assert reply.json()["result"]["content"][0]["text"] == f"{number}-{request_id}"
            answered += 1
            if answered > 60:
                enough.set()
            after += killed.is_set()
            if after > 20:
                return

    async with asyncio.timeout(18), asyncio.TaskGroup() as tasks:
        for number in range(6):
            tasks.create_task(talk(number))
        await enough.wait()
        killed.set()
        proxies[0].process.kill()
    assert broken <= 2, "only what was under way through the one that died may be lost"


async def test_a_call_that_a_dead_proxy_took_is_fetched_through_another(
    fleet: Fleet, proxies: list[OwnProcess]
) -> None:
    server = fleet.servers[0]
    session = await proxies[0].proxy.open_session("time")
    async with AsyncExitStack() as stack:
        stream = await begin_call(stack, proxies[0].proxy, session, call("silence"))
        number = await call_number(server)
        last = (await stream.next()).id or ""
        proxies[0].process.kill()
        with pytest.raises((httpx.TransportError, StopAsyncIteration)):
            await stream.next()
    server.server.say(id=number, result={"survived": True})
    async with AsyncExitStack() as stack:
        stream = await listen(stack, proxies[1].proxy, session, last)
        answer = await stream.next()
    assert b'"survived":true' in answer.data
