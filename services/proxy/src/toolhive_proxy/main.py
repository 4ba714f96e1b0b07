"""Wires the process: settings, NATS, services, HTTP server."""

import asyncio
import gc
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
import uvloop

from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bus import open_bus
from toolhive_common.observability.logs import configure_logging
from toolhive_proxy import factory
from toolhive_proxy.adapters.http_server import HttpServer
from toolhive_proxy.config import Settings
from toolhive_proxy.decisions.places import Endpoint, rest_of
from toolhive_proxy.errors import AddressError
from toolhive_proxy.handlers.app import ProxyApp, nothing_there
from toolhive_proxy.handlers.call_writer import StreamTimes
from toolhive_proxy.handlers.endpoint import Gates, Ways, WorkloadEndpoints
from toolhive_proxy.handlers.health import ProcessHealth, WorkloadHealth
from toolhive_proxy.handlers.metadata import ResourceMetadata, no_such_address
from toolhive_proxy.handlers.metrics_page import MetricsPage, no_metrics
from toolhive_proxy.handlers.sessions_front import SessionsFront
from toolhive_proxy.handlers.sse_front import SseFront, messages_url
from toolhive_proxy.middleware.workload_gates import oidc_of
from toolhive_proxy.models.http import HttpLimits

__all__ = ["listening", "main", "run", "serve"]

_log = structlog.get_logger(__name__)
_GRACE = 10.0
"""Seconds for the requests under way when the proxy is told to stop."""


def _endpoints(settings: Settings, parts: factory.Parts, single: str) -> WorkloadEndpoints:
    times = StreamTimes(patience=settings.proxy_request_timeout, quick=settings.proxy_quick_answer)
    return WorkloadEndpoints(
        parts.directory,
        Gates(parts.chains, parts.runner, parts.origin),
        Ways(
            parts.forwarding,
            SessionsFront(parts.sessions, parts.tool_headers, times=times, new_session_id=factory.new_id),
            SseFront(
                parts.sessions,
                times=times,
                new_session_id=factory.new_id,
                endpoint=partial(messages_url, single=single),
            ),
        ),
        parts.metrics,
        not_found=nothing_there(single=single),
        rest_of=partial(rest_of, single=single),
        clock=time.monotonic,
    )


def _app(parts: factory.Parts, endpoints: WorkloadEndpoints, single: str) -> ProxyApp:
    process = ProcessHealth(parts.checks, parts.runner)
    return ProxyApp(
        {
            Endpoint.MCP: endpoints.mcp,
            Endpoint.SSE: endpoints.sse,
            Endpoint.MESSAGES: endpoints.messages,
            Endpoint.OTHER: endpoints.other,
            Endpoint.HEALTH: WorkloadHealth(parts.directory, parts.now, lenient=parts.supervised),
            Endpoint.METADATA: ResourceMetadata(parts.directory, oidc_of, parts.endpoint_of),
            Endpoint.WELL_KNOWN: no_such_address,
            Endpoint.METRICS: no_metrics,
            Endpoint.PROCESS_ALIVE: process.alive,
            Endpoint.PROCESS_READY: process.ready,
        },
        single=single,
    )


async def _serve_metrics(settings: Settings, parts: factory.Parts) -> HttpServer:
    limits = HttpLimits(max_body=0)
    server = HttpServer(
        MetricsPage(parts.metrics.render),
        limits,
        new_correlation_id=factory.correlation_ids(),
        admits=parts.doorkeeper.admits,
    )
    if settings.proxy_metrics_port:
        try:
            await server.listen(settings.host, settings.proxy_metrics_port)
        except ToolHiveError as error:
            # Calls matter more than numbers about them: several proxies on one machine all have the same default.
            _log.warning("no numbers: set TOOLHIVE_PROXY_METRICS_PORT to a free port, or to 0", cause=error.message)
    return server


@asynccontextmanager
async def listening(
    settings: Settings, parts: factory.Parts, *, single: str = "", sockets: list[socket.socket] | None = None
) -> AsyncIterator[None]:
    """Serve for the length of the block; then end the streams, and finish what is under way.

    Parameters
    ----------
    single
        Name of the only workload, served at the root; empty for all workloads by their names.

    Raises
    ------
    AddressError
        The address cannot be had.
    """
    endpoints = _endpoints(settings, parts, single)
    limits = HttpLimits(max_body=settings.proxy_max_body)
    server = HttpServer(
        _app(parts, endpoints, single),
        limits,
        new_correlation_id=factory.correlation_ids(),
        admits=parts.doorkeeper.admits,
    )
    await server.listen(settings.host, settings.port, sockets)
    numbers = await _serve_metrics(settings, parts)
    try:
        yield
    finally:
        parts.inboxes.end_endless()
        endpoints.end_streams()
        await server.stop(_GRACE)
        await numbers.stop(0)
        await parts.tasks.end()


async def serve(settings: Settings, stop: asyncio.Event, *, sockets: list[socket.socket] | None = None) -> None:
    """Serve until ``stop`` is set, on the given sockets or on the address of the settings.

    Raises
    ------
    AddressError, SettingError
        The settings can never work here.
    """
    settings.require_files()  # while NATS is down too
    async with open_bus(factory.bus_settings(settings)) as bus:
        parts, keeper = factory.build(settings, bus)
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(keeper.run())
                async with listening(settings, parts, sockets=sockets):
                    await stop.wait()
                await keeper.farewell()
                keeping.cancel()
        except* AddressError as errors:
            raise errors.exceptions[0] from None


async def _until_told(serving: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    await serving(stop)


def run(serving: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run until a signal says to stop. What cannot be served ends the process with a sentence."""
    # What is there now stays, and a request leaves no cycles behind: to look for some so often is time lost.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_until_told(serving))
        except ToolHiveError as error:
            sys.exit(error.message)


def main() -> None:
    """Run the proxy's process."""
    settings = Settings()
    configure_logging("proxy", level=settings.log_level)
    run(lambda stop: serve(settings, stop))
