"""Sessions that this proxy keeps itself: of servers that speak HTTP, and of stdio servers whose streams it holds."""

from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from toolhive_common.mcp.port import FromBroker, ToBroker, Verb
from toolhive_common.schemas.events import EventType
from toolhive_proxy.models.metrics import WorkloadMetrics
from toolhive_proxy.models.routes import Route
from toolhive_proxy.services.callers import Credentials, caller_headers, connecting_with
from toolhive_proxy.services.event_teller import EventTeller
from toolhive_proxy.services.inbox import Inboxes
from toolhive_sessions.effects import Handshake
from toolhive_sessions.host import Launcher, SessionHost
from toolhive_sessions.records import Policy

__all__ = ["LocalPort"]


class LocalPort:
    """Implements `models.ports.Port`, and `toolhive_sessions.host.Outlet`.

    Parameters
    ----------
    launcher
        Makes the connections, or processes, that stand behind sessions.
    """

    def __init__(
        self,
        route: Route,
        policy: Policy,
        launcher: Launcher,
        inboxes: Inboxes,
        teller: EventTeller,
        *,
        edge: str,
        max_message: int,
        metrics: WorkloadMetrics,
    ) -> None:
        self._route = route
        self._inboxes = inboxes
        self._teller = teller
        self._edge = edge
        self._metrics = metrics
        self._credentials: WeakValueDictionary[str, Credentials] = WeakValueDictionary()
        self.on_shook: Callable[[Handshake], None] | None = None
        """Takes what a stdio server's first process is known for, where that shall outlive this proxy."""
        self.host = SessionHost(route.key.name, policy, launcher, self, limit=max_message)

    @property
    def edge(self) -> str:
        """What this proxy is called."""
        return self._edge

    async def submit(self, message: ToBroker) -> None:
        """Ask our own keeper."""
        if not self.host.began.is_set():
            await self.host.began.wait()
        if self._route.origin is None:  # a process takes no credentials
            await self.host.submit(self._edge, message)
            return
        with connecting_with(self._credentials_of(message)):
            await self.host.submit(self._edge, message)

    def _credentials_of(self, message: ToBroker) -> Credentials:
        """Those of the message's session, renewed by it. They last as long as its connection."""
        credentials = self._credentials.get(message.session) or Credentials()
        if message.session:
            self._credentials[message.session] = credentials
        if message.verb is not Verb.LEAVE:  # an old stream that closes says nothing of now
            credentials.headers = caller_headers()
        return credentials

    def deliver(self, edge: str, message: FromBroker) -> Awaitable[None] | None:  # noqa: ARG002  # there is one edge
        """Hand on what is said; the server waits for clients that read slowly."""
        return self._inboxes.deliver_waiting(message)

    def session_opened(self, session: str, client: str) -> None:
        """Count it, and tell it as an event."""
        self._metrics.sessions += 1
        self._tell(EventType.SESSION_OPENED, session, client)

    def session_changed(self, session: str) -> None:  # as above
        """Nothing: the process ends with this one, and so do its sessions."""

    def session_closed(self, session: str, client: str, reason: str) -> None:  # noqa: ARG002  # it is for the log
        """Count it, and tell it as an event."""
        self._metrics.sessions -= 1
        self._tell(EventType.SESSION_CLOSED, session, client)

    def shook(self, handshake: Handshake) -> None:
        """Have it kept, where what we hold goes on without us."""
        if self.on_shook is not None:
            self.on_shook(handshake)

    def _tell(self, event_type: EventType, session: str, client: str) -> None:
        route = self._route
        self._teller.session(event_type, route.key, route.revision, session=session, client=client)
