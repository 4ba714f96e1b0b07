"""Progress of long steps: told to whoever listens, kept nowhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import nats.errors
from nats.aio.msg import Msg
from pydantic import ValidationError

from toolhive_common import subjects
from toolhive_common.messaging.bus import Bus, translated
from toolhive_common.schemas.commands import Progress
from toolhive_common.schemas.state import WorkloadKey

__all__ = ["listen_for_progress", "tell_progress"]


async def tell_progress(bus: Bus, progress: Progress) -> None:
    """Tell it now, or not at all: a lost line of progress is no loss."""
    if bus.connected:
        try:
            await bus.client.publish(subjects.progress_subject(progress.key), progress.to_json())
        except nats.errors.Error:
            return


@asynccontextmanager
async def listen_for_progress(bus: Bus, key: WorkloadKey) -> AsyncIterator["asyncio.Queue[Progress]"]:
    """Collect a workload's progress for the length of the block.

    Raises
    ------
    BusUnreachableError
        NATS does not answer.
    """
    if not bus.connected:
        raise bus.unreachable()
    queue: asyncio.Queue[Progress] = asyncio.Queue()

    async def take(message: Msg) -> None:
        try:
            queue.put_nowait(Progress.from_json(message.data))
        except ValidationError:
            return

    with translated(bus):
        subscription = await bus.client.subscribe(subjects.progress_subject(key), cb=take)
    try:
        yield queue
    finally:
        with suppress(nats.errors.Error):  # the connection may be gone, and the subscription with it
            await subscription.unsubscribe()
