"""A whole API on a real port, and the part of an agent played on the real bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from toolhive_api.config import Settings
from toolhive_api.factory import open_parts
from toolhive_api.handlers.app import create_app
from toolhive_api.main import _Server
from toolhive_api.services.creation import Patience
from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.errors import ErrorCode
from toolhive_common.messaging.bucket import Bucket, Snapshot
from toolhive_common.messaging.bus import Bus, open_bus
from toolhive_common.messaging.progress import tell_progress
from toolhive_common.messaging.rpc import Operation, serve_agent
from toolhive_common.messaging.topology import wait_for_topology
from toolhive_common.schemas.commands import AgentOperation, LogsReply, LogsRequest, Progress, ProgressStage
from toolhive_common.schemas.state import (
    AgentState,
    DesiredPhase,
    DesiredWorkload,
    ObservedPhase,
    ObservedWorkload,
)
from toolhive_common.testing.nats_server import NatsServer

ROOT = Path(__file__).parents[4]
NATS_CONFIG = ROOT / "deploy/nats/nats.conf"
IMAGE = "uvx://mcp-server-time"
API = "/api/v1beta/workloads"


@asynccontextmanager
async def background(run: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run a coroutine function for the length of the block."""
    task = asyncio.ensure_future(run())
    try:
        yield
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1)


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Await an async check until it is true."""
    async with asyncio.timeout(seconds):
        while not await check():  # other processes change it
            await asyncio.sleep(0.02)


def settings(folder: Path, nats: NatsServer, **changes: object) -> Settings:
    """Settings of an API with a database of its own."""
    values: dict[str, object] = {
        "database_url": f"sqlite+aiosqlite:///{folder / 'toolhive.db'}",
        "nats_url": nats.url,
    }
    return Settings(**(values | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def running_api(
    folder: Path, nats: NatsServer, *, patience: Patience | None = None, ready: bool = True, **changes: object
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the API on a free port; the client is ready to be used."""
    values = settings(folder, nats, **changes)
    patience = patience or Patience(settling=timedelta(milliseconds=300))
    async with open_parts(values, bus_settings=nats.settings(Role.API), patience=patience) as parts:
        app = create_app(parts, openapi=values.openapi, allowed_hosts=values.host_names)
        server = _Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1))
        async with background(server.serve):
            await eventually(lambda: _is(server.started))
            port = server.servers[0].sockets[0].getsockname()[1]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                if ready:
                    await eventually(lambda: _ready(client))
                yield client
            server.should_exit = True
            await eventually(lambda: _is(not server.servers or not server.servers[0].is_serving()))


async def _is(value: object) -> bool:
    return bool(value)


async def _ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


@dataclass
class PlayedAgent:
    """Answers to each wish at once, as its fields say."""

    bus: Bus
    name: str = "default"
    failures: dict[str, tuple[ErrorCode, str]] = field(default_factory=dict)
    """Image to why it never starts."""
    pulling: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, images stay in preparation."""
    removing: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, nothing is removed."""
    seen: list[DesiredWorkload] = field(default_factory=list)
    problem: str = ""
    age: timedelta = timedelta()

    @property
    def observed(self) -> Bucket[ObservedWorkload]:
        return Bucket(self.bus, subjects.OBSERVED_BUCKET, ObservedWorkload)

    @property
    def desired(self) -> Bucket[DesiredWorkload]:
        return Bucket(self.bus, subjects.DESIRED_BUCKET, DesiredWorkload)

    async def beat(self) -> None:
        state = AgentState(
            name=self.name,
            boot_id="1",
            version="0",
            problem=self.problem,
            problem_code=ErrorCode.ENGINE_UNREACHABLE if self.problem else None,
            beat_at=datetime.now(UTC) - self.age,
        )
        await Bucket(self.bus, subjects.AGENTS_BUCKET, AgentState).put(self.name, state)

    async def run(self) -> None:
        async with aclosing(self.desired.watch()) as changes, asyncio.TaskGroup() as tasks:
            async for change in changes:
                values = list(change.values.values()) if isinstance(change, Snapshot) else [change.value]
                for value in values:
                    if value is not None and value not in self.seen:
                        self.seen.append(value)
                        tasks.create_task(self._answer(value))

    async def report(self, wish: DesiredWorkload, phase: ObservedPhase, **more: object) -> None:
        observed = ObservedWorkload(
            key=wish.key,
            revision=wish.revision,
            phase=phase,
            agent=self.name,
            updated_at=datetime.now(UTC),
            **more,  # type: ignore[arg-type]
        )
        await self.observed.put(wish.key, observed)

    async def _answer(self, wish: DesiredWorkload) -> None:
        match wish.phase:
            case DesiredPhase.REMOVED:
                await self.removing.wait()
                await self.report(wish, ObservedPhase.REMOVED)
            case DesiredPhase.STOPPED:
                await self.report(wish, ObservedPhase.STOPPED)
            case DesiredPhase.RUNNING:
                await self._start(wish)

    async def _start(self, wish: DesiredWorkload) -> None:
        await self.report(wish, ObservedPhase.PREPARING)
        progress = Progress(key=wish.key, revision=wish.revision, stage=ProgressStage.BUILDING, message="step 1 of 2")
        await tell_progress(self.bus, progress)
        await self.pulling.wait()
        if (failure := self.failures.get(wish.run_config.image)) is not None:
            await self.report(wish, ObservedPhase.ERROR, code=failure[0], reason=failure[1])
            return
        await self.report(wish, ObservedPhase.STARTING, image="local/image:1")
        await self.report(
            wish, ObservedPhase.RUNNING, image="local/image:1", started_at=datetime(2026, 1, 1, tzinfo=UTC)
        )


@asynccontextmanager
async def playing_agent(nats: NatsServer, *, name: str = "default") -> AsyncIterator[PlayedAgent]:
    """Play an agent, which pulls and removes at once unless its events are cleared."""
    async with open_bus(nats.settings(Role.AGENT)) as bus:
        await wait_for_topology(bus, pause=timedelta(milliseconds=50))
        agent = PlayedAgent(bus, name)
        agent.pulling.set()
        agent.removing.set()
        await agent.beat()

        async def logs(request: LogsRequest) -> LogsReply:
            return LogsReply(text=f"the last {request.lines} lines of {request.key.name}\n")

        await serve_agent(bus, name, {AgentOperation.LOGS: Operation(LogsRequest, logs)})
        async with background(agent.run):
            yield agent
