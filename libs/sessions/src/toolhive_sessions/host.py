"""Carries out what a workload's broker decides: processes are started, read and written; edges are told.

    edges ─ submit ─> broker ─> queue ─> process
    process ─> lines ─> broker ─> teller ─> outlet ─> edges

Reading a process never waits for writing to it: one that writes before it reads on would otherwise block both for
ever. What waits to be written goes out in one piece. Nor does an edge wait for a process: many sessions share its
way to us, so that a process that does not read would hold up all others. What is for such a one is refused.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.mcp.port import FromBroker, RefusalCode, ToBroker
from toolhive_sessions.broker import Broker
from toolhive_sessions.effects import (
    BrokerEffect,
    Dropped,
    Handshake,
    SessionChanged,
    SessionClosed,
    SessionOpened,
    Shook,
    StartProcess,
    StopProcess,
    ToEdge,
    ToProcess,
)
from toolhive_sessions.facts import SessionFacts
from toolhive_sessions.lines import Line, TooLong
from toolhive_sessions.records import MAIN, Policy
from toolhive_sessions.telling import EdgeTeller

__all__ = ["Launcher", "Outlet", "Peer", "SessionHost"]

_log = structlog.get_logger(__name__)
_NOT_SERVED = "the workload is not served now; try again in a moment"
_DEAF = "the MCP server takes no more messages; its process is let go of, call again in a moment"
_LAST_WORDS = 0.5
"""Seconds that a process which takes nothing more has for what it still says: it may be about to end by itself."""
_ENDED = "the MCP server's process ended; it is being started again, call again in a moment"


class Peer(Protocol):
    """A process, or a connection that stands for one: messages in, messages out."""

    async def send(self, data: bytes) -> None:
        """Send one or more messages, each with a line end; waits while the process does not read.

        Raises
        ------
        OSError, ToolHiveError
            It takes nothing more.
        """
        ...

    def messages(self) -> AsyncIterator[Line | TooLong]:
        """What it says, until it ends."""
        ...

    async def close(self) -> None:
        """Let go of it. Never raises."""
        ...


class Launcher(Protocol):
    """Starts further processes of one workload."""

    async def start(self, slot: str) -> Peer:
        """Start one.

        Raises
        ------
        ToolHiveError
            It does not run; the message says why, for the client.
        """
        ...

    async def stop(self, slot: str) -> None:
        """End it, and leave nothing of it behind. Never raises."""
        ...


class Outlet(Protocol):
    """Where what the broker says goes."""

    def deliver(self, edge: str, message: FromBroker) -> Awaitable[None] | None:
        """Tell an edge. What is returned is waited for at once, and slows the process down that said it."""
        ...

    def session_opened(self, session: str, client: str) -> None:
        """Tell that a client finished its handshake."""
        ...

    def session_changed(self, session: str) -> None:
        """Tell that the facts of a session changed, see `SessionHost.facts`."""
        ...

    def session_closed(self, session: str, client: str, reason: str) -> None:
        """Tell that a session ended."""
        ...

    def shook(self, handshake: Handshake) -> None:
        """Tell what the first process is known for."""
        ...


@dataclass
class _Running:
    peer: Peer
    queue: list[bytes] = field(default_factory=list)
    size: int = 0
    """Bytes of the queue, without those that are being written."""
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False
    """Whether it takes nothing more."""
    failure: Exception | None = None
    """Why it does not, where that is known."""

    def put(self, data: bytes) -> None:
        """Have a message written."""
        if not self.closed:
            self.queue.append(data)
            self.queue.append(b"\n")
            self.size += len(data) + 1
            self.filled.set()

    def take(self) -> bytes:
        """Take all that waits, to write it."""
        data, self.size = b"".join(self.queue), 0
        self.queue.clear()
        self.filled.clear()
        return data

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True
        self.take()


class SessionHost:
    """Lives as long as its workload is meant to run, over any number of processes.

    Parameters
    ----------
    limit
        Longest message of a process in bytes, for what callers are told.
    most_unwritten
        When more bytes wait behind those that are being written to a process, what else is for it is refused.
    """

    def __init__(
        self,
        name: str,
        policy: Policy,
        launcher: Launcher,
        outlet: Outlet,
        *,
        limit: int = 64 * 1024 * 1024,
        most_unwritten: int = 64 * 1024 * 1024,
        tick: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._launcher = launcher
        self._outlet = outlet
        self._teller = EdgeTeller(outlet)
        self._limit = limit
        self._most_unwritten = most_unwritten
        self._tick = tick
        self._clock = clock
        # Above all numbers of earlier holds on the same process, since no server answers a million calls a second.
        self._broker = Broker(policy, itertools.count(time.time_ns() // 1000), crowded=self._crowded)
        self._running: dict[str, _Running] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self.began = asyncio.Event()
        """Set once processes can be started."""
        self.outlived = False
        """Whether its sessions go on when it ends: another one will `restore` them."""
        self._dropped = 0

    def __len__(self) -> int:
        """Sessions of clients."""
        return len(self._broker)

    def facts(self, session: str) -> SessionFacts | None:
        """What has to be kept of a session, see `Broker.facts`."""
        return self._broker.facts(session)

    def kept(self) -> list[str]:
        """Sessions that have facts to keep."""
        return self._broker.kept()

    def restore(self, facts: Iterable[SessionFacts]) -> None:
        """Go on with sessions that another host kept. Before anything is submitted or served."""
        self._broker.restore(facts, self._clock())

    async def submit(self, edge: str, message: ToBroker) -> None:
        """Do what an edge asks; never waits for a process."""
        await self._carry_out(self._broker.handle(edge, message, self._clock()))

    def _crowded(self, slot: str) -> bool:
        running = self._running.get(slot)
        return running is not None and running.size > self._most_unwritten

    async def edge_gone(self, edge: str) -> None:
        """Take an edge for dead."""
        await self._carry_out(self._broker.edge_gone(edge, self._clock()))

    async def run(self) -> None:
        """Keep the sessions until cancelled; then end them, and the processes that were started for them."""
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    self._group = group
                    self.began.set()
                    while True:
                        await asyncio.sleep(self._tick)
                        await self._carry_out(self._broker.tick(self._clock()))
                finally:
                    self._group = None  # a group that is left takes no more tasks
        finally:
            with suppress(TimeoutError):  # whoever cannot be told now must not keep us from ending
                async with asyncio.timeout(2):
                    await self._carry_out(self._farewell())

    def _farewell(self) -> list[BrokerEffect]:
        if self.outlived:
            return self._broker.rest(self._clock())
        return self._broker.end_all("the workload is not served any more", self._clock())

    async def serve_main(self, peer: Peer, *, known: Handshake | None = None) -> None:
        """Carry the messages of the first process until it ends.

        Parameters
        ----------
        known
            What is known of a process that ran before, see `Broker.process_started`.
        """
        await self._serve(MAIN, peer, known)

    # -- processes ------------------------------------------------------------------------------------------------

    async def _serve(self, slot: str, peer: Peer, known: Handshake | None = None) -> None:
        running = self._running[slot] = _Running(peer)
        patience = asyncio.timeout(None)
        work = self._write(running, patience)
        writing = asyncio.create_task(work)  # noqa: TID251  # owned by this call, which ends it
        reason, code = _ENDED, RefusalCode.SERVER_LOST
        try:
            async with patience:
                await self._carry_out(self._broker.process_started(slot, self._clock(), known=known))
                await self._read(slot, peer)
        except TimeoutError:
            if running.failure is None:
                raise
            reason = _DEAF
            if isinstance(running.failure, ToolHiveError):
                reason, code = running.failure.message, _kind_of(running.failure)
        except ToolHiveError as error:
            reason, code = error.message, _kind_of(error)
        finally:
            writing.cancel()
            running.close()
            try:
                # Also when we are asked to end: callers shall not wait for nothing. Not when the broker had it ended:
                # then it knows, and the slot may be another process's by now.
                if self._running.get(slot) is running:
                    del self._running[slot]
                    with suppress(TimeoutError):
                        async with asyncio.timeout(2):
                            await self._carry_out(self._broker.process_exited(slot, reason, self._clock(), code=code))
            finally:
                await asyncio.wait([writing])
                await peer.close()

    async def _read(self, slot: str, peer: Peer) -> None:
        async for line in peer.messages():
            if isinstance(line, Line):
                effects = self._broker.from_process(slot, line.data, self._clock())
            else:
                effects = self._broker.too_long(slot, line.head, line.tail, limit=self._limit, now=self._clock())
            await self._carry_out(effects)

    async def _write(self, running: _Running, patience: asyncio.Timeout) -> None:
        """Write what waits. When that fails, for whatever reason, reading ends as well: callers must not wait."""
        while True:
            await running.filled.wait()
            try:
                await running.peer.send(running.take())
            except Exception as error:  # noqa: BLE001  # the top of this task: nobody else would see it
                if running.closed:
                    return
                known = isinstance(error, (OSError, ToolHiveError))  # others may quote what a client said
                cause = str(error) if known else type(error).__name__
                _log.info("a server takes no more messages", workload=self._name, cause=cause)
                running.failure = error
                running.close()
                patience.reschedule(asyncio.get_running_loop().time() + _LAST_WORDS)
                return

    def _start(self, group: asyncio.TaskGroup, slot: str) -> None:
        before = self._tasks.get(slot)
        task = self._tasks[slot] = group.create_task(self._run_started(slot, before))

        def ended(_: "asyncio.Task[None]") -> None:
            """Not the task's own work: one that is cancelled before its first step does none."""
            if self._tasks.get(slot) is not task:
                return
            if before is None or before.done():
                del self._tasks[slot]
            else:  # it gave up waiting for that one, which the next has to wait for
                self._tasks[slot] = before

        task.add_done_callback(ended)

    async def _run_started(self, slot: str, before: "asyncio.Task[None] | None") -> None:
        try:
            if before is not None:  # the slot's last process, which is about to end
                await asyncio.wait([before])
            try:
                await self._serve(slot, await self._launcher.start(slot))
            finally:  # whatever happened, and however far starting it came
                await self._end(slot)
        except ToolHiveError as error:
            await self._failed(slot, error.message, _kind_of(error, RefusalCode.SERVER_UNAVAILABLE))
        except Exception:  # noqa: BLE001  # the top of this process's task: the others go on
            _log.exception("a process for a session failed", workload=self._name, slot=slot)
            text = "the server's process could not be started; the log of the agent says why"
            await self._failed(slot, text, RefusalCode.SERVER_UNAVAILABLE)

    async def _end(self, slot: str) -> None:
        """End a process for good: our own end, which may come meanwhile, has to wait for it."""
        stopping = asyncio.create_task(self._launcher.stop(slot))  # noqa: TID251  # owned by this call
        asked_to_end: asyncio.CancelledError | None = None
        while not stopping.done():
            try:
                await asyncio.wait([stopping])
            except asyncio.CancelledError as error:
                asked_to_end = error
        stopping.result()
        if asked_to_end is not None:
            raise asked_to_end

    async def _failed(self, slot: str, reason: str, code: RefusalCode) -> None:
        if self._tasks.get(slot) is asyncio.current_task():
            await self._carry_out(self._broker.process_exited(slot, reason, self._clock(), code=code))

    # -- effects --------------------------------------------------------------------------------------------------

    async def _carry_out(self, effects: Iterable[BrokerEffect]) -> None:
        """Do it: first what does not wait, then what may, and last what may end the task that we are in."""
        to_edges: list[ToEdge] = []
        own: asyncio.Task[None] | None = None
        for effect in effects:
            if isinstance(effect, ToEdge):
                to_edges.append(effect)
            elif isinstance(effect, ToProcess):
                if (running := self._running.get(effect.slot)) is not None:
                    running.put(effect.data)
            elif isinstance(effect, StopProcess):
                own = self._stop(effect.slot) or own
            else:
                self._carry_out_rare(effect, to_edges)
        try:
            await self._teller.tell(to_edges)
        finally:
            if own is not None:
                own.cancel()

    def _carry_out_rare(
        self,
        effect: StartProcess | SessionOpened | SessionChanged | SessionClosed | Shook | Dropped,
        to_edges: list[ToEdge],
    ) -> None:
        match effect:
            case StartProcess(slot):
                if self._group is None:
                    code = RefusalCode.SERVER_UNAVAILABLE
                    failed = self._broker.process_exited(slot, _NOT_SERVED, self._clock(), code=code)
                    to_edges += [each for each in failed if isinstance(each, ToEdge)]
                else:
                    self._start(self._group, slot)
            case SessionOpened(session, client):
                self._outlet.session_opened(session, client)
            case SessionChanged(session):
                self._outlet.session_changed(session)
            case SessionClosed(session, client, reason):
                self._outlet.session_closed(session, client, reason)
            case Shook(handshake):
                self._outlet.shook(handshake)
            case Dropped(reason):
                self._note_dropped(reason)

    def _stop(self, slot: str) -> asyncio.Task[None] | None:
        """End a process's task; returns it instead when it is the one that we are in."""
        self._running.pop(slot, None)  # what it says from now on is nobody's
        task = self._tasks.get(slot)
        if task is None or task is asyncio.current_task():
            return task
        task.cancel()
        return None

    def _note_dropped(self, reason: str) -> None:
        self._dropped += 1
        if self._dropped & (self._dropped - 1) == 0:  # the 1st, 2nd, 4th, 8th, …: a chatty server fills no log
            _log.warning("dropped a message", workload=self._name, reason=reason, so_far=self._dropped)


def _kind_of(error: ToolHiveError, otherwise: RefusalCode = RefusalCode.SERVER_LOST) -> RefusalCode:
    return RefusalCode.SERVER_SILENT if error.code is ErrorCode.TIMEOUT else otherwise
