"""Sessions whose server is a queue: what needs a clock, or a client that reads slowly."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import orjson
import pytest
from toolhive_proxy.models.links import Receiver
from toolhive_proxy.services.message_stream import MessageStream, StreamLimits
from toolhive_proxy.services.session_store import SessionStore

from toolhive_common.schemas.events import EventType
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.testing.clock import FakeClock
from toolhive_common.testing.factories import a_run_config
from toolhive_proxy.errors import IdInUseError, SessionsFullError, StreamClosedError
from toolhive_proxy.models.messages import Message
from toolhive_proxy.models.replies import Failure, Reply
from toolhive_proxy.models.routes import Route
from toolhive_proxy.protocol.messages import read_client

ROUTE = Route(WorkloadKey.default("time"), 1, a_run_config().transport, a_run_config(), attachment="a")


class QueueLink:
    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed = False

    async def send(self, data: bytes) -> None:
        self.sent.append(orjson.loads(data))

    async def close(self) -> None:
        self.closed = True


class QueueLinks:
    def __init__(self) -> None:
        self.opened: list[QueueLink] = []

    async def open(self, _route: Route, _session: str, _receiver: Receiver) -> QueueLink:
        self.opened.append(QueueLink())
        return self.opened[-1]


class Told:
    def __init__(self) -> None:
        self.types: list[EventType] = []

    def session(self, event_type: EventType, *_args: Any, **_kwargs: Any) -> None:
        self.types.append(event_type)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def links() -> QueueLinks:
    return QueueLinks()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def store(clock: FakeClock, links: QueueLinks, told: Told) -> SessionStore:
    numbers = count()
    return SessionStore(
        links,  # type: ignore[arg-type]  # has what is used
        told,  # type: ignore[arg-type]  # the same
        limits=StreamLimits(messages=200, size=10_000, patience=0.05),
        ttl=timedelta(hours=2),
        max_sessions=3,
        now=clock,
        new_id=lambda: f"session{next(numbers)}",
    )


def a_call(request_id: Any = 1) -> Message:
    found = read_client(orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": "tools/call"}))
    assert isinstance(found, Message)
    return found


async def test_a_session_that_nobody_uses_ends_after_its_time(
    store: SessionStore, clock: FakeClock, links: QueueLinks, told: Told
) -> None:
    session = await store.open(ROUTE)
    store.announce(session, "")
    clock.advance(timedelta(hours=1))
    assert store.find(ROUTE.key, session.identity.id) is session
    clock.advance(timedelta(hours=1, minutes=59))
    await store.reap()
    assert len(store) == 1
    clock.advance(timedelta(minutes=1))
    await store.reap()
    assert len(store) == 0
    assert links.opened[0].closed
    assert told.types == [EventType.SESSION_OPENED, EventType.SESSION_CLOSED]


async def test_a_session_with_an_open_stream_does_not_expire(store: SessionStore, clock: FakeClock) -> None:
    session = await store.open(ROUTE)
    session.listen()
    clock.advance(timedelta(hours=9))
    await store.reap()
    assert len(store) == 1


async def test_the_session_left_alone_for_longest_makes_room(store: SessionStore, clock: FakeClock) -> None:
    sessions = []
    for _ in range(3):
        sessions.append(await store.open(ROUTE))
        clock.advance(timedelta(minutes=5))
    sessions[0].listen()
    newest = await store.open(ROUTE)
    kept = [session for session in [*sessions, newest] if store.find(ROUTE.key, session.identity.id)]
    assert kept == [sessions[0], sessions[2], newest]


async def test_sessions_in_use_are_not_ended_for_another(store: SessionStore, links: QueueLinks) -> None:
    for _ in range(3):
        await store.open(ROUTE)
    with pytest.raises(SessionsFullError, match="TOOLHIVE_PROXY_MAX_SESSIONS"):
        await store.open(ROUTE)
    assert len(links.opened) == len(store) == 3
    other = Route(WorkloadKey.default("other"), 1, a_run_config().transport, a_run_config())
    assert await store.open(other)


async def test_an_id_in_use_is_refused_and_free_again_after_its_answer(store: SessionStore) -> None:
    session = await store.open(ROUTE)
    stream = await session.call(a_call(), streams=False)
    with pytest.raises(IdInUseError, match="is in use"):
        await session.call(a_call(), streams=False)
    await session.call(a_call("1"), streams=False)
    await session.take(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    assert isinstance(await stream.get(1), Reply)
    await session.call(a_call(), streams=False)


async def test_calls_through_the_present_hold_on_the_server_stay_open(store: SessionStore) -> None:
    session = await store.open(ROUTE)
    old = await session.call(a_call(1), streams=False, attachment="a")
    new = await session.call(a_call(2), streams=False, attachment="b")
    session.fail("again", attached_to="b")
    assert isinstance(await old.get(1), Failure)
    with pytest.raises(TimeoutError):
        await new.get(0.01)


async def test_a_servers_request_that_is_dropped_is_answered(store: SessionStore, links: QueueLinks) -> None:
    session = await store.open(ROUTE)
    for number in range(101):
        await session.take(orjson.dumps({"jsonrpc": "2.0", "id": number, "method": "roots/list"}))
    assert [(message["id"], message["error"]["code"]) for message in links.opened[0].sent] == [(0, -32601)]


async def test_what_waits_for_a_get_stream_is_bounded_in_bytes(store: SessionStore, links: QueueLinks) -> None:
    session = await store.open(ROUTE)
    for number in range(8):
        await session.take(
            orjson.dumps({"jsonrpc": "2.0", "id": number, "method": "roots/list", "params": {"x": "x" * 3000}})
        )
    stream = session.listen()
    assert [orjson.loads(item.data)["id"] async for item in _items(stream, 0.01)] == [5, 6, 7]
    assert [message["id"] for message in links.opened[0].sent] == [0, 1, 2, 3, 4]
    for _ in range(3):  # what was read counts no more
        session.stop_listening(stream)
        await session.take(orjson.dumps({"jsonrpc": "2.0", "method": "a", "params": {"x": "x" * 9000}}))
        stream = session.listen()
        assert len([item async for item in _items(stream, 0.01)]) == 1


async def test_garbage_from_the_server_is_passed_over(store: SessionStore) -> None:
    session = await store.open(ROUTE)
    stream = await session.call(a_call(), streams=False)
    await session.take(b"Listening on stdin...")
    await session.take(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    assert await stream.get(1) == Reply(b'{"jsonrpc":"2.0","id":1,"result":{}}', final=True)


@pytest.mark.parametrize(
    "answer", [b'{"id":1,"result":{}}', rb'{"jsonrpc":"2.0","id":1,"result":"\ud800"}', b'[{"id":1,"result":{}}]']
)
async def test_an_answer_in_any_form_that_servers_write_reaches_its_caller(
    store: SessionStore, answer: bytes
) -> None:
    session = await store.open(ROUTE)
    stream = await session.call(a_call(), streams=False)
    await session.take(answer)
    assert await stream.get(0.01) == Reply(answer.strip(b"[]"), final=True)


@pytest.mark.parametrize("answer", [b'{"id":1,"result":NaN}', b'{"jsonrpc":"2.0","id":1}'])
async def test_a_call_whose_answer_cannot_be_read_fails_at_once(store: SessionStore, answer: bytes) -> None:
    session = await store.open(ROUTE)
    stream = await session.call(a_call(), streams=False)
    other = await session.call(a_call("1"), streams=False)
    await session.take(answer)
    failure = await stream.get(0.01)
    assert isinstance(failure, Failure)
    assert "cannot be read" in failure.message
    with pytest.raises(TimeoutError):
        await other.get(0.01)


async def test_a_slow_reader_holds_the_server_back_and_is_then_cut_off() -> None:
    stream = MessageStream(StreamLimits(messages=2, size=1000, patience=0.05))
    for _ in range(2):
        await stream.put(Reply(b"x", final=False))
    with pytest.raises(StreamClosedError):
        await stream.put(Reply(b"x", final=False))
    assert await stream.get(1) is None


async def test_a_reader_that_reads_in_time_loses_nothing() -> None:
    stream = MessageStream(StreamLimits(messages=2, size=10, patience=5))

    async def write() -> None:
        for number in range(50):
            await stream.put(Reply(b"%d" % number, final=number == 49))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        found = [item.data async for item in _items(stream)]
    assert found == [b"%d" % number for number in range(50)]


async def test_a_message_larger_than_the_limit_passes_alone() -> None:
    stream = MessageStream(StreamLimits(messages=2, size=10, patience=0.05))
    await stream.put(Reply(b"x" * 1000, final=True))
    assert await stream.get(1) == Reply(b"x" * 1000, final=True)


async def _items(stream: MessageStream, seconds: float = 5) -> Any:
    with suppress(TimeoutError):
        while (item := await stream.get(seconds)) is not None:
            yield item
