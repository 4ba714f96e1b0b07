"""The process: what runs in it, and how it ends."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import structlog
import uvicorn
import uvloop

from toolhive_agent.config import Settings
from toolhive_agent.factory import build
from toolhive_agent.handlers.operations import operations
from toolhive_agent.services.logs import Logs
from toolhive_common.access import Role
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bus import Bus, BusSettings, open_bus
from toolhive_common.messaging.rpc import serve_agent
from toolhive_common.messaging.topology import wait_for_topology
from toolhive_common.observability.health import HealthApp
from toolhive_common.observability.logs import configure_logging
from toolhive_runtime.docker import detect_runtime
from toolhive_runtime.runtime import Runtime

__all__ = ["main", "run_agent"]

_log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """Leaves the signals to us: containers run on, but callers are told before the process ends."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_agent(settings: Settings, bus: Bus, detect: Callable[[], Awaitable[Runtime]]) -> None:
    """Run until cancelled. The containers run on."""
    async with asyncio.TaskGroup() as group:
        parts = build(settings, bus, detect, group)
        health = HealthApp({"nats": bus.check, "engine": parts.engine.health, "heartbeat": parts.heartbeat.health})
        server = _Server(
            uvicorn.Config(
                health,
                host=settings.host,
                port=settings.port,
                log_config=None,
                lifespan="off",
                timeout_graceful_shutdown=2,
            )
        )
        serving = group.create_task(server.serve())
        group.create_task(parts.heartbeat.run())
        try:
            await wait_for_topology(bus)
            await parts.agent.recall()
            group.create_task(parts.reporter.run())
            group.create_task(parts.agent.follow_engine())
            group.create_task(parts.hub.watch_edges())
            group.create_task(parts.sessions.run())
            group.create_task(_serve(bus, settings.agent_name, parts.logs))
            await parts.agent.follow_wishes()
        finally:
            server.should_exit = True
            await parts.agent.close()
            await parts.hub.close()  # while the engine is still there
            await serving  # cancelling it would leave its socket open
            await parts.engine.close()


async def _serve(bus: Bus, name: str, logs: Logs) -> None:
    while True:
        await bus.wait_connected()
        try:
            await serve_agent(bus, name, operations(logs))
        except ToolHiveError as error:
            _log.info("offering the agent's operations again", cause=error.message)
            await asyncio.sleep(0.5)
        else:
            return


async def _run(settings: Settings) -> None:
    bus_settings = BusSettings(
        url=settings.nats_url,
        role=Role.AGENT,
        password=settings.nats_password.get_secret_value(),
        name=f"toolhive-agent-{settings.agent_name}",
        ca_file=settings.nats_ca_file,
    )
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_bus(bus_settings) as bus, asyncio.TaskGroup() as group:
        running = group.create_task(run_agent(settings, bus, lambda: detect_runtime(os.environ)))
        stopping = group.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        _log.info("stopping; the containers run on")
        running.cancel()
        stopping.cancel()


def main() -> None:
    """Run the agent's process."""
    settings = Settings()
    configure_logging("runtime-agent", level=settings.log_level)
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings))
