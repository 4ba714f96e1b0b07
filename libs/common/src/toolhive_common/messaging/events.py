"""The durable log of lifecycle events."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta

import nats.js.errors
from nats.js.api import ConsumerConfig, DeliverPolicy
from pydantic import ValidationError

from toolhive_common import subjects
from toolhive_common.messaging.bus import Bus, translated
from toolhive_common.observability.correlation import NATS_HEADER
from toolhive_common.schemas.events import LifecycleEvent

__all__ = ["EventLog", "StoredEvent"]


@dataclass(frozen=True)
class StoredEvent:
    """An event and its place in the log."""

    sequence: int
    """Place in the stream: grows, has gaps under a filter."""
    event: LifecycleEvent


class EventLog:
    """Writes and reads the stream ``TOOLHIVE_EVENTS``."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, event: LifecycleEvent) -> int:
        """Store an event; returns its place. An id that comes again within ten minutes is not stored again.

        Raises
        ------
        BusUnreachableError
            NATS does not answer: publish it again.
        """
        headers = {"Nats-Msg-Id": event.id}
        if event.correlationid:
            headers[NATS_HEADER] = event.correlationid
        with translated(self._bus):
            ack = await self._bus.jetstream.publish(
                subjects.event_subject(event.key, event.type),
                event.to_json(),
                stream=subjects.EVENTS_STREAM,
                headers=headers,
            )
        return ack.seq

    async def last_sequence(self) -> int:
        """Place of the newest event; 0 while there is none.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        with translated(self._bus):
            try:
                info = await self._bus.jetstream.stream_info(subjects.EVENTS_STREAM)
            except nats.js.errors.NotFoundError as error:
                raise self._bus.unreachable(f"the stream {subjects.EVENTS_STREAM} is not made yet") from error
        return info.state.last_seq

    async def first_sequence_since(self, time: datetime) -> int:
        """Place of the first event that was stored at or after a time.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_TIME,
            opt_start_time=time.isoformat().replace("+00:00", "Z"),  # type: ignore[arg-type]  # passed on as text
            inactive_threshold=5,
        )
        with translated(self._bus):
            last = await self.last_sequence()
            subscription = await self._bus.jetstream.pull_subscribe(
                subjects.event_filter(), stream=subjects.EVENTS_STREAM, config=config
            )
            try:
                info = await subscription.consumer_info()
            finally:
                await subscription.unsubscribe()
        return last - info.num_pending + 1 if info.num_pending else last + 1

    async def read(
        self,
        start: int,
        *,
        subject_filter: str = "",
        follow: bool = True,
        poll: timedelta = timedelta(milliseconds=250),
    ) -> AsyncGenerator[StoredEvent, None]:
        """Tell all events from a place on; with ``follow`` also those to come, for as long as NATS answers.

        The only state is the place: after an outage, a reader goes on from the one after the last event it was told.

        Parameters
        ----------
        poll
            How long to wait at the end of the log before looking again.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        wanted = subject_filter or subjects.event_filter()
        place = max(start, 1)
        while True:
            found = await self._next(place, wanted)
            if found is None:
                if not follow:
                    return
                await asyncio.sleep(poll.total_seconds())
                continue
            place = found.sequence + 1
            yield found

    async def _next(self, place: int, wanted: str) -> StoredEvent | None:
        while True:
            with translated(self._bus):
                try:
                    message = await self._bus.jetstream.get_msg(
                        subjects.EVENTS_STREAM, seq=place, subject=wanted, next=True
                    )
                except nats.js.errors.NotFoundError:
                    return None
            if message.seq is None or message.data is None:
                return None
            try:
                return StoredEvent(message.seq, LifecycleEvent.from_json(message.data))
            except ValidationError:
                place = message.seq + 1  # of a later version, or not ours: the rest is still good
