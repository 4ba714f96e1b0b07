"""Wires the process: settings, NATS, services, HTTP server."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
import uvloop

from toolhive_common.messaging.bus import open_bus
from toolhive_common.observability.health import HealthApp
from toolhive_common.observability.logs import configure_logging
from toolhive_proxy import factory
from toolhive_proxy.config import Settings
from toolhive_proxy.handlers.app import ProxyApp
from toolhive_proxy.handlers.endpoint import McpEndpoint
from toolhive_proxy.handlers.event_streams import StreamTimes
from toolhive_proxy.handlers.health import WorkloadHealth

__all__ = ["ProxyServer", "build_app", "main", "serve"]

_GRACE = 10
"""Seconds for the requests under way when the proxy is told to stop."""


class ProxyServer(uvicorn.Server):
    """Ends the streams that would never end, as soon as it is told to stop."""

    def __init__(self, config: uvicorn.Config, parts: factory.Parts) -> None:
        super().__init__(config)
        self._parts = parts

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `main`: uvicorn would raise them again before the last events are told."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, end the streams, and wait for the rest."""
        self._parts.stopping.set()
        self._parts.keeper.end_streams()
        await super().shutdown(sockets)


def build_app(settings: Settings, parts: factory.Parts) -> ProxyApp:
    """Join paths, middleware and services."""
    endpoint = McpEndpoint(
        parts.directory,
        parts.calls,
        parts.forwarding,
        times=StreamTimes(patience=settings.proxy_request_timeout),
        stopping=parts.stopping,
    )
    return ProxyApp(
        mcp=factory.guard(endpoint, settings, parts.directory),
        workload_health=WorkloadHealth(parts.directory, parts.now),
        process_health=HealthApp({"nats": parts.bus.check, "workloads": parts.directory.check}),
    )


async def serve(settings: Settings, stop: asyncio.Event, *, sockets: list[socket.socket] | None = None) -> None:
    """Serve until ``stop`` is set, on the given sockets or on the address of the settings."""
    async with open_bus(factory.bus_settings(settings)) as bus:
        parts = factory.build(settings, bus)
        config = uvicorn.Config(
            build_app(settings, parts),
            host=settings.host,
            port=settings.port,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
        )
        server = ProxyServer(config, parts)
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(parts.keeper.run())
            stopping = tasks.create_task(_stop_when_told(server, stop))
            await server.serve(sockets)
            await parts.keeper.farewell()
            keeping.cancel()
            stopping.cancel()


async def _stop_when_told(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    await serve(settings, stop)


def main() -> None:
    """Run the proxy's process."""
    settings = Settings()
    configure_logging("proxy", level=settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings))
