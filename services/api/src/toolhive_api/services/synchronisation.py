"""Declares all of the database again whenever a connection to NATS is made."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta

import structlog

from toolhive_api.adapters.database.engine import Database
from toolhive_api.services.outbox import OutboxPublisher
from toolhive_common import subjects
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bucket import Bucket, Snapshot
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.topology import ensure_topology
from toolhive_common.schemas.state import DesiredWorkload, SyncMarker

__all__ = ["Synchronisation"]

_log = structlog.get_logger(__name__)


class Synchronisation:
    """Keeps the stream, the buckets and what is declared in them in being, whatever NATS has lost."""

    def __init__(
        self,
        bus: Bus,
        database: Database,
        outbox: OutboxPublisher,
        *,
        events_kept: timedelta,
        clock: Callable[[], datetime],
        retry_pause: timedelta = timedelta(seconds=1),
    ) -> None:
        self._bus = bus
        self._database = database
        self._outbox = outbox
        self._events_kept = events_kept
        self._clock = clock
        self._retry_pause = retry_pause.total_seconds()
        self._desired = Bucket(bus, subjects.DESIRED_BUCKET, DesiredWorkload)
        self._markers = Bucket(bus, subjects.DESIRED_BUCKET, SyncMarker)
        self._synchronised = 0

    @property
    def done(self) -> bool:
        """Whether all is declared on the connection that stands now."""
        return self._bus.connected and self._synchronised == self._bus.generation

    async def check(self) -> str:
        """Health check: empty once all is declared."""
        if not self._bus.connected:
            return await self._bus.check()
        return "" if self.done else "the database is being declared on NATS; this takes a moment"

    async def run(self) -> None:
        """Synchronise after each connect, for as long as the process lives."""
        while True:
            await self._bus.wait_reconnected(self._synchronised)
            generation = self._bus.generation
            try:
                await self.synchronise()
            except (ToolHiveError, TimeoutError) as error:
                _log.warning("could not declare the database on NATS, trying again", cause=str(error))
                await asyncio.sleep(self._retry_pause)
            except Exception:  # noqa: BLE001  # the loop's top: without this nothing would ever be declared again
                _log.exception("declaring the database on NATS failed, trying again")
                await asyncio.sleep(self._retry_pause)
            else:
                self._synchronised = generation

    async def synchronise(self) -> None:
        """Make the buckets agree with the database, then say so.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        StorageUnreachableError
            The database does not answer.
        TimeoutError
            NATS went away meanwhile.
        """
        await ensure_topology(self._bus, events_kept=self._events_kept)
        async with self._database.turn():
            declared = await self._declared()
            async with self._database.reading() as transaction:
                records = await transaction.workloads.list()
            wanted = {subjects.bucket_key(record.key): record for record in records}
            stale = [record.key for key, record in wanted.items() if declared.get(key) != record.desired]
            surplus = [value.key for key, value in declared.items() if key not in wanted]
            for key in (*stale, *surplus):
                await self._outbox.declare(key)
            await self._markers.put(subjects.SYNCED_KEY, SyncMarker(synced_at=self._clock()))
        self._outbox.wake()
        _log.info("declared the database on NATS", workloads=len(records), stale=len(stale), surplus=len(surplus))

    async def _declared(self) -> Mapping[str, DesiredWorkload]:
        async with asyncio.timeout(15), aclosing(self._desired.watch()) as changes:
            async for change in changes:
                if isinstance(change, Snapshot):
                    return change.values
        raise TimeoutError
