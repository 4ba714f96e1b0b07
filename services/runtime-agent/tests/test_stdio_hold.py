"""A hold on a server's streams: limits, sessions that end, and the server's end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from toolhive_agent.services.stdio_hold import HoldSettings, StdioHold
from toolhive_common.mcp.handshake import Handshake
from toolhive_common.mcp.multiplexer import StdioMultiplexer

from toolhive_agent.models.handshake import SavedHandshake
from toolhive_agent.services.stdio_hub import StdioHub
from toolhive_agent.services.tasks import beside
from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import open_bus
from toolhive_common.messaging.frames import FrameChannel
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.subjects import McpFrameSubject
from toolhive_runtime.runtime import ContainerSpec, NetworkSpec
from toolhive_runtime.testing.fake_runtime import FakeAttachment, FakeContainer, FakeRuntime

from .support.servers import Client  # type: ignore[import-not-found]  # mypy stops at the dash
from .support.stage import Stage  # type: ignore[import-not-found]  # mypy stops at the dash

KEY = WorkloadKey.default("time")
DONE = Handshake({}, {}, initialized=True)


async def a_container(fake: FakeRuntime) -> FakeContainer:
    spec = ContainerSpec("time", "i", (), {}, {}, (), NetworkSpec("n"), (), True, False, "no")
    container_id = await fake.create(spec)
    await fake.start(container_id)
    return fake.containers[container_id]


@asynccontextmanager
async def held(stage: Stage, fake: FakeRuntime, **limits: Any) -> AsyncIterator[tuple[FakeContainer, Client]]:
    container = await a_container(fake)
    async with open_bus(stage.nats.settings(Role.AGENT)) as bus:
        await bus.wait_connected()
        hold = StdioHold(
            KEY,
            await fake.attach(container.status.container_id),
            StdioMultiplexer(handshake=DONE),
            bus,
            FrameChannel(bus),
            HoldSettings(**limits),
            lambda _: None,
        )
        async with beside(hold.run()):
            client = Client(stage.proxy_bus, "time")
            await client.open()
            while not bus.client._subs:  # the library tells nobody
                await asyncio.sleep(0.01)
            for _ in range(2):
                await bus.client.flush()
            yield container, client


async def read(container: FakeContainer) -> Any:
    async with asyncio.timeout(20):
        return json.loads(await container.input.get())


async def test_the_caller_of_an_answer_over_the_limit_is_told(stage: Stage, fake: FakeRuntime) -> None:
    async with held(stage, fake, longest_line=100_000) as (container, client), asyncio.TaskGroup() as group:
        asking = group.create_task(client.ask("a", "tools/call"))
        number = (await read(container))["id"]
        container.say(b'{"result":{"x":"' + b"y" * 300_000 + b'"},"jsonrpc":"2.0","id":%d}\n' % number)
        answer = await asking
        assert "dropped" in answer["error"]["message"]
        asking = group.create_task(client.ask("b", "tools/call"))
        number = (await read(container))["id"]
        container.say(b'{"result":{},"jsonrpc":"2.0","id":%d}\n' % number)
        assert (await asking)["result"] == {}


async def test_a_session_that_says_nothing_for_long_is_over(stage: Stage, fake: FakeRuntime) -> None:
    async with held(stage, fake, idle_session=0.05, check_idle=0.05) as (container, client):
        await client.send({"id": 1, "method": "tools/call"})
        number = (await read(container))["id"]
        cancelled = await read(container)
        assert (cancelled["method"], cancelled["params"]["requestId"]) == ("notifications/cancelled", number)


async def test_a_session_that_ends_is_told_to_the_server(stage: Stage, fake: FakeRuntime) -> None:
    async with held(stage, fake) as (container, client):
        await client.send({"id": 1, "method": "tools/call"})
        number = (await read(container))["id"]
        await FrameChannel(stage.proxy_bus).end_session(McpFrameSubject(KEY, client.session, "in"))
        assert (await read(container))["params"]["requestId"] == number


async def test_callers_are_told_at_once_when_the_server_ends(stage: Stage, fake: FakeRuntime) -> None:
    async with held(stage, fake) as (container, client), asyncio.TaskGroup() as group:
        asking = group.create_task(client.ask(1, "tools/call"))
        await read(container)
        fake.die(container.status.container_id, 1)
        assert "call again" in (await asking)["error"]["message"]


async def test_who_lets_go_of_a_server_can_be_cancelled(stage: Stage) -> None:
    closing, closed = asyncio.Event(), asyncio.Event()

    class Slow(FakeAttachment):
        async def close(self) -> None:
            closing.set()
            await closed.wait()
            await super().close()

    class SlowRuntime(FakeRuntime):
        async def attach(self, container_id: str) -> FakeAttachment:
            return Slow(self.containers[container_id])

    fake = SlowRuntime()
    container = await a_container(fake)
    bus = stage.bus
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        handshakes = Bucket(bus, subjects.HANDSHAKES_BUCKET, SavedHandshake)
        hub = StdioHub(bus, FrameChannel(bus), handshakes, HoldSettings(), group, lambda _: None)
        await hub.take(fake, KEY, container.status.container_id)
        await asyncio.sleep(0)  # the hold begins
        letting_go = group.create_task(hub.let_go(KEY))
        await closing.wait()
        letting_go.cancel()
        await asyncio.wait([letting_go])
        closed.set()
    assert letting_go.cancelled()
