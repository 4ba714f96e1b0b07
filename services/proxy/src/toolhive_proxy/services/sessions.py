"""Asks whoever keeps a workload's sessions, and brings back what comes of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.port import ToBroker, Verb
from toolhive_proxy.models.routes import Route
from toolhive_proxy.services.inbox import Inbox, Inboxes
from toolhive_proxy.services.ports import Ports

__all__ = ["Sessions"]


class Sessions:
    """The proxy's side of all sessions."""

    def __init__(self, ports: Ports, inboxes: Inboxes) -> None:
        self._ports = ports
        self._inboxes = inboxes

    def keeps(self, route: Route) -> bool:
        """Whether there are sessions to ask about, or the server keeps its own."""
        return self._ports.keeps(route)

    def name(self, route: Route, inbox: Inbox) -> str:
        """First part of the ids of a stream's events."""
        return f"{self._ports.of(route).edge}.{inbox.number}"

    @asynccontextmanager
    async def ask(
        self,
        route: Route,
        verb: Verb,
        *,
        session: str = "",
        data: bytes = b"",
        streams: bool = False,
        after: str = "",
    ) -> AsyncIterator[Inbox]:
        """Ask, and hold the inbox of what comes of it. A block that ends early tells that its client left.

        Parameters
        ----------
        session, data, streams, after
            See `toolhive_common.mcp.port.ToBroker`.

        Raises
        ------
        ToolHiveError
            It did not reach whoever keeps the sessions.
        """
        port = self._ports.of(route)
        inbox = self._inboxes.open(route.key, route.attachment)
        try:
            await port.submit(ToBroker(verb, inbox.number, session, data, streams, after))
            yield inbox
        finally:
            ended = inbox.over and not inbox.ended_here
            self._inboxes.close(inbox)
            if not ended:
                leave = ToBroker(Verb.LEAVE, inbox.number, session, cancel=inbox.unwanted)
                with suppress(ToolHiveError):  # who cannot be told finds out by time
                    await port.submit(leave)
