"""Typed messaging on a real nats-server."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.messaging.bucket import Bucket, Snapshot, Updated
from toolhive_common.messaging.bus import Bus, BusSettings, BusUnreachableError, open_bus
from toolhive_common.messaging.events import EventLog
from toolhive_common.messaging.frames import Frame, FrameChannel
from toolhive_common.messaging.progress import listen_for_progress, tell_progress
from toolhive_common.messaging.rpc import AgentUnreachableError, Operation, ask_agent, serve_agent
from toolhive_common.schemas.commands import (
    AgentOperation,
    ErrorReply,
    LogsReply,
    LogsRequest,
    Progress,
    ProgressStage,
)
from toolhive_common.schemas.events import EventData, EventType, LifecycleEvent
from toolhive_common.schemas.state import AgentState, DesiredWorkload, WorkloadKey
from toolhive_common.subjects import McpFrameSubject
from toolhive_common.testing.factories import a_desired
from toolhive_common.testing.nats_server import NatsServer

KEY = WorkloadKey.default("time")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def settled(bus: Bus) -> None:
    """Wait until the server knows of a subscription: the library may send a ping before what waits to be sent."""
    for _ in range(2):
        await bus.client.flush()


def desired_of(bus: Bus) -> Bucket[DesiredWorkload]:
    return Bucket(bus, subjects.DESIRED_BUCKET, DesiredWorkload)


async def test_a_bucket_gives_back_what_was_put(api: Bus) -> None:
    bucket = desired_of(api)
    wish = a_desired("my.server")
    assert await bucket.get(wish.key) is None
    await bucket.put(wish.key, wish)
    assert await bucket.get(wish.key) == wish
    await bucket.remove(wish.key)
    assert await bucket.get(wish.key) is None


async def test_a_watcher_is_told_all_and_then_each_change(api: Bus, agent: Bus) -> None:
    bucket = desired_of(api)
    await bucket.put(KEY, a_desired())
    await bucket.put(subjects.SYNCED_KEY, a_desired("marker"))
    async with asyncio.timeout(20), aclosing(desired_of(agent).watch()) as changes:
        assert await anext(changes) == Snapshot({subjects.bucket_key(KEY): a_desired()}, synced=True)
        await bucket.put(KEY, a_desired(revision=2))
        assert await anext(changes) == Updated(subjects.bucket_key(KEY), a_desired(revision=2))
        await bucket.remove(KEY)
        assert await anext(changes) == Updated(subjects.bucket_key(KEY), None)


async def test_a_watcher_survives_the_death_of_the_server(nats_server: NatsServer, api: Bus, agent: Bus) -> None:
    bucket = desired_of(api)
    await bucket.put(KEY, a_desired())
    async with asyncio.timeout(30), aclosing(desired_of(agent).watch()) as changes:
        await anext(changes)
        generation = api.generation
        await nats_server.kill()
        await nats_server.start()
        await api.wait_reconnected(generation)
        await bucket.put(KEY, a_desired(revision=2))
        async for change in changes:
            values = change.values if isinstance(change, Snapshot) else {change.key: change.value}
            if (value := values.get(subjects.bucket_key(KEY))) and value.revision == 2:
                break


async def test_a_value_of_a_later_version_is_neither_told_nor_called_missing(api: Bus) -> None:
    await Bucket(api, subjects.DESIRED_BUCKET, AgentState).put(
        KEY, AgentState(name="x", boot_id="x", version="9", beat_at=NOW)
    )
    async with asyncio.timeout(20), aclosing(desired_of(api).watch()) as changes:
        assert await anext(changes) == Snapshot({}, frozenset({subjects.bucket_key(KEY)}))


async def test_without_nats_everything_says_so(nats_server: NatsServer, api: Bus) -> None:
    await nats_server.kill()
    for attempt in (
        desired_of(api).get(KEY),
        EventLog(api).last_sequence(),
        FrameChannel(api).send(str(str(McpFrameSubject(KEY, "s", "in"))), b"{}"),
    ):
        with pytest.raises(BusUnreachableError, match="check that the NATS server runs"):
            await attempt


def an_event(event_id: str, name: str = "time") -> LifecycleEvent:
    return LifecycleEvent.about(
        EventType.WORKLOAD_STARTING,
        EventData(namespace="default", workload=name, revision=1),
        event_id=event_id,
        source="/test",
        time=NOW,
        correlation_id="c",
    )


async def told(log: EventLog, start: int = 1, **options: Any) -> list[str]:
    return [stored.event.id async for stored in log.read(start, follow=False, **options)]


async def test_an_event_told_twice_is_kept_once(api: Bus) -> None:
    log = EventLog(api)
    assert await log.last_sequence() == 0
    first = await log.publish(an_event("a"))
    await log.publish(an_event("b", "other"))
    assert await log.publish(an_event("a")) == first
    assert await told(log) == ["a", "b"]
    assert await told(log, subject_filter=subjects.event_filter(workload="other")) == ["b"]
    assert await told(log, first + 1) == ["b"]
    assert await log.last_sequence() == 2


async def test_events_are_found_by_time(api: Bus) -> None:
    log = EventLog(api)
    before = datetime.now(UTC) - timedelta(seconds=5)
    assert await log.first_sequence_since(before) == 1
    await log.publish(an_event("a"))
    assert await log.first_sequence_since(before) == 1
    assert await log.first_sequence_since(datetime.now(UTC) + timedelta(hours=1)) == 2


async def test_a_follower_is_told_what_comes(api: Bus, subscriber: Bus) -> None:
    async with asyncio.timeout(20), aclosing(EventLog(subscriber).read(1)) as events:
        for number in "ab":
            await EventLog(api).publish(an_event(number))
            assert (await anext(events)).event.id == number


@pytest.mark.parametrize("size", [0, 1, 1_000_000, 1_048_576, 5_000_000, 20_000_000])
async def test_a_frame_of_any_size_arrives_whole(agent: Bus, proxy: Bus, size: int) -> None:
    received: asyncio.Queue[Frame] = asyncio.Queue()
    subject = str(str(McpFrameSubject(KEY, "edge", "in")))
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def take(frame: Frame) -> None:
        received.put_nowait(frame)

    await FrameChannel(agent).receive(McpFrameSubject.to_server(KEY), take)
    await settled(agent)
    await FrameChannel(proxy).send(subject, data)
    async with asyncio.timeout(20):
        assert await received.get() == Frame(subject, data)


async def test_large_frames_of_two_tasks_do_not_mix(agent: Bus, proxy: Bus) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(frame: Frame) -> None:
        received.put_nowait(frame.data)

    await FrameChannel(agent).receive(McpFrameSubject.to_server(KEY), take)
    await settled(agent)
    channel = FrameChannel(proxy)
    sent = [bytes([letter]) * 3_000_000 for letter in b"ab"]
    await asyncio.gather(*(channel.send(str(str(McpFrameSubject(KEY, "s", "in"))), data) for data in sent))
    async with asyncio.timeout(20):
        assert {await received.get(), await received.get()} == set(sent)


async def test_a_message_over_the_limit_is_dropped_and_the_next_arrives(agent: Bus, proxy: Bus) -> None:
    received: asyncio.Queue[Frame] = asyncio.Queue()

    async def take(frame: Frame) -> None:
        received.put_nowait(frame)

    await FrameChannel(agent, max_message=2_000_000).receive(McpFrameSubject.to_server(KEY), take)
    await settled(agent)
    channel, subject = FrameChannel(proxy), str(str(McpFrameSubject(KEY, "s", "in")))
    await channel.send(subject, b"x" * 5_000_000)
    await channel.send(subject, b"next")
    async with asyncio.timeout(20):
        assert (await received.get()).data == b"next"


async def test_the_parts_of_a_sender_that_died_are_dropped(agent: Bus, proxy: Bus) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(frame: Frame) -> None:
        received.put_nowait(frame.data)

    await FrameChannel(agent, part_patience=0).receive(McpFrameSubject.to_server(KEY), take)
    await settled(agent)
    subject, other = str(str(McpFrameSubject(KEY, "s", "in"))), str(McpFrameSubject(KEY, "t", "in"))
    await proxy.client.publish(subject, b"first half", headers={"Toolhive-Part": "m 1 2"})
    await FrameChannel(proxy).send(other, b"in between")
    await proxy.client.publish(subject, b"second half", headers={"Toolhive-Part": "m 2 2"})
    await FrameChannel(proxy).send(subject, b"next")
    async with asyncio.timeout(20):
        assert [await received.get(), await received.get()] == [b"in between", b"next"]


async def test_a_frame_that_nobody_takes_is_told_back(proxy: Bus, agent: Bus) -> None:
    told_back: asyncio.Queue[tuple[str, ErrorReply]] = asyncio.Queue()

    async def undeliverable(tag: str, reply: ErrorReply) -> None:
        told_back.put_nowait((tag, reply))

    async def refuse(frame: Frame) -> ErrorReply:
        return ErrorReply(code=ErrorCode.SERVER_EXITED, message="it ended")

    channel, subject = FrameChannel(proxy, on_undeliverable=undeliverable), str(str(McpFrameSubject(KEY, "s", "in")))
    async with asyncio.timeout(20):
        await channel.send(subject, b"{}", tag="7")
        to, reply = await told_back.get()
        assert (to, reply.code) == ("7", ErrorCode.AGENT_UNREACHABLE)
        await FrameChannel(agent).receive(McpFrameSubject.to_server(KEY), refuse)
        await settled(agent)
        await channel.send(subject, b"{}", tag="7")
        assert (await told_back.get())[1].code == ErrorCode.SERVER_EXITED


async def test_an_agents_answers_and_refusals_reach_who_asked(api: Bus, agent: Bus) -> None:
    async def answer(request: LogsRequest) -> LogsReply:
        match request.lines:
            case 1:
                raise ToolHiveError(ErrorCode.WORKLOAD_NOT_FOUND, "there is none;\ncreate it")
            case 2:
                raise RuntimeError("a mistake of ours")
            case lines:
                return LogsReply(text=f"{lines} lines of {request.key.name}")

    await serve_agent(agent, "default", {AgentOperation.LOGS: Operation(LogsRequest, answer)})
    await settled(agent)

    async def ask(lines: int, name: str = "default") -> LogsReply:
        request = LogsRequest(key=KEY, lines=lines)
        return await ask_agent(api, name, AgentOperation.LOGS, request, LogsReply)

    assert (await ask(3)).text == "3 lines of time"
    with pytest.raises(ToolHiveError, match="there is none;\ncreate it") as refused:
        await ask(1)
    assert refused.value.code == ErrorCode.WORKLOAD_NOT_FOUND
    with pytest.raises(ToolHiveError) as failed:
        await ask(2)
    assert failed.value.code == ErrorCode.INTERNAL
    assert "mistake" not in failed.value.message
    with pytest.raises(AgentUnreachableError, match="'nobody' does not answer"):
        await ask(3, "nobody")


async def test_operations_that_cannot_be_offered_are_told_as_an_error_of_ours(agent: Bus) -> None:
    await agent.close()
    with pytest.raises(BusUnreachableError):
        await serve_agent(agent, "default", {})


async def test_progress_reaches_who_listens_to_the_workload(api: Bus, agent: Bus) -> None:
    async with asyncio.timeout(20), listen_for_progress(api, KEY) as queue:
        await settled(api)
        other = Progress(key=WorkloadKey.default("other"), revision=1, stage=ProgressStage.PULLING, message="x")
        mine = Progress(key=KEY, revision=1, stage=ProgressStage.BUILDING, message="Step 1/2", fraction=0.5)
        await tell_progress(agent, other)
        await tell_progress(agent, mine)
        assert await queue.get() == mine


async def test_settings_that_can_never_work_end_the_process_instead_of_waiting(tmp_path: Path) -> None:
    settings = BusSettings(
        url="tls://127.0.0.1:1", role=Role.API, password="x", name="x", ca_file=tmp_path / "nowhere.pem"
    )
    with pytest.raises(FileNotFoundError):
        async with asyncio.timeout(5), open_bus(settings) as bus:
            await bus.wait_connected()
