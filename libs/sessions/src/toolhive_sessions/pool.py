"""The processes of one workload: which of them serves what, and which has to be started or can go.

A process speaks to one client and, once it heard the first message, in one era (servers bind themselves to it). So
there is one process for each era that clients speak, the first of which is the one that is there anyway, and where
it is asked for one for each session.
"""

import hashlib
from collections.abc import Iterable, Iterator

from toolhive_sessions.effects import BrokerEffect, Handshake, MuxEffect, Shook, StartProcess, StopProcess, ToProcess
from toolhive_sessions.facts import SessionFacts
from toolhive_sessions.legacy import LegacyMultiplexer
from toolhive_sessions.modern import ModernMultiplexer
from toolhive_sessions.records import MAIN, Policy, Process

__all__ = ["Pool"]

_NOT_RUNNING = "the MCP server's process is not running; it is being started, call again in a moment"
_MOST = "the workload has {limit} processes for its sessions, which is the limit; end sessions that are not needed"
_MODERN = Handshake(modern=True)
_MOST_UNSENT = 1000
"""Messages that wait for a process to start."""


class Pool:
    """All processes of one workload."""

    def __init__(self, policy: Policy, numbers: Iterator[int]) -> None:
        self._policy = policy
        self._numbers = numbers
        self._processes: dict[str, Process] = {}
        self._to_start: set[str] = set()
        self._knows_modern = policy.modern
        self._shook: Handshake | None = None
        """What was last told of the first process."""
        if policy.has_main:
            self._processes[MAIN] = Process(MAIN, 0.0)

    @property
    def processes(self) -> Iterable[Process]:
        """All of them."""
        return self._processes.values()

    def find(self, slot: str) -> Process | None:
        """The process of a slot."""
        return self._processes.get(slot)

    # -- choosing -------------------------------------------------------------------------------------------------

    def for_session(self, session: str, now: float) -> Process | str:
        """A process for a new session of a client, or why there is none."""
        if self.each_its_own:
            return self._own(session, now)
        return self._shared(LegacyMultiplexer, "legacy", now)

    def for_once(self, session: str, now: float) -> Process | str:
        """A process for a request without a session."""
        return self._shared(LegacyMultiplexer, "legacy", now) if self._policy.has_main else self._own(session, now)

    def for_modern(self, now: float) -> Process | str:
        """A process for a request of the era without sessions. Look at `knows_modern` first."""
        return self._shared(ModernMultiplexer, "modern", now)

    @property
    def knows_modern(self) -> bool:
        """Whether the server may know the era without sessions."""
        return self._knows_modern

    def serving(self, slot: str, now: float) -> Process | str:
        """The process of a session, or why it serves nobody now."""
        process = self._processes.get(slot)
        if process is None:
            return _NOT_RUNNING
        return self._check(process, now)

    @property
    def each_its_own(self) -> bool:
        """Whether each client's session has a process for itself."""
        return self._policy.per_session or not self._policy.has_main

    @property
    def full(self) -> bool:
        """Whether no process can be started for another session."""
        return len(self._processes) - (MAIN in self._processes) >= self._policy.max_processes

    def _own(self, session: str, now: float) -> Process | str:
        if self.full:
            return _MOST.format(limit=self._policy.max_processes)
        # A digest: a session's id lets in whoever knows it, and a slot's name is for all to see.
        slot = "s-" + hashlib.sha256(session.encode()).hexdigest()[:8]
        process = Process(slot, now, mux=LegacyMultiplexer(self._numbers, shared=False), session=session)
        return self._start(process)

    def _shared(self, era: type[LegacyMultiplexer] | type[ModernMultiplexer], slot: str, now: float) -> Process | str:
        on_demand = self._processes.get(slot)
        if on_demand is not None:  # it stays what it is, also when the first process could be that by now
            return self._check(on_demand, now)
        main = self._processes.get(MAIN)
        if main is not None and (main.mux is None or isinstance(main.mux, era)):
            return self._check(main, now)
        return self._start(Process(slot, now))

    def _check(self, process: Process, now: float) -> Process | str:
        process.last_used = now
        if process.running or process.starting:
            return process
        return _NOT_RUNNING if process.slot == MAIN else self._start(process)

    def _start(self, process: Process) -> Process:
        self._processes[process.slot] = process
        process.starting = True
        self._to_start.add(process.slot)
        return process

    def started(self, process: Process) -> list[BrokerEffect]:
        """Ask for the process, if it was chosen and is not there yet."""
        if process.slot not in self._to_start:
            return []
        self._to_start.remove(process.slot)
        return [StartProcess(process.slot)]

    def mux_of(self, process: Process, *, modern: bool, now: float) -> LegacyMultiplexer | ModernMultiplexer:
        """What speaks to the process; made when it is spoken to for the first time."""
        if process.mux is None:
            if modern:
                process.mux = ModernMultiplexer(self._numbers)
                process.asked_at = now
            else:
                process.mux = self._shared_legacy()
        return process.mux

    def _shared_legacy(self, handshake: Handshake | None = None) -> LegacyMultiplexer:
        return LegacyMultiplexer(self._numbers, shared=True, private=self._policy.private, handshake=handshake)

    def legacy_of(self, slot: str) -> LegacyMultiplexer | None:
        """What knows the clients of a process; between two processes it is the one before."""
        process = self._processes.get(slot)
        if process is None:
            return None
        return process.mux if isinstance(process.mux, LegacyMultiplexer) else process.earlier

    def restore(self, facts: SessionFacts) -> None:
        """Have the first process go on for a client, once it is there."""
        main = self._processes[MAIN]
        if main.earlier is None:
            main.earlier = self._shared_legacy()
        main.earlier.restore(facts)

    # -- life -----------------------------------------------------------------------------------------------------

    def note_started(self, slot: str, now: float, known: Handshake | None) -> tuple[Process, list[MuxEffect]]:
        """Note that a process runs; what is sent to it comes after what the effects say."""
        process = self._processes.setdefault(slot, Process(slot, now))
        process.running, process.starting = True, False
        process.last_used = now
        if process.asked_at is not None:  # the question is sent now
            process.asked_at = now
        if slot == MAIN:
            self._shook = _MODERN if known is not None and known.modern else known
        if known is not None:
            if known.modern:
                process.mux = ModernMultiplexer(self._numbers, known=True)
            else:
                process.mux = self._shared_legacy(known)
        earlier, process.earlier = process.earlier, None
        if earlier is not None and earlier.sessions:
            process.mux = process.mux or self._shared_legacy()
            if isinstance(process.mux, LegacyMultiplexer):
                return process, process.mux.succeed(earlier)
        return process, []

    def forget_session(self, process: Process, session: str) -> None:
        """Forget a session that ended between two processes."""
        if process.earlier is not None:
            process.earlier.session_ended(session)
            if not process.earlier.sessions:
                process.earlier = None

    def note_exited(self, process: Process) -> None:
        """Forget what was known of a process that ended; one that clients of the older era share may come again."""
        process.running, process.starting = False, False
        process.unsent.clear()
        self._to_start.discard(process.slot)
        shared_legacy = isinstance(process.mux, LegacyMultiplexer) and not process.session
        if process.slot != MAIN and not (shared_legacy or process.earlier):
            self._processes.pop(process.slot, None)
            return
        if isinstance(process.mux, LegacyMultiplexer):
            if process.earlier is not None:  # it never ran, so that nobody went on for these yet
                process.mux.succeed(process.earlier)
            process.earlier = process.mux
        process.mux, process.asked_at = None, None
        if process.slot == MAIN:
            self._knows_modern = self._policy.modern  # the next one may be another program

    def send(self, process: Process, data: bytes) -> list[BrokerEffect]:
        """Send now, or once it runs."""
        if process.running:
            return [ToProcess(process.slot, data)]
        if len(process.unsent) < _MOST_UNSENT:
            process.unsent.append(data)
        return []

    def flush(self, process: Process) -> list[BrokerEffect]:
        """Send what waited for the process to run."""
        waiting, process.unsent = process.unsent, []
        return [ToProcess(process.slot, data) for data in waiting]

    def is_legacy(self, process: Process) -> list[BrokerEffect]:
        """Note that the server does not know the era without sessions: nobody asks again."""
        self._knows_modern = False
        process.asked_at = None
        if process.slot == MAIN:
            process.mux = None
            return []
        return self.stop(process)

    def stop(self, process: Process) -> list[BrokerEffect]:
        """End a process that was started on demand."""
        self._processes.pop(process.slot, None)
        if process.slot in self._to_start:
            self._to_start.remove(process.slot)
            return []
        return [StopProcess(process.slot)] if process.running or process.starting else []

    def stop_all(self) -> list[BrokerEffect]:
        """End all that were started on demand."""
        return [
            each for process in list(self._processes.values()) if process.slot != MAIN for each in self.stop(process)
        ]

    def silent(self, now: float) -> list[tuple[Process, list[MuxEffect]]]:
        """Give up on processes that do not say whether they know the era without sessions."""
        found = []
        for process in list(self._processes.values()):
            late = process.asked_at is not None and now - process.asked_at >= self._policy.probe_patience
            if late and process.running and isinstance(process.mux, ModernMultiplexer):
                process.asked_at = None
                found.append((process, process.mux.give_up_asking()))
        return found

    def tick(self, now: float) -> None:
        """Give up on what was cancelled long ago, and forget whom processes had to do with lately."""
        for process in self._processes.values():
            if process.mux is not None:
                process.mux.tick(now, self._policy.cancel_patience)

    def reap(self, now: float, *, used: set[str]) -> list[BrokerEffect]:
        """End shared processes, started on demand, that nobody used for long."""
        effects: list[BrokerEffect] = []
        for process in list(self._processes.values()):
            idle = now - process.last_used >= self._policy.ttl
            if process.slot != MAIN and not process.session and idle and process.slot not in used:
                effects += self.stop(process)
        return effects

    def shaken(self, process: Process) -> list[BrokerEffect]:
        """Tell the first process's handshake when it is news."""
        if process.slot != MAIN or process.mux is None:
            return []
        mux = process.mux
        known = mux.handshake if isinstance(mux, LegacyMultiplexer) else (_MODERN if mux.confirmed else None)
        if known is None or self._shook is known:  # the same object for as long as it says the same
            return []
        self._shook = known
        return [Shook(known)]
