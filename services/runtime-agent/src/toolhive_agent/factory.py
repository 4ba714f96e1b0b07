"""Builds the services from the settings."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from toolhive_agent.config import Settings
from toolhive_agent.models.handshake import SavedHandshake
from toolhive_agent.models.history import Policy
from toolhive_agent.models.kept_session import KeptSession
from toolhive_agent.services.agent import Agent, Buckets, Streams
from toolhive_agent.services.engine import Engine
from toolhive_agent.services.heartbeat import Heartbeat
from toolhive_agent.services.images import Images
from toolhive_agent.services.logs import Logs
from toolhive_agent.services.readiness import Readiness, ReadinessSettings
from toolhive_agent.services.reporter import Reporter
from toolhive_agent.services.session_events import SessionEvents
from toolhive_agent.services.session_store import SessionStore
from toolhive_agent.services.slot_containers import SlotContainers
from toolhive_agent.services.stdio_hub import StdioHub
from toolhive_agent.services.stdio_keeper import KeeperSettings
from toolhive_agent.services.worker import Tools, Worker
from toolhive_common import subjects
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.events import EventLog
from toolhive_common.schemas.state import AgentState, DesiredWorkload, ObservedWorkload, WorkloadKey
from toolhive_runtime.runtime import BuilderOptions, Runtime

__all__ = ["Parts", "build"]

_REMOVE_GRACE = timedelta(seconds=3)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Parts:
    """What the process runs."""

    agent: Agent
    engine: Engine
    heartbeat: Heartbeat
    hub: StdioHub
    reporter: Reporter
    logs: Logs
    slots: SlotContainers
    sessions: SessionStore


def build(
    settings: Settings,
    bus: Bus,
    detect: Callable[[], Awaitable[Runtime]],
    group: asyncio.TaskGroup,
    *,
    now: Callable[[], datetime] = _now,
) -> Parts:
    """Build everything; nothing runs yet.

    Parameters
    ----------
    detect
        Finds the container engine.
    group
        Owns the tasks of workers and holds.
    """
    engine = Engine(detect, settings.agent_name)
    observed = Bucket(bus, subjects.OBSERVED_BUCKET, ObservedWorkload)
    reporter = Reporter(bus, EventLog(bus), observed)
    agents: list[Agent] = []

    def on_lost(key: WorkloadKey) -> None:
        agents[0].wake(key)

    slots = SlotContainers(
        engine,
        settings.agent_name,
        most=settings.stdio_max_processes,
        grace=min(_REMOVE_GRACE, timedelta(seconds=settings.stop_grace)),
    )
    store = SessionStore(bus, Bucket(bus, subjects.SESSIONS_BUCKET, KeptSession))
    hub = StdioHub(
        bus,
        Bucket(bus, subjects.HANDSHAKES_BUCKET, SavedHandshake),
        slots,
        SessionEvents(settings.agent_name, reporter, now),
        store,
        KeeperSettings(
            session_ttl=settings.session_ttl,
            max_sessions=settings.max_sessions,
            max_processes=settings.stdio_max_processes,
        ),
        group,
        on_lost,
    )
    tools = Tools(
        agent=settings.agent_name,
        engine=engine,
        images=Images(engine, bus, _builder(settings), timedelta(seconds=settings.prepare_timeout)),
        readiness=Readiness(
            ReadinessSettings(
                startup_grace=timedelta(seconds=settings.startup_grace),
                patience=timedelta(seconds=settings.ready_timeout),
            ),
            now,
        ),
        hub=hub,
        slots=slots,
        reporter=reporter,
        policy=Policy(
            restart_delay=timedelta(seconds=settings.restart_delay),
            restart_delay_max=timedelta(seconds=settings.restart_delay_max),
        ),
        network=settings.network,
        stop_grace=timedelta(seconds=settings.stop_grace),
        remove_grace=min(_REMOVE_GRACE, timedelta(seconds=settings.stop_grace)),
        now=now,
    )
    agent = Agent(
        settings.agent_name,
        Buckets(
            Bucket(bus, subjects.DESIRED_BUCKET, DesiredWorkload),
            observed,
        ),
        engine,
        reporter,
        Streams(hub, slots),
        lambda desired: Worker(desired, tools, group),
        group,
        timedelta(seconds=settings.resync),
    )
    agents.append(agent)
    heartbeat = Heartbeat(
        settings.agent_name,
        engine,
        Bucket(bus, subjects.AGENTS_BUCKET, AgentState),
        now,
        every=timedelta(seconds=settings.heartbeat),
        on_engine_back=agent.engine_is_back,
    )
    return Parts(agent, engine, heartbeat, hub, reporter, Logs(engine, settings.agent_name), slots, store)


def _builder(settings: Settings) -> BuilderOptions:
    bundle = settings.ca_bundle.read_bytes() if settings.ca_bundle else b""
    return BuilderOptions(base_images=settings.builder_images(), ca_bundle=bundle)
