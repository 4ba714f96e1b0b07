"""Publishes what committed transactions promised."""

import asyncio
from datetime import timedelta

import structlog

from toolhive_api.adapters.database.engine import Database
from toolhive_api.models.records import OutboxEntry, OutboxKind
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.events import EventLog
from toolhive_common.observability.correlation import correlated
from toolhive_common.schemas.events import LifecycleEvent
from toolhive_common.schemas.state import DesiredWorkload, ObservedWorkload, WorkloadKey

__all__ = ["OutboxPublisher"]

_log = structlog.get_logger(__name__)


class OutboxPublisher:
    """Publishes the outbox in order, for ever, at least once.

    An entry is deleted after NATS has acknowledged it, never before. A process that dies in between publishes it
    again. State is then the row's as it is by then, so that once more does no harm. An event that comes again within
    ten minutes is known by its id and not stored; after a longer death it is there twice, with the same id.
    """

    def __init__(
        self,
        bus: Bus,
        database: Database,
        *,
        desired: Bucket[DesiredWorkload],
        observed: Bucket[ObservedWorkload],
        events: EventLog,
        retry_pause: timedelta = timedelta(seconds=1),
        look_again: timedelta = timedelta(seconds=30),
    ) -> None:
        self._bus = bus
        self._database = database
        self._desired = desired
        self._observed = observed
        self._events = events
        self._retry_pause = retry_pause.total_seconds()
        self._look_again = look_again.total_seconds()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that a transaction with entries was committed."""
        self._woken.set()

    async def run(self) -> None:
        """Publish for as long as the process lives."""
        while True:
            await self._bus.wait_connected()
            self._woken.clear()
            try:
                complete = await self.publish_pending()
            except ToolHiveError as error:
                _log.warning("the outbox waits", cause=error.message)
                complete = False
            except Exception:  # noqa: BLE001  # the loop's top: nothing is lost, and the next pass may go through
                _log.exception("publishing the outbox failed")
                complete = False
            await self._pause(complete=complete)

    async def publish_pending(self) -> bool:
        """Publish all entries that there are.

        Returns
        -------
        bool
            Whether nothing is left of them.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        StorageUnreachableError
            The database does not answer.
        """
        stuck: set[WorkloadKey] = set()
        async with self._database.turn():
            after = 0
            while entries := await self._page(after):
                for entry in entries:
                    if entry.key not in stuck and not await self._publish_one(entry):
                        stuck.add(entry.key)  # what follows for this workload must not overtake it
                after = entries[-1].number
        return not stuck

    async def declare(self, key: WorkloadKey) -> None:
        """Make the buckets agree with a row. Only with the database's `turn`.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        StorageUnreachableError
            The database does not answer.
        """
        async with self._database.reading() as transaction:
            record = await transaction.workloads.get(key)
        if record is None:
            # Observed first: an agent that sees a key without a wish may still report on it.
            await self._observed.remove(key)
            await self._desired.remove(key)
        else:
            await self._desired.put(key, record.desired)

    async def _page(self, after: int) -> list[OutboxEntry]:
        async with self._database.reading() as transaction:
            return list(await transaction.outbox.list(after=after))

    async def _publish_one(self, entry: OutboxEntry) -> bool:
        try:
            match entry.kind:
                case OutboxKind.EVENT:
                    event = LifecycleEvent.from_json(entry.payload)
                    with correlated(event.correlationid):
                        await self._events.publish(event)
                case OutboxKind.STATE:
                    await self.declare(entry.key)
        except ToolHiveError:
            raise
        except Exception:  # noqa: BLE001  # one entry that NATS refuses must not hold up all other workloads
            _log.exception("publishing an entry failed", workload=entry.key.name, number=entry.number)
            return False
        async with self._database.transaction() as transaction:
            await transaction.outbox.remove(entry.number)
        return True

    async def _pause(self, *, complete: bool) -> None:
        try:
            # Another process on this database may have died after a commit; nobody wakes us for its entries.
            async with asyncio.timeout(self._look_again if complete else self._retry_pause):
                await self._woken.wait()
        except TimeoutError:
            return
