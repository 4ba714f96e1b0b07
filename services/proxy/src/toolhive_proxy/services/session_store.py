"""All sessions of this proxy: opened, found, and ended for every reason there is."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from toolhive_common.schemas.events import EventType
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy.decisions.routing_table import Change, Reattached, Went, outlives
from toolhive_proxy.decisions.session_state import is_expired, least_missed
from toolhive_proxy.errors import SessionsFullError
from toolhive_proxy.models.routes import Lookup, Route, Unknown
from toolhive_proxy.services.event_teller import EventTeller
from toolhive_proxy.services.links import Links
from toolhive_proxy.services.message_stream import StreamLimits
from toolhive_proxy.services.session import Session, SessionIdentity

__all__ = ["SessionStore"]

_log = structlog.get_logger(__name__)
_SPARED = timedelta(minutes=10)
"""A session used within it is not ended to make room for another."""
_REATTACHED = "the connection to the server was restarted; call again"


class SessionStore:
    """Keeps sessions by id. A session belongs to one workload and is found through that one only.

    Parameters
    ----------
    new_id
        Makes ids that nobody can guess: knowing one is being let in.
    ttl
        Time after which a session that nobody uses ends.
    max_sessions
        Sessions of one workload. Each holds a subscription and its messages: clients that come and never end theirs
        must not fill the memory.
    """

    def __init__(
        self,
        links: Links,
        teller: EventTeller,
        *,
        limits: StreamLimits,
        ttl: timedelta,
        max_sessions: int,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._links = links
        self._teller = teller
        self._limits = limits
        self._ttl = ttl
        self._max_sessions = max_sessions
        self._now = now
        self._new_id = new_id
        self._sessions: dict[str, Session] = {}
        self._lost: asyncio.Queue[Session] = asyncio.Queue()

    def __len__(self) -> int:
        """Sessions that are open, one-shot ones included."""
        return len(self._sessions)

    async def open(self, route: Route, *, one_shot: bool = False) -> Session:
        """Make a session and connect it to its server.

        Raises
        ------
        SessionsFullError
            The workload has as many as it may.
        ToolHiveError
            The server or NATS cannot be reached.
        """
        self._make_room(route.key)
        identity = SessionIdentity(self._new_id(), route.key, route.revision, route.run_config, one_shot)
        session = Session(identity, self._limits, now=self._now(), on_lost=self._on_lost)
        self._sessions[identity.id] = session
        try:
            session.join(await self._links.open(route, identity.id, session))
        except BaseException:
            self._sessions.pop(identity.id, None)
            raise
        return session

    def _make_room(self, key: WorkloadKey) -> None:
        mine = [session for session in self._sessions.values() if session.identity.key == key]
        if len(mine) < self._max_sessions:
            return
        idle = {session.identity.id: session.last_used for session in mine if not session.busy}
        oldest = least_missed(idle, now=self._now(), idle=_SPARED)
        if oldest is None:
            raise SessionsFullError(key.name, self._max_sessions)
        leaving = self._sessions[oldest]
        self._forget(leaving, "it made room for another session")
        self._lost.put_nowait(leaving)

    def announce(self, session: Session, client: str) -> None:
        """Tell that the handshake of a session was done."""
        session.client = client
        session.announced = True
        self._tell(EventType.SESSION_OPENED, session)

    def find(self, key: WorkloadKey, session_id: str) -> Session | None:
        """A client's session with a workload. Finding it counts as its use."""
        session = self._sessions.get(session_id)
        if session is None or session.identity.key != key or session.identity.one_shot:
            return None
        session.last_used = self._now()
        return session

    async def end(self, session: Session, reason: str) -> None:
        """End a session from our side. Ending it again does nothing."""
        self._forget(session, reason)
        await session.leave()

    async def end_all(self, reason: str) -> None:
        """End every session."""
        for session in list(self._sessions.values()):
            await self.end(session, reason)

    async def reap(self) -> None:
        """End the sessions that nobody used for too long."""
        for session in list(self._sessions.values()):
            if session.busy:
                session.last_used = self._now()
            elif is_expired(last_used=session.last_used, busy=False, now=self._now(), ttl=self._ttl):
                await self.end(session, "the session was not used for too long")

    async def run_reaper(self, *, pause: timedelta = timedelta(minutes=1)) -> None:
        """Reap for ever."""
        while True:
            await asyncio.sleep(pause.total_seconds())
            await self.reap()

    async def run_janitor(self) -> None:
        """Close the ways of sessions that ended from the server's side, for ever."""
        while True:
            session = await self._lost.get()
            await session.leave()

    def fail_stdio(self, reason: str) -> None:
        """Answer all open calls to stdio servers with an error: the way of their answers is gone."""
        for session in self._of_transport(Transport.STDIO):
            session.fail(reason)

    def close_listeners(self) -> None:
        """End all GET streams: the proxy stops."""
        for session in self._sessions.values():
            session.close_listener()

    def on_change(self, changes: list[Change], table: Mapping[str, Lookup]) -> None:
        """Fail the calls that lost their server, and end the sessions whose server is another one now."""
        for change in changes:
            match change:
                case Reattached(route):
                    self._fail_calls_of(route.key, _REATTACHED, attached_to=route.attachment)
                case Went(route, reason) if route.transport is Transport.STDIO:
                    self._fail_calls_of(route.key, reason)
                case _:
                    pass
        for session in list(self._sessions.values()):
            name = session.identity.key.name
            if not outlives(session.identity.run_config, table.get(name, Unknown(name))):
                session.lose(f"the workload {name!r} was removed or replaced")

    def _fail_calls_of(self, key: WorkloadKey, reason: str, *, attached_to: str | None = None) -> None:
        for session in self._of_transport(Transport.STDIO):
            if session.identity.key == key:
                session.fail(reason, attached_to=attached_to)

    def _of_transport(self, transport: Transport) -> list[Session]:
        return [session for session in self._sessions.values() if session.identity.transport is transport]

    def _on_lost(self, session: Session, reason: str) -> None:
        self._forget(session, reason)
        self._lost.put_nowait(session)

    def _forget(self, session: Session, reason: str) -> None:
        if self._sessions.pop(session.identity.id, None) is None:
            return
        session.shut(reason)
        if session.announced:
            _log.info("a session ended", session=session.identity.id[:8], reason=reason)
            self._tell(EventType.SESSION_CLOSED, session)

    def _tell(self, event_type: EventType, session: Session) -> None:
        identity = session.identity
        self._teller.session(event_type, identity.key, identity.revision, session=identity.id, client=session.client)
