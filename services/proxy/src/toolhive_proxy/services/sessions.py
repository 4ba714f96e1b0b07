"""Asks whoever keeps a workload's sessions, and brings back what comes of it."""

from contextlib import suppress

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.port import ToBroker, Verb
from toolhive_proxy.decisions.session_keys import session_key
from toolhive_proxy.models.gates import Identity
from toolhive_proxy.models.ports import Port
from toolhive_proxy.models.routes import Route
from toolhive_proxy.services.inbox import Inbox, Inboxes
from toolhive_proxy.services.ports import Ports

__all__ = ["Asking", "Sessions"]


class Sessions:
    """The proxy's side of all sessions."""

    def __init__(self, ports: Ports, inboxes: Inboxes) -> None:
        self._ports = ports
        self._inboxes = inboxes

    def name(self, route: Route, inbox: Inbox) -> str:
        """First part of the ids of a stream's events."""
        return f"{self._ports.of(route).edge}.{inbox.number}"

    def ask(
        self,
        route: Route,
        verb: Verb,
        *,
        caller: Identity | None,
        session: str = "",
        data: bytes = b"",
        streams: bool = False,
        after: str = "",
    ) -> "Asking":
        """Ask, and hold the inbox of what comes of it: ``async with``.

        Parameters
        ----------
        caller
            Whose session it is.
        session, data, streams, after
            See `toolhive_common.mcp.port.ToBroker`.
        """
        key = session_key(session, caller)
        port = self._ports.of(route)
        inbox = self._inboxes.open(route.key, route.attachment)
        return Asking(port, self._inboxes, inbox, ToBroker(verb, inbox.number, key, data, streams, after))


class Asking:
    """Holds an inbox for the length of a block. A block that ends early tells that its client left."""

    # Not a generator of `contextlib`, which costs several times as much: there is one for each call.
    __slots__ = ("_inbox", "_inboxes", "_message", "_port")

    def __init__(self, port: Port, inboxes: Inboxes, inbox: Inbox, message: ToBroker) -> None:
        self._port = port
        self._inboxes = inboxes
        self._inbox = inbox
        self._message = message

    async def __aenter__(self) -> Inbox:
        """Ask.

        Raises
        ------
        ToolHiveError
            It did not reach whoever keeps the sessions.
        """
        try:
            await self._port.submit(self._message)
        except BaseException:
            await self._let_go()
            raise
        return self._inbox

    async def __aexit__(self, *_failure: object) -> None:
        """Let go of the inbox."""
        await self._let_go()

    async def _let_go(self) -> None:
        inbox = self._inbox
        ended = inbox.over and not inbox.ended_here
        self._inboxes.close(inbox)
        if not ended:
            leave = ToBroker(Verb.LEAVE, inbox.number, self._message.session, cancel=inbox.unwanted)
            with suppress(ToolHiveError):  # who cannot be told finds out by time
                await self._port.submit(leave)
