"""Real processes behind a broker."""

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.mcp.port import FromBroker, Note, RefusalCode, ToBroker, Verb
from toolhive_sessions.effects import Handshake
from toolhive_sessions.host import SessionHost
from toolhive_sessions.line_peer import LinePeer
from toolhive_sessions.lines import Line
from toolhive_sessions.records import MAIN, Policy

LIMIT = 64 * 1024 * 1024
SERVER = """
import json, os, sys, time
def say(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\\n"); sys.stdout.flush()
for line in sys.stdin:
    message = json.loads(line)
    method, params, number = message.get("method"), message.get("params") or {}, message.get("id")
    name = params.get("name", "")
    if method == "server/discover":
        say({"id": number, "error": {"code": -32601, "message": "what?"}}); continue
    if method is None or number is None:
        continue
    if name == "die":
        os._exit(1)
    if name == "mute":
        continue
    if name == "garbage":
        sys.stdout.write("Starting...\\n\\xff\\n\\n{\\n[1]\\n"); sys.stdout.flush()
    if name == "pause":
        time.sleep(params["seconds"])
    if name == "shut":
        os.close(0)
        say({"id": number, "result": {}}); time.sleep(60)
    size = len(params.get("filler", ""))
    result = {"pid": os.getpid(), "size": size, "filler": "x" * params.get("want", 0)}
    say({"id": number, "result": result | {"protocolVersion": "2025-11-25"}})
"""


class NotStartedError(ToolHiveError):
    """A process is refused."""

    def __init__(self, why: str) -> None:
        super().__init__(ErrorCode.INTERNAL, why)


class Subprocess:
    """The streams of a real process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    async def read(self) -> AsyncIterator[bytes]:
        assert self.process.stdout is not None
        while chunk := await self.process.stdout.read(65536):
            yield chunk

    async def close(self) -> None:
        pass


class Place:
    """Starts processes, and hears what edges are told. Implements `Launcher` and `Outlet`."""

    def __init__(self) -> None:
        self.processes: dict[str, list[asyncio.subprocess.Process]] = {}
        self.stops: list[str] = []
        self.heard: dict[int, list[FromBroker]] = {}
        self.changed = asyncio.Condition()
        self.fails = ""
        self.slow_start = asyncio.Event()
        self.slow_start.set()
        self.opened: list[str] = []
        self.closed: list[str] = []

    # Launcher

    async def start(self, slot: str) -> LinePeer:
        if self.fails:
            raise NotStartedError(self.fails)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", SERVER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self.processes.setdefault(slot, []).append(process)
        await self.slow_start.wait()
        return LinePeer(Subprocess(process), limit=LIMIT)

    async def stop(self, slot: str) -> None:
        self.stops.append(slot)
        await asyncio.sleep(0)  # as all that asks an engine does
        for process in self.processes.pop(slot, []):
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    # Outlet

    async def deliver(self, edge: str, message: FromBroker) -> None:
        self.heard.setdefault(message.stream, []).append(message)
        async with self.changed:
            self.changed.notify_all()

    def session_opened(self, session: str, client: str) -> None:
        self.opened.append(session)

    def session_changed(self, session: str) -> None:
        pass

    def session_closed(self, session: str, client: str, reason: str) -> None:
        self.closed.append(session)

    def shook(self, handshake: Handshake) -> None:
        pass

    async def end(self, stream: int) -> FromBroker:
        """The last thing that a stream was told."""
        ends = (Note.FINAL, Note.DONE, Note.REFUSED)
        async with self.changed:
            await self.changed.wait_for(lambda: any(said.note in ends for said in self.heard.get(stream, ())))
        return self.heard[stream][-1]

    @property
    def running(self) -> int:
        return sum(process.returncode is None for started in self.processes.values() for process in started)


class Client:
    """Asks as an edge does."""

    def __init__(self, host: SessionHost, place: Place, session: str, streams: "itertools.count[int]") -> None:
        self.host, self.place, self.session, self.streams = host, place, session, streams
        self.ids = itertools.count(1)

    async def ask(self, verb: Verb, data: bytes = b"") -> FromBroker:
        stream = next(self.streams)
        await self.host.submit("e", ToBroker(verb, stream, self.session, data))
        return await self.place.end(stream)

    async def request(self, verb: Verb, method: str, **params: Any) -> Any:
        message = {"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": params}
        said = await self.ask(verb, json.dumps(message).encode())
        assert said.note is Note.FINAL, (said.code, said.data)
        answer = json.loads(said.data)
        assert answer["id"] == message["id"]
        return answer["error"] if "error" in answer else answer["result"]

    async def open(self) -> Any:
        return await self.request(Verb.OPEN, "initialize")

    async def call(self, name: str = "", **params: Any) -> Any:
        return await self.request(Verb.CALL, "tools/call", name=name, **params)

    async def end(self) -> None:
        assert (await self.ask(Verb.END)).note is Note.DONE


class World:
    def __init__(self, policy: Policy, **more: Any) -> None:
        self.place = Place()
        self.host = SessionHost("w", policy, self.place, self.place, limit=LIMIT, tick=0.05, **more)
        self.streams = itertools.count(1)
        self.task: asyncio.Task[None] | None = None

    def client(self, session: str) -> Client:
        return Client(self.host, self.place, session, self.streams)

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def serving(*, main: bool = False, **policy: Any) -> AsyncIterator[World]:
    """A host, with a first process when it is asked for; checks at the end that nothing is left."""
    more = {name: policy.pop(name) for name in ("most_unwritten",) if name in policy}
    world = World(Policy(has_main=main, **policy), **more)
    world.task = asyncio.create_task(world.host.run())
    await asyncio.sleep(0)
    first = asyncio.create_task(world.host.serve_main(await world.place.start(MAIN))) if main else None
    await asyncio.sleep(0)
    try:
        yield world
    finally:
        await world.stop()
        if first is not None:
            first.cancel()
            await asyncio.wait([first])
            await world.place.stop(MAIN)
        assert world.place.running == 0
        assert world.place.processes == {}
        assert world.host._tasks == {}
        assert world.host._running == {}
        assert world.host._broker._sessions == {}
        assert world.host._broker._at == {}


async def test_fifty_sessions_have_a_process_each() -> None:
    async with serving(per_session=True) as world:
        clients = [world.client(f"s{number}") for number in range(50)]

        async def life(client: Client) -> int:
            await client.open()
            pids = {(await client.call())["pid"] for _ in range(5)}
            assert len(pids) == 1
            return int(pids.pop())

        pids = await asyncio.gather(*(life(client) for client in clients))
        assert len(set(pids)) == 50
        assert world.place.running == 50
        await asyncio.gather(*(client.end() for client in clients))
        while world.place.running:
            await asyncio.sleep(0.01)
        assert len(world.place.stops) == 50
        assert len(set(world.place.stops)) == 50
        assert len(world.host) == 0


async def test_a_process_that_dies_in_a_call_fails_it_and_ends_its_session_only() -> None:
    async with serving(per_session=True) as world:
        a, b = world.client("a"), world.client("b")
        await asyncio.gather(a.open(), b.open())
        answer = await a.call("die")
        assert answer["code"] == -32000
        assert (await a.ask(Verb.CALL, b'{"jsonrpc":"2.0","id":1,"method":"x"}')).code is RefusalCode.UNKNOWN_SESSION
        assert "pid" in await b.call()
        assert world.place.closed == ["a"]


async def test_a_first_process_that_dies_is_followed_by_another_for_the_same_sessions() -> None:
    async with serving(main=True) as world:
        client = world.client("a")
        before = await client.open()
        assert (await client.call("die"))["code"] == -32000
        await world.place.stop(MAIN)
        again = asyncio.create_task(world.host.serve_main(await world.place.start(MAIN)))
        await asyncio.sleep(0)
        after = await client.call()
        assert before["pid"] != after["pid"]
        again.cancel()
        await asyncio.wait([again])


async def test_lines_that_are_no_messages_are_skipped() -> None:
    async with serving(main=True) as world:
        client = world.client("a")
        await client.open()
        assert "pid" in await client.call("garbage")


async def test_messages_of_20_mb_pass_both_ways() -> None:
    async with serving(main=True) as world:
        client = world.client("a")
        await client.open()
        size = 20 * 1024 * 1024
        answer = await client.call(filler="x" * size, want=size)
        assert (answer["size"], len(answer["filler"])) == (size, size)


async def test_an_answer_over_the_limit_is_told_to_its_caller() -> None:
    async with serving(main=True) as world:
        client = world.client("a")
        await client.open()
        answer = await client.call(want=LIMIT + 1)
        assert "64 MiB" in answer["message"]
        assert "pid" in await client.call()


def a_call(name: str, **params: Any) -> bytes:
    message = {"jsonrpc": "2.0", "id": name, "method": "tools/call", "params": {"name": name, **params}}
    return json.dumps(message).encode()


def a_large_one(request_id: Any, size: int) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "x", "params": {"filler": "x" * size}}).encode()


async def test_who_sends_more_than_a_process_reads_is_refused_and_nobody_waits() -> None:
    async with serving(per_session=True, most_unwritten=100_000) as world:
        slow, quick = world.client("slow"), world.client("quick")
        await asyncio.gather(slow.open(), quick.open())
        paused = asyncio.create_task(slow.call("pause", seconds=1.0))
        await asyncio.sleep(0)
        streams = []
        for request_id in ("being written", "waits"):
            streams.append(next(world.streams))
            await world.host.submit("e", ToBroker(Verb.CALL, streams[-1], "slow", a_large_one(request_id, 1_000_000)))
            await asyncio.sleep(0.05)
        for verb in (Verb.CALL, Verb.TELL):
            refused = await slow.ask(verb, a_large_one("too much", 10))
            assert (refused.note, refused.code) == (Note.REFUSED, RefusalCode.SERVER_UNAVAILABLE)
            assert b"does not read" in refused.data
        for _ in range(20):
            await quick.call()
        assert not paused.done()
        for stream in streams:
            assert json.loads((await world.place.end(stream)).data)["result"]["size"] == 1_000_000
        assert "pid" in await paused
        assert "pid" in await slow.call()


async def test_a_session_whose_process_does_not_read_can_be_left_and_ended() -> None:
    async with serving(per_session=True, most_unwritten=1000) as world:
        client = world.client("a")
        await client.open()
        paused = asyncio.create_task(client.ask(Verb.CALL, a_call("pause", seconds=60)))
        await asyncio.sleep(0)
        streams = []
        for request_id in ("being written", "waits"):
            streams.append(next(world.streams))
            await world.host.submit("e", ToBroker(Verb.CALL, streams[-1], "a", a_large_one(request_id, 1_000_000)))
            await asyncio.sleep(0.05)
        assert (await client.ask(Verb.CALL, a_large_one("too much", 10))).note is Note.REFUSED
        async with asyncio.timeout(5):
            await world.host.submit("e", ToBroker(Verb.LEAVE, streams[-1], "a", cancel=True))
            await client.end()
            assert (await paused).note is Note.DONE


@pytest.mark.parametrize("per_session", [False, True])
async def test_a_process_that_closed_its_input_fails_its_calls_though_it_speaks_on(per_session: bool) -> None:
    async with serving(main=not per_session, per_session=per_session) as world:
        client = world.client("a")
        await client.open()
        mute = asyncio.create_task(client.call("mute"))
        await client.call("shut")
        failed = await client.call()
        assert "takes no more messages" in failed["message"]
        assert (await mute)["message"] == failed["message"]
        async with asyncio.timeout(5):
            assert (await client.ask(Verb.CALL, a_call("later"))).note is Note.REFUSED


class Refusing:
    """A peer that cannot write what it is given, and says nothing."""

    async def send(self, data: bytes) -> None:
        raise ValueError("a header holds a character that would end its line")

    async def messages(self) -> AsyncIterator[Line]:
        await asyncio.Event().wait()
        yield Line(b"")

    async def close(self) -> None:
        return


async def test_a_writer_that_fails_for_whatever_reason_fails_the_calls() -> None:
    async with serving(per_session=True) as world:

        async def start(slot: str) -> Refusing:
            return Refusing()

        world.place.start = start  # type: ignore[method-assign, assignment]
        async with asyncio.timeout(10):
            assert "takes no more messages" in (await world.client("a").open())["message"]
        assert world.place.closed == []


@pytest.mark.parametrize("starting", [False, True])
async def test_the_end_of_the_host_leaves_no_process(starting: bool) -> None:
    async with serving(per_session=True) as world:
        clients = [world.client(f"s{number}") for number in range(10)]
        if starting:
            world.place.slow_start.clear()
            opening = [asyncio.create_task(client.open()) for client in clients]
            while world.place.running < 10:
                await asyncio.sleep(0.01)
        else:
            await asyncio.gather(*(client.open() for client in clients))
            opening = [asyncio.create_task(client.call("mute")) for client in clients]
            await asyncio.sleep(0.05)
        await world.stop()
        assert world.place.running == 0
        assert sorted(set(world.place.stops)) == sorted(world.place.stops)
        ended, waiting = await asyncio.wait(opening, timeout=5)
        assert not waiting
        for task in ended:
            with suppress(AssertionError):
                await task
        late = await world.client("late").ask(Verb.OPEN, b'{"jsonrpc":"2.0","id":1,"method":"initialize"}')
        assert b"not served now" in late.data


async def test_a_process_that_does_not_start_says_why() -> None:
    async with serving(per_session=True) as world:
        world.place.fails = "there is no such image"
        assert (await world.client("a").open())["message"] == "there is no such image"
        world.place.fails = ""
        assert "pid" in await world.client("b").open()


async def test_a_process_that_is_stopped_while_it_starts_is_not_left() -> None:
    async with serving(per_session=True) as world:
        world.place.slow_start.clear()
        client = world.client("a")
        opening = asyncio.create_task(client.ask(Verb.OPEN, b'{"jsonrpc":"2.0","id":1,"method":"initialize"}'))
        while not world.place.running:
            await asyncio.sleep(0.01)
        await world.client("a").end()
        assert (await opening).note is Note.DONE
        while world.place.running:
            await asyncio.sleep(0.01)


async def test_a_server_of_the_other_era_is_asked_once_and_left_alone() -> None:
    async with serving(main=True) as world:
        client = world.client("a")
        await client.open()
        modern = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
        answers = await asyncio.gather(
            *(world.client("").request(Verb.CALL_MODERN, "tools/list", _meta=modern) for _ in range(5))
        )
        assert {answer["code"] for answer in answers} == {-32022}
        while "modern" in world.place.processes:
            await asyncio.sleep(0.01)
        assert "pid" in await client.call()
        assert world.place.stops == ["modern"]


async def test_a_thousand_sessions_leave_nothing() -> None:
    async with serving(main=True) as world:
        for batch in range(20):
            clients = [world.client(f"s{batch}.{number}") for number in range(50)]
            await asyncio.gather(*(client.open() for client in clients))
            await asyncio.gather(*(client.call() for client in clients))
            await asyncio.gather(*(client.end() for client in clients))
        broker = world.host._broker
        assert (len(world.host), broker._sessions, broker._at) == (0, {}, {})
        mux: Any = broker._pool.find(MAIN).mux  # type: ignore[union-attr]
        assert (mux._clients, mux._queue, mux._back._asked) == ({}, [], {})
        assert (mux._calls._calls, mux._calls._work, mux._calls._left, mux._calls._unwanted) == ({}, {}, {}, {})
        assert len(world.place.opened) == len(world.place.closed) == 1000


async def test_a_process_that_is_given_up_before_it_is_begun_with_leaves_nothing() -> None:
    async with serving(per_session=True) as world:
        for number in range(20):
            session = f"s{number}"
            initialize = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize"}).encode()
            await world.host.submit("e", ToBroker(Verb.OPEN, number, session, initialize, True))
            await world.host.submit("e", ToBroker(Verb.LEAVE, number, session))
        await asyncio.sleep(0.01)
        assert world.host._tasks == {}


async def test_a_slots_next_process_waits_for_its_last_one_also_when_one_between_them_was_given_up() -> None:
    async with serving() as world:
        host, ending = world.host, asyncio.Event()
        stopping = world.place.stop

        async def stop(slot: str) -> None:
            await ending.wait()
            await stopping(slot)

        world.place.stop = stop  # type: ignore[method-assign]
        assert host._group is not None
        host._start(host._group, "slot")
        while "slot" not in host._running:
            await asyncio.sleep(0.01)
        host._stop("slot")
        for _ in range(2):
            host._start(host._group, "slot")
            await asyncio.sleep(0)
            host._stop("slot")
            await asyncio.sleep(0.01)
        host._start(host._group, "slot")
        await asyncio.sleep(0.05)
        assert len(world.place.processes["slot"]) == 1
        ending.set()
        while "slot" not in host._running:
            await asyncio.sleep(0.01)
        assert len(world.place.processes["slot"]) == 1


async def test_an_edge_that_does_not_take_what_it_is_told_is_waited_for() -> None:
    """What is told stays in order, and nothing of it is lost, when telling takes long."""
    async with serving(main=True) as world:
        told = world.place.deliver

        async def slowly(edge: str, message: FromBroker) -> None:
            await asyncio.sleep(0.01)
            await told(edge, message)

        def deliver(edge: str, message: FromBroker) -> Awaitable[None]:
            return slowly(edge, message)

        world.place.deliver = deliver  # type: ignore[method-assign, assignment]
        client = world.client("a")
        await client.open()
        assert len({(await client.call())["pid"] for _ in range(5)}) == 1


async def test_a_slot_that_is_used_again_while_its_last_process_ends_is_another_process() -> None:
    async with serving(main=True, ttl=0.2) as world:
        main = world.client("a")
        await main.open()
        host = world.host
        modern = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
        for _ in range(3):  # each is refused, and its process is on its way out when the next is asked for
            host._broker._pool._knows_modern = True
            answer = await world.client("").request(Verb.CALL_MODERN, "tools/list", _meta=modern)
            assert answer["code"] == -32022
        while "modern" in world.place.processes:
            await asyncio.sleep(0.01)
        assert world.place.stops == ["modern"] * 3


class Scripted:
    """A process that says what the test has it say."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, data: bytes) -> None:
        for line in data.splitlines():
            self.heard.put_nowait(json.loads(line))

    async def messages(self) -> AsyncIterator[Line]:
        while True:
            yield Line(await self.lines.get())

    async def close(self) -> None:
        pass

    async def number(self, method: str) -> Any:
        """Of the next request of a method."""
        while (message := await self.heard.get())["method"] != method:
            pass
        return message["id"]

    def say(self, **message: Any) -> None:
        self.lines.put_nowait(json.dumps({"jsonrpc": "2.0", **message}).encode())


async def test_what_is_said_while_a_stream_is_told_what_it_missed_comes_behind_that() -> None:
    """An outlet that needs longer for large messages, as one does that sends them in parts."""
    world, server = World(Policy()), Scripted()
    host, told = world.host, world.place.deliver

    async def deliver(edge: str, message: FromBroker) -> None:
        if len(message.data) > 1000:
            await asyncio.sleep(0.02)
        await told(edge, message)

    world.place.deliver = deliver  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(host.run()), group.create_task(host.serve_main(server))]
        await asyncio.sleep(0)
        opening = group.create_task(world.client("a").open())
        server.say(id=await server.number("initialize"), result={})
        await opening
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"_meta": {"progressToken": 1}}}
        await host.submit("e", ToBroker(Verb.CALL, 100, "a", json.dumps(call).encode(), True))
        number = await server.number("tools/call")
        await host.submit("e", ToBroker(Verb.LEAVE, 100))
        for progress in range(3):
            params = {"progressToken": number, "progress": progress, "message": "x" * 2000}
            server.say(method="notifications/progress", params=params)
        await asyncio.sleep(0.05)
        coming = group.create_task(host.submit("e", ToBroker(Verb.LISTEN, 101, "a", after="e.100.0")))
        await asyncio.sleep(0.01)
        server.say(id=number, result={})
        await coming
        await world.place.end(101)
        for task in running:
            task.cancel()
    assert [(said.note, said.number) for said in world.place.heard[101]] == [
        (Note.STARTED, 0),
        *((Note.MESSAGE, number) for number in (1, 2, 3)),
        (Note.FINAL, 4),
    ]
