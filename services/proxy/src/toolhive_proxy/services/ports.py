"""Which way leads to a workload's sessions, and what becomes of open responses when it changes."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.port import RefusalCode
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy.adapters.stdio_port import StdioPorts
from toolhive_proxy.decisions.routing_table import Change, Reattached, Went
from toolhive_proxy.errors import StaleRouteError
from toolhive_proxy.models.ports import Port
from toolhive_proxy.models.routes import Lookup, Route, Unavailable
from toolhive_proxy.services.inbox import Inbox, Inboxes
from toolhive_proxy.services.local_port import LocalPort

__all__ = ["Ports"]

_log = structlog.get_logger(__name__)
_NATS_LOST = "the connection to NATS, which carries the server's messages, was lost; call again"
_REATTACHED = "the connection to the server was restarted; call again"


class Ports:
    """All ways.

    Parameters
    ----------
    make_local
        Makes the keeper of the sessions of a server that this proxy connects to itself.
    find
        Tells where a workload is now. A request comes with where it was when the request came, and may have waited.
    """

    def __init__(
        self,
        stdio: StdioPorts | None,
        inboxes: Inboxes,
        make_local: Callable[[Route], LocalPort],
        find: Callable[[str], Lookup],
    ) -> None:
        self._stdio = stdio
        self._inboxes = inboxes
        self._make_local = make_local
        self._find = find
        self._remote: dict[WorkloadKey, Port] = {}
        self._local: dict[WorkloadKey, tuple[Route, LocalPort, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Listen to the agents until cancelled."""
        if self._stdio is not None:
            await self._stdio.run()

    def of(self, route: Route) -> Port:
        """The way to the sessions of a workload.

        Raises
        ------
        StaleRouteError
            It leads elsewhere now.
        """
        if route.origin is None and self._stdio is not None:
            if (port := self._remote.get(route.key)) is None:
                self._refuse_stale(route)
                port = self._remote[route.key] = self._stdio.port(route.key)
            return port
        return self.local(route)

    def local(self, route: Route) -> LocalPort:
        """Our own keeper of the sessions of a workload; a new one for another server than before.

        Raises
        ------
        StaleRouteError
            That is not where the workload is now.
        """
        found = self._local.get(route.key)
        if found is not None and _same_server(found[0], route):
            return found[1]
        self._refuse_stale(route, kept=found is not None)
        if found is not None:
            found[2].cancel()
        port = self._make_local(route)
        # Owned by this object: `goodbye` ends it, and it handles its own failures.
        task = asyncio.get_running_loop().create_task(self._run_local(port, route))
        self._local[route.key] = route, port, task
        return port

    def _refuse_stale(self, route: Route, *, kept: bool = False) -> None:
        """Refuse a route that is not its workload's now; ``kept`` = somebody's sessions would end for it.

        It is not served by where the workload is instead: what passed the gates of then may not pass those of now.
        """
        now = self._find(route.key.name)
        if kept if isinstance(now, Unavailable) else not isinstance(now, Route) or not _same_server(now, route):
            raise StaleRouteError(route.key.name)

    async def _run_local(self, port: LocalPort, route: Route) -> None:
        try:
            await port.host.run()
        except Exception:  # noqa: BLE001  # the top of one workload's sessions: the others go on
            _log.exception("keeping sessions failed", workload=route.key.name)
            if (found := self._local.get(route.key)) is not None and found[1] is port:
                del self._local[route.key]

    async def goodbye(self) -> None:
        """End our own sessions, and tell the agents that this proxy stops."""
        tasks = [task for _, _, task in self._local.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._local.clear()
        if self._stdio is not None:
            await self._stdio.goodbye()

    # -- changes --------------------------------------------------------------------------------------------------

    def on_change(self, changes: list[Change], table: Mapping[str, Lookup]) -> None:
        """Fail what lost its server, and end our own sessions whose server is another one now."""
        for change in changes:
            match change:
                case Reattached(route):
                    self._fail_of(route.key, _REATTACHED, attached_to=route.attachment)
                case Went(route, reason) if route.origin is None:
                    self._fail_of(route.key, reason)
                case _:
                    pass
        for key, (route, _, task) in list(self._local.items()):
            now = table.get(key.name)
            if now is None or (isinstance(now, Route) and not _same_server(route, now)):
                task.cancel()
                del self._local[key]
        for key in list(self._remote):
            now = table.get(key.name)
            if now is None or (isinstance(now, Route) and now.origin is not None):
                del self._remote[key]

    def nats_lost(self) -> None:
        """Fail all that waits for an agent: the way of the answers is gone."""
        self._inboxes.fail_all(RefusalCode.SERVER_LOST, _NATS_LOST, where=self._is_remote)

    async def nats_back(self) -> None:
        """Tell the agents what could not be told meanwhile."""
        if self._stdio is not None:
            with suppress(ToolHiveError):  # it was lost again
                await self._stdio.say_what_waited()

    def _is_remote(self, inbox: Inbox) -> bool:
        return inbox.key in self._remote

    def _fail_of(self, key: WorkloadKey, reason: str, *, attached_to: str | None = None) -> None:
        self._inboxes.fail_all(
            RefusalCode.SERVER_LOST,
            reason,
            where=lambda inbox: inbox.key == key and self._is_remote(inbox) and inbox.attachment != attached_to,
        )


def _same_server(old: Route, new: Route) -> bool:
    return (old.origin, old.run_config) == (new.origin, new.run_config)
