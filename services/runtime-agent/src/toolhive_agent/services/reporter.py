"""Tells events and states over NATS, and loses none while NATS is away.

For each workload the events come first, then the state that they lead to. A crash in between costs nothing: the next
life finds the older state and works out the same events with the same ids: the stream drops a repetition within ten
minutes, and subscribers know a later one by its id.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from toolhive_agent.decisions.transitions import events_between
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.events import EventLog
from toolhive_common.schemas.events import LifecycleEvent
from toolhive_common.schemas.state import ObservedPhase, ObservedWorkload, WorkloadKey

__all__ = ["Reporter"]

_log = structlog.get_logger(__name__)


@dataclass
class _Told:
    """What one workload has to tell."""

    newest: ObservedWorkload | None = None
    stored: ObservedWorkload | None = None
    """What the bucket holds, as far as is known."""
    events: deque[LifecycleEvent] = field(default_factory=deque)
    forgotten: bool = False
    """Declared no more; kept until all is told."""


class Reporter:
    """Keeps what is to be told until NATS has it."""

    def __init__(self, bus: Bus, events: EventLog, observed: Bucket[ObservedWorkload]) -> None:
        self._bus = bus
        self._log = events
        self._observed = observed
        self._told: dict[WorkloadKey, _Told] = {}
        self._work = asyncio.Event()

    def seed(self, states: Mapping[WorkloadKey, ObservedWorkload]) -> None:
        """Begin with what an earlier life of this agent told."""
        for key, state in states.items():
            self._told[key] = _Told(newest=state, stored=state)

    def last(self, key: WorkloadKey) -> ObservedWorkload | None:
        """What was reported last, stored already or not."""
        told = self._told.get(key)
        return told.newest if told else None

    def report(self, state: ObservedWorkload) -> None:
        """Tell a state, and the events that led to it. Nothing happens when it says nothing new."""
        told = self._told.setdefault(state.key, _Told())
        if told.newest is not None and _same(told.newest, state):
            return
        told.events += events_between(told.newest, state, now=state.updated_at)
        told.newest, told.forgotten = state, False
        _log.info(
            "workload changed",
            workload=state.key.name,
            phase=str(state.phase),
            revision=state.revision,
            code=state.code,
            correlation_id=state.correlation_id,
        )
        self._work.set()

    def waiting(self, key: WorkloadKey) -> int:
        """Events of a workload that NATS has not taken yet."""
        told = self._told.get(key)
        return len(told.events) if told else 0

    def tell(self, event: LifecycleEvent) -> None:
        """Tell an event that is no change of state."""
        self._told.setdefault(event.key, _Told()).events.append(event)
        self._work.set()

    def forget(self, key: WorkloadKey) -> None:
        """Forget a workload that is declared no more, once all about it is told."""
        if (told := self._told.get(key)) is not None:
            told.forgotten = True
            self._work.set()

    def pending(self) -> int:
        """Number of events that NATS does not have yet."""
        return sum(len(told.events) for told in self._told.values())

    async def run(self) -> None:
        """Deliver, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver())
            group.create_task(self._repeat_after_outages())

    async def _deliver(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await self._bus.wait_connected()
            try:
                whole = await self._flush_all()
            except ToolHiveError as error:
                _log.info("reports wait for NATS", cause=error.message, events=self.pending())
                self._work.set()
                await asyncio.sleep(0.5)
                continue
            if not whole:
                self._work.set()
                await asyncio.sleep(2)

    async def _flush_all(self) -> bool:
        whole = True
        for key in list(self._told):
            try:
                await self._flush(key)
            except ToolHiveError:
                raise
            except Exception:  # noqa: BLE001  # one workload's report must not hold back all others'
                _log.exception("reporting failed; trying again", workload=key.name)
                whole = False
        return whole

    async def _flush(self, key: WorkloadKey) -> None:
        while (told := self._told.get(key)) is not None:
            if told.events:
                await self._publish(told.events[0])
                told.events.popleft()
            elif told.newest is not None and told.newest is not told.stored:
                state = told.newest
                await self._observed.put(key, state)
                told.stored = state
            else:
                if told.forgotten:
                    del self._told[key]
                return

    async def _publish(self, event: LifecycleEvent) -> None:
        try:
            await self._log.publish(event)
        except ToolHiveError:
            raise
        except Exception as error:
            if event.is_writable:
                raise
            # No message of the error: it may quote what a client said. What comes behind the event must not wait.
            cause = type(error).__name__
            _log.error("an event cannot be written; dropped", workload=event.key.name, type=event.type, cause=cause)

    async def _repeat_after_outages(self) -> None:
        """Store all states again after each reconnect: the server may have lost its disk."""
        generation = self._bus.generation
        while True:
            await self._bus.wait_reconnected(generation)
            if generation:  # the first connection is no outage
                for told in self._told.values():
                    if told.newest and not told.forgotten and told.newest.phase is not ObservedPhase.REMOVED:
                        told.stored = None
            generation = self._bus.generation
            self._work.set()


def _same(one: ObservedWorkload, other: ObservedWorkload) -> bool:
    return one.model_copy(update={"updated_at": other.updated_at}) == other
