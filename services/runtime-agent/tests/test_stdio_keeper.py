"""A keeper of one server's sessions: limits, sessions that end, the server's end, and its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from toolhive_agent.models.handshake import SavedHandshake
from toolhive_agent.models.kept_session import KeptSession
from toolhive_agent.services.engine import Engine
from toolhive_agent.services.reporter import Reporter
from toolhive_agent.services.session_events import SessionEvents
from toolhive_agent.services.session_store import SessionStore
from toolhive_agent.services.slot_containers import SlotContainers
from toolhive_agent.services.stdio_hub import StdioHub
from toolhive_agent.services.stdio_keeper import KeeperSettings
from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.mcp.port import Verb
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus, open_bus
from toolhive_common.messaging.events import EventLog
from toolhive_common.schemas.runconfig import StdioProcess
from toolhive_common.schemas.state import DesiredWorkload, ObservedWorkload, WorkloadKey
from toolhive_common.testing.factories import a_desired, a_run_config
from toolhive_runtime.runtime import ContainerSpec, NetworkSpec, Runtime
from toolhive_runtime.testing.fake_runtime import FakeAttachment, FakeContainer, FakeRuntime
from toolhive_sessions.facts import kept_name

from .support.servers import Client  # type: ignore[import-not-found]  # mypy stops at the dash
from .support.stage import Stage, an_agent  # type: ignore[import-not-found]  # mypy stops at the dash

KEY = WorkloadKey.default("time")
RESULT = b'{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}'


def shake_hands(container: FakeContainer, data: bytes) -> None:
    """Answer to ``initialize``, and to nothing else."""
    for line in data.splitlines():
        request = json.loads(line)
        if request.get("method") == "initialize":
            container.say(b'{"jsonrpc":"2.0","id":%d,"result":%s}\n' % (request["id"], RESULT))


async def a_container(fake: FakeRuntime) -> FakeContainer:
    spec = ContainerSpec("time", "i", (), {}, {}, (), NetworkSpec("n"), (), True, False, "no")
    container_id = await fake.create(spec)
    await fake.start(container_id)
    return fake.containers[container_id]


def a_hub(bus: Bus, runtime: Runtime, group: asyncio.TaskGroup, **limits: Any) -> StdioHub:
    async def detect() -> Runtime:
        return runtime

    reporter = Reporter(bus, EventLog(bus), Bucket(bus, subjects.OBSERVED_BUCKET, ObservedWorkload))
    return StdioHub(
        bus,
        Bucket(bus, subjects.HANDSHAKES_BUCKET, SavedHandshake),
        SlotContainers(Engine(detect, "default"), "default", most=9, grace=timedelta(seconds=1)),
        SessionEvents("default", reporter, lambda: datetime.now(UTC)),
        SessionStore(bus, Bucket(bus, subjects.SESSIONS_BUCKET, KeptSession)),
        KeeperSettings(**limits),
        group,
        lambda _: None,
    )


@asynccontextmanager
async def held(
    stage: Stage, desired: DesiredWorkload | None = None, **limits: Any
) -> AsyncIterator[tuple[FakeRuntime, FakeContainer, Client]]:
    """A server that is held, and a client whose session with it has begun."""
    fake = FakeRuntime(serve=shake_hands)
    container = await a_container(fake)
    async with open_bus(stage.nats.settings(Role.AGENT)) as bus, asyncio.TaskGroup() as group:
        await bus.wait_connected()
        hub = a_hub(bus, fake, group, **limits)
        await hub.take(fake, desired or a_desired(), container.status.container_id)
        while not bus.client._subs:  # the library tells nobody
            await asyncio.sleep(0.01)
        await bus.client.flush()
        client = Client(stage.proxy_bus, "time")
        await client.open()
        assert "result" in await client.begin()
        assert (await read(container))["method"] == "initialize"
        assert (await read(container))["method"] == "notifications/initialized"
        yield fake, container, client
        await hub.forget(KEY)


async def read(container: FakeContainer) -> Any:
    async with asyncio.timeout(20):
        return json.loads(await container.input.get())


async def test_the_caller_of_an_answer_over_the_limit_is_told(stage: Stage) -> None:
    async with held(stage, longest_line=100_000) as (_, container, client), asyncio.TaskGroup() as group:
        asking = group.create_task(client.ask("a", "tools/call"))
        number = (await read(container))["id"]
        container.say(b'{"result":{"x":"' + b"y" * 300_000 + b'"},"jsonrpc":"2.0","id":%d}\n' % number)
        answer = await asking
        assert "dropped" in answer["error"]["message"]
        asking = group.create_task(client.ask("b", "tools/call"))
        number = (await read(container))["id"]
        container.say(b'{"result":{},"jsonrpc":"2.0","id":%d}\n' % number)
        assert (await asking)["result"] == {}


async def test_a_session_that_nobody_uses_for_long_is_over(stage: Stage) -> None:
    brief = a_desired(run_config=a_run_config(session_ttl="50ms"))
    async with held(stage, brief, tick=0.05) as (_, container, client):
        stream = await client.tell(Verb.CALL, {"id": 1, "method": "tools/call"})
        number = (await read(container))["id"]
        await client.tell(Verb.LEAVE, stream=stream)
        cancelled = await read(container)
        assert (cancelled["method"], cancelled["params"]["requestId"]) == ("notifications/cancelled", number)
        assert (await client.ask(2, "tools/call"))["refused"] == "unknown_session"


async def test_a_session_that_ends_is_told_to_the_server(stage: Stage) -> None:
    async with held(stage) as (_, container, client):
        await client.tell(Verb.CALL, {"id": 1, "method": "tools/call"})
        number = (await read(container))["id"]
        await client.end()
        assert (await read(container))["params"]["requestId"] == number


async def test_callers_are_told_at_once_when_the_server_ends(stage: Stage) -> None:
    async with held(stage) as (fake, container, client), asyncio.TaskGroup() as group:
        asking = group.create_task(client.ask(1, "tools/call"))
        await read(container)
        fake.die(container.status.container_id, 1)
        assert "call again" in (await asking)["error"]["message"]


async def test_a_frame_that_cannot_be_read_ends_nothing(stage: Stage) -> None:
    async with held(stage) as (_, container, client), asyncio.TaskGroup() as group:
        for data in (
            b"",
            b"[]",
            b"{}",
            b"null",
            b'["call"]',
            b'["x",1,"",false,"",false]\n',
            b'[["call"],1,2,3,4,5]',
        ):
            await stage.proxy_bus.client.publish("toolhive.mcp.default.time.edge.in", data)
        asking = group.create_task(client.ask(1, "tools/call"))
        number = (await read(container))["id"]
        container.say(b'{"result":{},"jsonrpc":"2.0","id":%d}\n' % number)
        assert (await asking)["result"] == {}


async def test_a_server_is_forgotten_also_while_nats_is_away(stage: Stage) -> None:
    async with held(stage) as (_, container, client):
        await client.said(await client.tell(Verb.LISTEN))
        await client.tell(Verb.CALL, {"id": 1, "method": "tools/call"})
        await read(container)
        await stage.nats.kill()  # the block's end forgets the server, whose callers cannot be told


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
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        hub = a_hub(stage.bus, fake, group)
        await hub.take(fake, a_desired(), container.status.container_id)
        letting_go = group.create_task(hub.let_go(KEY))
        await closing.wait()
        letting_go.cancel()
        await asyncio.wait([letting_go])
        closed.set()
        await hub.forget(KEY)
    assert letting_go.cancelled()


async def test_a_session_that_is_used_before_it_is_written_again_stays_in_the_store(stage: Stage) -> None:
    fake = FakeRuntime()
    container = await a_container(fake)
    container_id, started_at = container.status.container_id, container.status.started_at
    assert started_at is not None
    client = Client(stage.proxy_bus, "time")
    run: dict[str, Any] = {"container_id": container_id, "started_at": started_at}
    kept = KeptSession(**run, name=kept_name(client.session), capabilities={"roots": {}})
    async with open_bus(stage.nats.settings(Role.AGENT)) as bus, asyncio.TaskGroup() as group:
        await bus.wait_connected()
        bucket = Bucket(bus, subjects.SESSIONS_BUCKET, KeptSession)
        await bucket.put(subjects.session_key(KEY, kept.name), kept)
        shaken = SavedHandshake(**run, params={}, result={}, initialized=True)
        await Bucket(bus, subjects.HANDSHAKES_BUCKET, SavedHandshake).put(KEY, shaken)
        hub = a_hub(bus, fake, group)
        await hub.take_again(fake, a_desired(), container_id, "run", started_at)
        while not bus.client._subs:  # the library tells nobody
            await asyncio.sleep(0.01)
        await bus.client.flush()
        await client.open()
        await client.tell(Verb.CALL, {"id": 1, "method": "tools/call"})
        await read(container)
        writing = group.create_task(hub._tools.store.run())
        await asyncio.sleep(0.5)
        assert list((await bucket.under("default.time")).values()) == [kept]
        await client.end()
        await asyncio.sleep(0.5)
        assert await bucket.under("default.time") == {}
        writing.cancel()
        await hub.forget(KEY)


class DeafOnce(FakeAttachment):
    """Once told to, the process behind it reads nothing more."""

    async def write(self, data: bytes) -> None:
        if b'"stop-reading"' in data:
            await asyncio.Event().wait()
        await super().write(data)


class RuntimeOfTheDeaf(FakeRuntime):
    async def attach(self, container_id: str) -> FakeAttachment:
        return DeafOnce(self.containers[container_id])


async def test_one_sessions_own_process_that_does_not_read_holds_up_no_other_session(stage: Stage) -> None:
    fake = RuntimeOfTheDeaf(serve=shake_hands)
    async with an_agent(stage, fake):
        await stage.declare(run_config=a_run_config(stdio_process=StdioProcess.PER_SESSION))
        await stage.reaches("running")
        slow, quick = Client(stage.proxy_bus, "time"), Client(stage.proxy_bus, "time")
        for client in (slow, quick):
            await client.open()
            assert "result" in await client.begin()
        await slow.tell(Verb.CALL, {"id": 1, "method": "stop-reading"})
        for number in range(2, 10):  # as much as may wait for it, and the one that it does not read
            await slow.tell(Verb.CALL, {"id": number, "method": "x", "params": {"filler": "x" * 9_000_000}})
        assert (await slow.ask(99, "x"))["refused"] == "server_unavailable"
        assert (await quick.end()) == {}
        assert (await slow.end()) == {}


async def test_a_clients_name_does_not_end_the_workloads_events(stage: Stage) -> None:
    fake = FakeRuntime(serve=shake_hands)
    async with an_agent(stage, fake):
        await stage.declare()
        await stage.reaches("running")
        client = Client(stage.proxy_bus, "time")
        await client.open()
        params: dict[str, Any] = {"protocolVersion": "2025-11-25", "clientInfo": {"name": "\ud800"}}
        assert "result" in await client.ask(0, "initialize", verb=Verb.OPEN, **params)
        await stage.declare(revision=2, phase="stopped")
        await stage.reaches("stopped", revision=2)
