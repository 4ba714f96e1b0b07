"""A whole agent on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from toolhive_agent.config import Settings
from toolhive_agent.main import run_agent
from toolhive_agent.services.tasks import beside
from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus, open_bus
from toolhive_common.messaging.events import EventLog
from toolhive_common.messaging.topology import ensure_topology
from toolhive_common.schemas.events import LifecycleEvent
from toolhive_common.schemas.state import (
    AgentState,
    DesiredPhase,
    DesiredWorkload,
    ObservedWorkload,
    SyncMarker,
    WorkloadKey,
)
from toolhive_common.testing.factories import a_desired
from toolhive_common.testing.nats_server import NatsServer
from toolhive_runtime.runtime import Runtime

CONFIG = Path(__file__).parents[4] / "deploy/nats/nats.conf"


async def eventually(check: Callable[[], Awaitable[Any]], seconds: float = 20) -> Any:
    """Ask until the answer is true, and return it."""
    answer = None
    try:
        async with asyncio.timeout(seconds):
            while not (answer := await check()):  # what is asked is in another process
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"it never came to be; the last answer was {answer!r}") from None
    return answer


@dataclass
class Stage:
    """What the API is to an agent: it declares and reads."""

    nats: NatsServer
    bus: Bus
    proxy_bus: Bus
    """Of a proxy, which alone may exchange frames with an agent."""
    desired: Bucket[DesiredWorkload]
    observed: Bucket[ObservedWorkload]
    agents: Bucket[AgentState]
    log: EventLog

    async def declare(self, name: str = "time", **changes: Any) -> DesiredWorkload:
        wish = a_desired(name, **changes)
        await self.desired.put(wish.key, wish)
        return wish

    async def state(self, name: str = "time") -> ObservedWorkload | None:
        return await self.observed.get(WorkloadKey.default(name))

    async def reaches(self, phase: str, name: str = "time", revision: int = 1) -> ObservedWorkload:
        async def check() -> ObservedWorkload | None:
            state = await self.state(name)
            self.last = state
            return state if state and (state.phase, state.revision) == (phase, revision) else None

        try:
            found: ObservedWorkload = await eventually(check)
        except AssertionError:
            raise AssertionError(f"never {phase}: {self.last!r}") from None
        return found

    async def events(self, name: str = "time") -> list[LifecycleEvent]:
        subject = subjects.event_filter(namespace="default", workload=name)
        return [stored.event async for stored in self.log.read(1, subject_filter=subject, follow=False)]

    async def event_types(self, name: str = "time") -> list[str]:
        return [str(event.type) for event in await self.events(name)]

    async def mark_synced(self) -> None:
        marker = SyncMarker(synced_at=a_desired().requested_at)
        await Bucket(self.bus, subjects.DESIRED_BUCKET, SyncMarker).put(subjects.SYNCED_KEY, marker)


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    async with (
        NatsServer(folder, CONFIG) as nats,
        open_bus(nats.settings(Role.API)) as bus,
        open_bus(nats.settings(Role.PROXY)) as proxy_bus,
    ):
        await bus.wait_connected()
        await proxy_bus.wait_connected()
        await ensure_topology(bus, events_kept=timedelta(days=1))
        yield Stage(
            nats,
            bus,
            proxy_bus,
            Bucket(bus, subjects.DESIRED_BUCKET, DesiredWorkload),
            Bucket(bus, subjects.OBSERVED_BUCKET, ObservedWorkload),
            Bucket(bus, subjects.AGENTS_BUCKET, AgentState),
            EventLog(bus),
        )


def quick_settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "port": 0,
        "startup_grace": 0.05,
        "restart_delay": 0.2,
        "restart_delay_max": 0.5,
        "resync": 1.0,
        "heartbeat": 0.2,
        "stop_grace": 1,
    }
    return Settings(**(values | changes))


@asynccontextmanager
async def an_agent(stage: Stage, runtime: Runtime, **changes: Any) -> AsyncIterator[None]:
    """Run an agent for the length of the block; its end is that of a killed one, but for its farewell to callers."""

    async def detect() -> Runtime:
        return runtime

    async with (
        open_bus(stage.nats.settings(Role.AGENT)) as bus,
        beside(run_agent(quick_settings(**changes), bus, detect)),
    ):
        yield


RUNNING, STOPPED, REMOVED = DesiredPhase.RUNNING, DesiredPhase.STOPPED, DesiredPhase.REMOVED
