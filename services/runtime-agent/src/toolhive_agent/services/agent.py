"""Watches what is declared for this agent, and gives each workload a worker."""

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

import structlog

from toolhive_agent.decisions.containers import agent_labels, firsts, key_of
from toolhive_agent.decisions.orphans import leftovers, orphans, taken_back
from toolhive_agent.services.engine import Engine
from toolhive_agent.services.reporter import Reporter
from toolhive_agent.services.slot_containers import SlotContainers
from toolhive_agent.services.stdio_hub import StdioHub
from toolhive_agent.services.worker import Worker
from toolhive_common import subjects
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bucket import Bucket, Snapshot, Updated
from toolhive_common.schemas.state import (
    DesiredPhase,
    DesiredWorkload,
    ObservedWorkload,
    WorkloadKey,
)
from toolhive_runtime.decisions.further_containers import slot_of

__all__ = ["Agent", "Buckets", "Streams"]

_log = structlog.get_logger(__name__)


class Buckets:
    """The buckets that the agent reads."""

    def __init__(self, desired: Bucket[DesiredWorkload], observed: Bucket[ObservedWorkload]) -> None:
        self.desired = desired
        self.observed = observed


@dataclass(frozen=True)
class Streams:
    """What the agent holds of stdio servers."""

    hub: StdioHub
    slots: SlotContainers


class Agent:
    """Makes the engine run what is declared for one agent's name.

    Parameters
    ----------
    new_worker
        Makes a worker for a wish.
    group
        Owns the workers' tasks.
    resync
        How often everything is compared anew, should a message or an event have been lost.
    """

    def __init__(
        self,
        name: str,
        buckets: Buckets,
        engine: Engine,
        reporter: Reporter,
        streams: Streams,
        new_worker: Callable[[DesiredWorkload], Worker],
        group: asyncio.TaskGroup,
        resync: timedelta,
    ) -> None:
        self._name = name
        self._buckets = buckets
        self._engine = engine
        self._reporter = reporter
        self._streams = streams
        self._new_worker = new_worker
        self._group = group
        self._resync = resync
        self._workers: dict[WorkloadKey, tuple[Worker, asyncio.Task[None]]] = {}
        self._synced = False
        """Whether the latest look at the bucket saw all that is declared."""
        self._unreadable: set[WorkloadKey] = set()
        """Declared by a later version: nothing is done for them, and nothing against them."""

    async def recall(self) -> None:
        """Read what an earlier life of this agent told. Comes before all else: it says what is already done."""
        async with aclosing(self._buckets.observed.watch()) as changes:
            async for change in changes:
                if isinstance(change, Snapshot):
                    own = {state.key: state for state in change.values.values() if state.agent == self._name}
                    self._reporter.seed(own)
                    return

    async def follow_wishes(self) -> None:
        """Act on what is declared, for ever."""
        async for change in self._buckets.desired.watch(resync=self._resync):
            match change:
                case Snapshot(values, unreadable, synced):
                    mine = {value.key: value for value in values.values() if value.agent == self._name}
                    for value in mine.values():
                        self._wish(value)
                    self._synced = synced
                    self._unreadable = {key for text in unreadable if (key := _parsed(text)) is not None}
                    await self._tidy(mine.keys() | self._unreadable)
                    self.wake_all()
                case Updated(_, value) if value is not None and value.agent == self._name:
                    self._wish(value)
                case Updated(text, _) if (gone := _parsed(text)) is not None:
                    self._unreadable.discard(gone)
                    if gone in self._workers:
                        await self._take_back(gone)

    async def follow_engine(self) -> None:
        """Wake the workers whose containers changed, for ever."""
        async for event in self._engine.events():
            if event is None:
                self.engine_is_back()
            elif (key := key_of(event.labels)) is not None and not slot_of(event.labels):
                self.wake(key)

    def wake(self, key: WorkloadKey) -> None:
        """Have one workload looked at."""
        if key in self._workers:
            self._workers[key][0].wake()

    def wake_all(self) -> None:
        """Have all workloads looked at."""
        for worker, _ in self._workers.values():
            worker.wake()

    def engine_is_back(self) -> None:
        """Have all workloads looked at, those that wait for the engine at once."""
        for worker, _ in self._workers.values():
            worker.engine_is_back()

    def _wish(self, desired: DesiredWorkload) -> None:
        if (known := self._workers.get(desired.key)) is None:
            worker = self._new_worker(desired)
            self._workers[desired.key] = worker, self._group.create_task(worker.run())
        elif known[0].desired != desired:
            known[0].wish(desired)

    async def close(self) -> None:
        """End the workers, so that nobody takes a new hold on a server. What they look after runs on."""
        tasks = [task for _, task in self._workers.values()]
        self._workers.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=10)

    async def _take_back(self, key: WorkloadKey) -> None:
        """Act on a key that vanished while we watched."""
        if self._workers[key][0].desired.phase is DesiredPhase.REMOVED:
            await self._end(key)  # as it shall be: it is gone, and the API has seen that
        else:
            await self._tidy((self._workers.keys() | self._unreadable) - {key})

    async def _tidy(self, declared: AbstractSet[WorkloadKey]) -> None:
        """Forget workloads that are declared no more, and remove containers that nobody declared.

        Only while the bucket is known to be whole: one that lost its disk declares nothing, and takes nothing back.
        """
        for key in taken_back(self._workers.keys(), declared, synced=self._synced):
            await self._end(key)
        try:
            runtime = await self._engine.runtime()
            containers = await runtime.list(agent_labels(self._name))
            unheld = leftovers(containers, self._streams.slots.names())
            if unheld:
                _log.info("removing further containers that nobody holds", count=len(unheld))
                await self._streams.slots.remove_containers(runtime, unheld)
            for container_id in orphans(firsts(containers), declared, synced=self._synced):
                _log.info("removing a container that nobody declared", container_id=container_id[:12])
                await runtime.remove(container_id)
        except ToolHiveError as error:
            _log.info("tidying waits for the next look at everything", cause=error.message)

    async def _end(self, key: WorkloadKey) -> None:
        _, task = self._workers.pop(key)
        task.cancel()
        await asyncio.wait([task])
        await self._streams.hub.forget(key)
        self._streams.slots.withdraw(key)
        self._reporter.forget(key)


def _parsed(text: str) -> WorkloadKey | None:
    """Read a bucket's key; ``None`` when it names no workload, for anybody may write to a bucket by hand."""
    try:
        return subjects.parse_bucket_key(text)
    except ValueError:
        return None
