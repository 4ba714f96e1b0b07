"""Takes over what agents report."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from toolhive_api.adapters.database.engine import Database
from toolhive_api.decisions.lifecycle import Changed, Forgotten, decide_observed
from toolhive_api.models.records import OutboxKind
from toolhive_api.services.outbox import OutboxPublisher
from toolhive_common import subjects
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bucket import Bucket, Snapshot
from toolhive_common.schemas.state import ObservedPhase, ObservedWorkload, WorkloadKey

__all__ = ["Observation"]

_log = structlog.get_logger(__name__)


class Observation:
    """Follows the bucket ``toolhive_observed``, writes statuses, and tells whoever waits for one."""

    def __init__(
        self,
        database: Database,
        observed: Bucket[ObservedWorkload],
        outbox: OutboxPublisher,
        *,
        retry_pause: timedelta = timedelta(seconds=1),
    ) -> None:
        self._database = database
        self._observed = observed
        self._outbox = outbox
        self._retry_pause = retry_pause.total_seconds()
        self._waiting: dict[WorkloadKey, list[asyncio.Queue[ObservedWorkload]]] = {}

    @contextmanager
    def following(self, key: WorkloadKey) -> Iterator["asyncio.Queue[ObservedWorkload]"]:
        """Collect the reports on one workload for the length of the block, each after its row is written."""
        queue: asyncio.Queue[ObservedWorkload] = asyncio.Queue()
        self._waiting.setdefault(key, []).append(queue)
        try:
            yield queue
        finally:
            self._waiting[key].remove(queue)
            if not self._waiting[key]:
                del self._waiting[key]

    async def run(self) -> None:
        """Follow for as long as the process lives."""
        async for change in self._observed.watch():
            if isinstance(change, Snapshot):
                for value in change.values.values():
                    await self._take_surely(value)
            elif change.value is not None:
                await self._take_surely(change.value)

    async def _take_surely(self, observed: ObservedWorkload) -> None:
        while True:
            try:
                await self.take(observed)
            except ToolHiveError as error:
                # Only the database can be the cause; a report that is let go would be missed until the next one.
                _log.warning("a report waits for the database", workload=observed.key.name, cause=error.message)
                await asyncio.sleep(self._retry_pause)
            except Exception:  # noqa: BLE001  # one report that cannot be taken must not stop all others
                _log.exception("a report could not be taken", key=subjects.bucket_key(observed.key))
                return
            else:
                return

    async def take(self, observed: ObservedWorkload) -> None:
        """Write one report into the row it belongs to.

        Raises
        ------
        StorageUnreachableError
            The database does not answer.
        """
        if await self._changes_something(observed):
            await self._write(observed)
        for queue in self._waiting.get(observed.key, ()):
            queue.put_nowait(observed)

    async def _changes_something(self, observed: ObservedWorkload) -> bool:
        async with self._database.reading() as transaction:
            record = await transaction.workloads.get(observed.key)
        if record is None:
            return observed.phase is ObservedPhase.REMOVED
        return isinstance(decide_observed(record, observed), Changed | Forgotten)

    async def _write(self, observed: ObservedWorkload) -> None:
        async with self._database.transaction() as transaction:
            record = await transaction.workloads.get_for_change(observed.key)
            if record is None:
                # Reported again after the row was gone: clear the buckets once more.
                await transaction.outbox.add(observed.key, OutboxKind.STATE)
            else:
                decided = decide_observed(record, observed)
                if isinstance(decided, Forgotten):
                    await transaction.workloads.remove(observed.key)
                    await transaction.outbox.add(observed.key, OutboxKind.STATE)
                elif isinstance(decided, Changed):
                    await transaction.workloads.put(decided.record)
        self._outbox.wake()
