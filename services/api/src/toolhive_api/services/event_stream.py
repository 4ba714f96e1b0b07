"""Reads the log of lifecycle events for clients, over any outage of NATS."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from toolhive_api.decisions.event_place import FromNow, FromSequence, FromTime, Place, resumed
from toolhive_common import subjects
from toolhive_common.messaging.bus import Bus, BusUnreachableError
from toolhive_common.messaging.events import EventLog, StoredEvent
from toolhive_common.schemas.events import EventType

__all__ = ["EventQuery", "EventStream"]


@dataclass(frozen=True)
class EventQuery:
    """Which events a client wants."""

    place: Place
    namespace: str | None = None
    workload: str | None = None
    event_type: EventType | None = None

    @property
    def subject_filter(self) -> str:
        """The same as a filter of subjects."""
        return subjects.event_filter(namespace=self.namespace, workload=self.workload, event_type=self.event_type)


class EventStream:
    """Tells events."""

    def __init__(self, bus: Bus, log: EventLog, *, poll: timedelta = timedelta(milliseconds=200)) -> None:
        self._bus = bus
        self._log = log
        self._poll = poll

    async def first_place(self, query: EventQuery) -> int:
        """Find the sequence number to read from.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        match query.place:
            case FromTime(time):
                return await self._log.first_sequence_since(time)
            case FromNow():
                return await self._log.last_sequence() + 1
            case FromSequence(sequence):
                return resumed(max(sequence, 1), last=await self._log.last_sequence())

    async def stored(self, query: EventQuery, start: int, *, limit: int) -> list[StoredEvent]:
        """Read what is there, from a place on, up to ``limit`` events.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        found: list[StoredEvent] = []
        async with aclosing(self._log.read(start, subject_filter=query.subject_filter, follow=False)) as events:
            async for stored in events:
                found.append(stored)  # a comprehension cannot stop
                if len(found) == limit:
                    break
        return found

    async def follow(self, query: EventQuery, start: int) -> AsyncGenerator[StoredEvent]:
        """Tell what is there and what is to come, for ever; an outage of NATS is waited for."""
        place = start
        while True:
            try:
                async with aclosing(
                    self._log.read(place, subject_filter=query.subject_filter, poll=self._poll)
                ) as events:
                    async for stored in events:
                        place = stored.sequence + 1
                        yield stored
            except BusUnreachableError:
                await self._bus.wait_connected()
                await asyncio.sleep(self._poll.total_seconds())
                place = await self._after_outage(place)

    async def _after_outage(self, place: int) -> int:
        try:
            return resumed(place, last=await self._log.last_sequence())
        except BusUnreachableError:
            return place
