"""Keeps the proxy in step with what is declared and observed, for as long as the process lives."""

import asyncio
from collections.abc import Mapping

import structlog

from toolhive_common.messaging.bus import Bus
from toolhive_common.schemas.events import EventType
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.decisions.routing_table import Came, Change, Went
from toolhive_proxy.models.routes import Lookup, Route
from toolhive_proxy.services.directory import Directory
from toolhive_proxy.services.event_teller import EventTeller
from toolhive_proxy.services.ports import Ports

__all__ = ["RouteKeeper"]

_log = structlog.get_logger(__name__)
_FLUSH = 2.0
"""Seconds for the last events, when the proxy stops."""


class RouteKeeper:
    """Runs everything that goes on besides requests."""

    def __init__(self, bus: Bus, directory: Directory, ports: Ports, teller: EventTeller, http: UpstreamHttp) -> None:
        self._bus = bus
        self._directory = directory
        self._ports = ports
        self._teller = teller
        self._http = http
        directory.tell(self._on_change)
        directory.tell(ports.on_change)

    async def run(self) -> None:
        """Go on for ever. If any part fails, all end: a proxy that looks alive and is blind would be worse."""
        async with asyncio.TaskGroup() as tasks:
            for part in (
                self._directory.watch_desired(),
                self._directory.watch_observed(),
                self._teller.run(),
                self._ports.run(),
                self._watch_bus(),
            ):
                tasks.create_task(part)

    async def farewell(self) -> None:
        """End our own sessions, and tell that nothing is served here any more. `run` must still be running."""
        await self._ports.goodbye()
        for found in self._directory.table.values():
            if isinstance(found, Route):
                self._teller.route(EventType.PROXY_STOPPED, found)
        await self._teller.flush(_FLUSH)
        self._http.close()

    def _on_change(self, changes: list[Change], _table: Mapping[str, Lookup]) -> None:
        for change in changes:
            match change:
                case Came(route):
                    _log.info("serving a workload", workload=route.key.name, transport=str(route.transport))
                    self._teller.route(EventType.PROXY_STARTED, route)
                case Went(route, reason):
                    _log.info("not serving a workload any more", workload=route.key.name, reason=reason)
                    self._teller.route(EventType.PROXY_STOPPED, route)
                case _:
                    pass

    async def _watch_bus(self) -> None:
        while True:
            await self._bus.wait_connected()
            await self._ports.nats_back()
            await self._bus.wait_disconnected()
            self._ports.nats_lost()
