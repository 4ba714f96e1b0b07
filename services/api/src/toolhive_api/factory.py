"""Builds the services and runs their loops for the length of a block."""

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toolhive_api.adapters.database.engine import open_database
from toolhive_api.config import Settings
from toolhive_api.decisions.to_workload import public_port
from toolhive_api.services.agents import AgentDirectory
from toolhive_api.services.creation import Creation, Patience
from toolhive_api.services.event_stream import EventStream
from toolhive_api.services.fleet_manager import Fleet, FleetManager
from toolhive_api.services.observation import Observation
from toolhive_api.services.outbox import OutboxPublisher
from toolhive_api.services.synchronisation import Synchronisation
from toolhive_api.services.wishes import WishBook
from toolhive_common import subjects
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import BusSettings, open_bus
from toolhive_common.messaging.events import EventLog
from toolhive_common.observability.health import Check
from toolhive_common.schemas.state import AgentState, DesiredWorkload, ObservedWorkload

__all__ = ["Parts", "open_parts"]

_PORTS = range(10_000, 65_536)
"""Where ToolHive draws ports from."""


@dataclass(frozen=True)
class Parts:
    """What the handlers need."""

    manager: FleetManager
    events: EventStream
    agents: AgentDirectory
    agent: str
    """Name of the agent that new workloads go to."""
    checks: Mapping[str, Check]
    """Of ``/readyz``."""


@asynccontextmanager
async def open_parts(
    settings: Settings, *, bus_settings: BusSettings | None = None, patience: Patience | None = None
) -> AsyncIterator[Parts]:
    """Connect to what there is, start the loops, and end them after the block.

    The block runs also while NATS is down.

    Parameters
    ----------
    bus_settings
        How to reach NATS, where it is not as the settings say.

    Raises
    ------
    StorageUnreachableError
        The database does not answer.
    """
    async with open_database(settings.database_url) as database, open_bus(bus_settings or settings.bus) as bus:
        observed = Bucket(bus, subjects.OBSERVED_BUCKET, ObservedWorkload)
        event_log = EventLog(bus)
        outbox = OutboxPublisher(
            bus,
            database,
            desired=Bucket(bus, subjects.DESIRED_BUCKET, DesiredWorkload),
            observed=observed,
            events=event_log,
        )
        synchronisation = Synchronisation(bus, database, outbox, events_kept=settings.events_kept, clock=_now)
        observation = Observation(database, observed, outbox)
        wishes = WishBook(database, agent=settings.agent, committed=outbox.wake, clock=_now, new_id=_new_id)
        agents = AgentDirectory(bus, Bucket(bus, subjects.AGENTS_BUCKET, AgentState), _now)
        async with _tasks() as tasks:
            for loop in (synchronisation.run, outbox.run, observation.run):
                tasks.create_task(loop(), name=loop.__qualname__)
            yield Parts(
                manager=FleetManager(
                    Fleet(agent=settings.agent, proxy_url=settings.proxy_url),
                    bus=bus,
                    database=database,
                    wishes=wishes,
                    creation=Creation(
                        bus,
                        wishes,
                        observation,
                        port=public_port(settings.proxy_url),
                        patience=patience or Patience(),
                    ),
                    agents=agents,
                    tasks=tasks,
                    free_port=_free_port,
                ),
                events=EventStream(bus, event_log),
                agents=agents,
                agent=settings.agent,
                checks={"database": database.check, "nats": synchronisation.check},
            )


class _Tasks(asyncio.TaskGroup):
    """Tasks that have no end of their own."""

    def __init__(self) -> None:
        super().__init__()
        self._owned: set[asyncio.Task[Any]] = set()

    def create_task(self, *arguments: Any, **options: Any) -> asyncio.Task[Any]:
        """Start a task."""
        task: asyncio.Task[Any] = super().create_task(*arguments, **options)
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)
        return task

    async def end(self) -> None:
        """Cancel all, again and again: the NATS library loses a cancellation that comes together with an answer."""
        while self._owned:
            for task in tuple(self._owned):
                task.cancel()
            await asyncio.wait(tuple(self._owned), timeout=1)


@asynccontextmanager
async def _tasks() -> AsyncIterator[asyncio.TaskGroup]:
    """Own tasks; they are cancelled after the block."""
    async with _Tasks() as tasks:
        try:
            yield tasks
        finally:
            await tasks.end()


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


def _free_port() -> int:
    return secrets.choice(_PORTS)
