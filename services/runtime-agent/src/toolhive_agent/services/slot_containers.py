"""Further containers of stdio servers: the same server once more, for one protocol era or one client session.

A container is held by whoever started it, and by nobody after a restart of the agent: its streams ended with the
process that held them. What nobody holds is removed when everything is looked at (`decisions.orphans.leftovers`),
what lost its workload by the workload's worker, so that no failure on the way leaves one behind.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from weakref import WeakValueDictionary

from toolhive_agent.decisions.containers import further, slot_labels, workload_labels
from toolhive_agent.errors import NoTwinsError, TooManyTwinsError
from toolhive_agent.services.engine import Engine
from toolhive_common.errors import ToolHiveError
from toolhive_common.schemas.state import WorkloadKey
from toolhive_runtime.decisions.further_containers import further_spec
from toolhive_runtime.runtime import Attachment, ContainerSpec, Runtime, start_attached

__all__ = ["SlotContainers"]

_AT_ONCE = 8
"""Removals under way at the same time: each waits for a process to end."""


@dataclass(eq=False)
class _Held:
    name: str
    """Of the container; known before there is one, so that it is never taken for a leftover."""


class SlotContainers:
    """Starts and removes further containers, each under the name of a slot.

    Parameters
    ----------
    most
        Further containers that one workload may have.
    grace
        Between asking a server to end and making it.
    """

    def __init__(self, engine: Engine, agent: str, *, most: int, grace: timedelta) -> None:
        self._engine = engine
        self._agent = agent
        self._most = most
        self._grace = grace.total_seconds()
        self._offered: dict[WorkloadKey, ContainerSpec] = {}
        self._held: dict[WorkloadKey, dict[str, _Held]] = defaultdict(dict)
        self._locks: WeakValueDictionary[tuple[WorkloadKey, str], asyncio.Lock] = WeakValueDictionary()
        self._removals = asyncio.Semaphore(_AT_ONCE)

    def offer(self, key: WorkloadKey, spec: ContainerSpec) -> None:
        """Let a workload have further containers, made like its first one."""
        if self._offered.get(key) != spec:
            self._offered[key] = spec
            self._held.pop(key, None)  # of an earlier revision: they go with its container

    def withdraw(self, key: WorkloadKey) -> None:
        """Let a workload have none any more; whoever looks after it removes those that it has."""
        self._offered.pop(key, None)
        self._held.pop(key, None)

    def names(self) -> frozenset[str]:
        """Names of the containers that are held or being started."""
        return frozenset(held.name for slots in self._held.values() for held in slots.values())

    async def start(self, key: WorkloadKey, slot: str) -> Attachment:
        """Start a further container of a running workload; one that has the slot already is replaced.

        Returns
        -------
        Attachment
            Its streams, taken hold of before it started. They end when it does; close them then, and call `remove`.

        Raises
        ------
        NoTwinsError
            The workload does not run, or stopped running meanwhile.
        TooManyTwinsError
            It has as many as it may.
        ToolHiveError
            The engine refuses.
        """
        async with self._lock(key, slot):
            first = self._offered.get(key)
            if first is None:
                raise NoTwinsError(key)
            slots = self._held[key]
            if slot not in slots and len(slots) >= self._most:
                raise TooManyTwinsError(key, self._most)
            spec = further_spec(first, workload=key.name, slot=slot)
            slots[slot] = held = _Held(spec.name)
            try:
                attachment = await self._start(key, slot, spec)
            except BaseException:
                self._drop(key, slot, held)
                raise
            if self._offered.get(key) is not first:
                # It was stopped or replaced meanwhile, and its worker may have looked before this one was there.
                await attachment.close()
                await self._remove(key, slot)
                raise NoTwinsError(key)
            return attachment

    async def _start(self, key: WorkloadKey, slot: str, spec: ContainerSpec) -> Attachment:
        runtime = await self._engine.runtime()
        await self._remove(key, slot)
        container_id = await runtime.create(spec)
        try:
            return await start_attached(runtime, container_id)
        except BaseException:
            # What cannot be removed now is held by nobody, and goes with the next look at everything.
            with suppress(ToolHiveError):
                await runtime.remove(container_id)
            raise

    async def remove(self, key: WorkloadKey, slot: str) -> None:
        """End a slot. No error when there is none.

        Raises
        ------
        ToolHiveError
            The engine does not answer. The slot is given up all the same, and its container removed later.
        """
        async with self._lock(key, slot):
            self._drop(key, slot, None)
            await self._remove(key, slot)

    async def remove_all(self, key: WorkloadKey) -> None:
        """End all slots of a workload, which may have new ones at once. Raises as `remove`."""
        self._held.pop(key, None)
        runtime = await self._engine.runtime()
        there = further(await runtime.list(workload_labels(self._agent, key)))
        await self.remove_containers(runtime, [one.container_id for one in there])

    async def remove_containers(self, runtime: Runtime, container_ids: Iterable[str]) -> None:
        """Remove further containers, several at a time.

        Raises
        ------
        ToolHiveError
            One at least could not be removed; the others were.
        """
        results = await asyncio.gather(*(self._end(runtime, one) for one in container_ids), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _remove(self, key: WorkloadKey, slot: str) -> None:
        runtime = await self._engine.runtime()
        there = await runtime.list(slot_labels(self._agent, key, slot))
        await self.remove_containers(runtime, [one.container_id for one in there])

    async def _end(self, runtime: Runtime, container_id: str) -> None:
        async with self._removals:
            await runtime.stop(container_id, grace=self._grace)
            await runtime.remove(container_id)

    def _drop(self, key: WorkloadKey, slot: str, held: _Held | None) -> None:
        slots = self._held.get(key, {})
        if held is None or slots.get(slot) is held:
            slots.pop(slot, None)
        if not slots:
            self._held.pop(key, None)

    def _lock(self, key: WorkloadKey, slot: str) -> asyncio.Lock:
        """What two who want one slot wait for; it lasts for as long as one of them uses it."""
        return self._locks.setdefault((key, slot), asyncio.Lock())
