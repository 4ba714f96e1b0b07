"""Wires the process: settings, NATS, services, HTTP server."""

import asyncio
import gc
import signal
import socket
import sys

import uvloop

from toolhive_common.messaging.bus import open_bus
from toolhive_common.observability.logs import configure_logging
from toolhive_proxy import factory
from toolhive_proxy.adapters.http_server import HttpServer
from toolhive_proxy.config import Settings
from toolhive_proxy.decisions.places import Endpoint
from toolhive_proxy.errors import AddressError
from toolhive_proxy.handlers.app import ProxyApp
from toolhive_proxy.handlers.call_writer import StreamTimes
from toolhive_proxy.handlers.endpoint import Gates, WorkloadEndpoints
from toolhive_proxy.handlers.health import ProcessHealth, WorkloadHealth
from toolhive_proxy.handlers.sessions_front import SessionsFront
from toolhive_proxy.handlers.sse_front import SseFront
from toolhive_proxy.models.http import HttpLimits

__all__ = ["main", "serve"]

_GRACE = 10.0
"""Seconds for the requests under way when the proxy is told to stop."""


def _endpoints(settings: Settings, parts: factory.Parts) -> WorkloadEndpoints:
    times = StreamTimes(patience=settings.proxy_request_timeout)
    return WorkloadEndpoints(
        parts.directory,
        Gates(parts.chains, parts.runner, parts.origin),
        parts.forwarding,
        SessionsFront(parts.sessions, parts.tool_headers, times=times, new_session_id=factory.new_id),
        SseFront(
            parts.sessions,
            times=times,
            new_session_id=factory.new_id,
            endpoint=lambda context: context.request.path.rstrip("/").removesuffix("/sse") + "/messages",
        ),
    )


def _app(parts: factory.Parts, endpoints: WorkloadEndpoints) -> ProxyApp:
    process = ProcessHealth({"nats": parts.bus.check, "workloads": parts.directory.check}, parts.runner)
    return ProxyApp(
        {
            Endpoint.MCP: endpoints.mcp,
            Endpoint.SSE: endpoints.sse,
            Endpoint.MESSAGES: endpoints.messages,
            Endpoint.HEALTH: WorkloadHealth(parts.directory, parts.now),
            Endpoint.PROCESS_ALIVE: process.alive,
            Endpoint.PROCESS_READY: process.ready,
        }
    )


async def serve(settings: Settings, stop: asyncio.Event, *, sockets: list[socket.socket] | None = None) -> None:
    """Serve until ``stop`` is set, on the given sockets or on the address of the settings."""
    async with open_bus(factory.bus_settings(settings)) as bus:
        parts = factory.build(settings, bus)
        endpoints = _endpoints(settings, parts)
        limits = HttpLimits(max_body=settings.proxy_max_body)
        server = HttpServer(_app(parts, endpoints), limits, new_correlation_id=factory.correlation_ids())
        await server.listen(settings.host, settings.port, sockets)
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(parts.keeper.run())
            await stop.wait()
            parts.inboxes.end_endless()
            endpoints.end_streams()
            await server.stop(_GRACE)
            await parts.tasks.end()
            await parts.keeper.farewell()
            keeping.cancel()


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    await serve(settings, stop)


def main() -> None:
    """Run the proxy's process."""
    settings = Settings()
    configure_logging("proxy", level=settings.log_level)
    # What is there now stays, and a request leaves no cycles behind: to look for some so often is time lost.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_run(settings))
        except AddressError as error:
            sys.exit(error.message)
