"""Events that wait for NATS, and those that can never be written."""

import asyncio
import itertools
from datetime import UTC, datetime

from toolhive_common.schemas.events import EventType, LifecycleEvent
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy.services.event_teller import EventTeller


class Log:
    """Writes events down; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.written: list[bytes] = []

    async def publish(self, event: LifecycleEvent) -> None:
        data = event.to_json()
        if self.failures:
            self.failures -= 1
            raise ValueError("not now")
        self.written.append(data)


async def told_by(log: Log, *clients: str) -> None:
    ids = itertools.count(1)
    teller = EventTeller(
        log, proxy="p", url="http://x", now=lambda: datetime.now(UTC), new_id=lambda: str(next(ids)), pause=0.01
    )
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(teller.run())
        for client in clients:
            teller.session(EventType.SESSION_OPENED, WorkloadKey.default("time"), 1, session="s", client=client)
        await teller.flush(5)
        running.cancel()


async def test_an_event_that_cannot_be_written_holds_up_none_behind_it() -> None:
    log = Log()
    await told_by(log, "\ud800", "good")
    assert [b"good" in data for data in log.written] == [True]


async def test_an_event_that_cannot_be_published_now_is_tried_again() -> None:
    log = Log(failures=2)
    await told_by(log, "first", "second")
    assert [b"first" in data for data in log.written] == [True, False]
