"""Keeps the sessions of one stdio server, and holds its streams while it runs.

NATS frames ─> session host ─> standard input
standard output ─> session host ─> NATS frames
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from toolhive_agent.models.handshake import SavedHandshake
from toolhive_agent.models.kept_session import KeptSession
from toolhive_agent.services.session_events import SessionEvents
from toolhive_agent.services.session_store import SessionStore
from toolhive_common.durations import parse_duration
from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.port import FromBroker, decode_up, encode_down
from toolhive_common.mcp.session_ids import shown_part
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.frames import Frame, FrameChannel
from toolhive_common.schemas.runconfig import RunConfig, StdioProcess
from toolhive_common.schemas.state import DesiredWorkload, WorkloadKey
from toolhive_common.subjects import McpFrameSubject
from toolhive_runtime.runtime import Attachment
from toolhive_sessions.effects import Handshake
from toolhive_sessions.facts import SessionFacts, kept_name
from toolhive_sessions.host import Peer, SessionHost
from toolhive_sessions.line_peer import LinePeer
from toolhive_sessions.records import Policy

__all__ = ["KeeperSettings", "KeeperTools", "Slots", "StdioKeeper"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class KeeperSettings:
    """Limits of one server's sessions."""

    longest_line: int = 64 * 1024 * 1024
    """Bytes."""
    most_unwritten: int = 64 * 1024 * 1024
    """When more bytes wait for the server to read, what else is for it is refused."""
    session_ttl: float = 7200.0
    """Seconds after which a session that nobody uses ends, where its workload does not say another time."""
    max_sessions: int = 1000
    max_processes: int = 100
    """Started for sessions, or for clients of the other era."""
    tick: float = 1.0
    """Seconds between two looks at what is over."""


class Slots(Protocol):
    """Further containers of a workload, made like its first one."""

    async def start(self, key: WorkloadKey, slot: str) -> Attachment:
        """Start one, and hold its streams."""
        ...

    async def remove(self, key: WorkloadKey, slot: str) -> None:
        """Remove one. No error when there is none."""
        ...


@dataclass(frozen=True)
class KeeperTools:
    """What all keepers share."""

    bus: Bus
    frames: FrameChannel
    handshakes: Bucket[SavedHandshake]
    slots: Slots
    events: SessionEvents
    store: SessionStore


@dataclass
class _Hold:
    id: str
    container_id: str
    task: "asyncio.Task[None]"
    run: str = ""
    started_at: datetime | None = None


class StdioKeeper:
    """Implements `toolhive_sessions.host.Outlet` and `Launcher` for one workload."""

    def __init__(
        self,
        desired: DesiredWorkload,
        tools: KeeperTools,
        settings: KeeperSettings,
        *,
        restored: Iterable[SessionFacts] = (),
        on_lost: Callable[[WorkloadKey], None],
    ) -> None:
        self.ready = asyncio.Event()
        """Set once `hold` may be called."""
        self._desired = desired
        self._key = desired.key
        self._bus = tools.bus
        self._frames = tools.frames
        self._handshakes = tools.handshakes
        self._slots = tools.slots
        self._events = tools.events
        self._store = tools.store
        self._settings = settings
        self._on_lost = on_lost
        self._host = SessionHost(
            desired.key.name,
            _policy(desired.run_config, settings),
            self,
            self,
            limit=settings.longest_line,
            most_unwritten=settings.most_unwritten,
            tick=settings.tick,
        )
        self._out = str(McpFrameSubject(self._key, "{}", "out"))
        """Subject of what a proxy is told; built once, for it is needed with each message."""
        self._host.restore(restored)
        self._host.outlived = True
        self._group: asyncio.TaskGroup | None = None
        self._hold: _Hold | None = None
        self._handshake: Handshake | None = None
        self._changed = asyncio.Event()

    @property
    def attachment(self) -> tuple[str, str]:
        """The run that is held and the hold's id; empty when none is."""
        return (self._hold.run, self._hold.id) if self._hold else ("", "")

    def serves(self, run_config: RunConfig) -> bool:
        """Whether its sessions are those of such a server."""
        return self._desired.run_config == run_config

    def end_sessions(self) -> None:
        """Have the end of this keeper be that of all its sessions; else the agent's next life goes on with them."""
        self._host.outlived = False

    async def run(self) -> None:
        """Keep sessions until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(self._host.run())
            self._group.create_task(self._listen())
            self._group.create_task(self._keep_handshakes())
            self.ready.set()

    # -- the server -----------------------------------------------------------------------------------------------

    def hold(self, attachment: Attachment, container_id: str, *, known: Handshake | None) -> None:
        """Carry the messages of the server's first process until its output ends."""
        assert self._group is not None, "run() is not running"  # noqa: S101  # a mistake of the caller's
        self._handshake = known
        task = self._group.create_task(self._carry(attachment, known))
        self._hold = _Hold(uuid.uuid4().hex, container_id, task)

    def confirm(self, run: str, started_at: datetime) -> None:
        """Note which run the hold is on."""
        if self._hold is not None:
            self._hold.run, self._hold.started_at = run, started_at
            self._changed.set()
            for session in self._host.kept():  # they are of this run now
                self.session_changed(session)

    async def let_go(self) -> None:
        """End the hold; the server runs on."""
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.task.cancel()
            await asyncio.wait([hold.task])

    async def edge_gone(self, edge: str) -> None:
        """Take a proxy for dead."""
        await self._host.edge_gone(edge)

    async def _carry(self, attachment: Attachment, known: Handshake | None) -> None:
        task = asyncio.current_task()
        try:
            await self._host.serve_main(LinePeer(attachment, limit=self._settings.longest_line), known=known)
        except Exception:  # noqa: BLE001  # the top of the task: the worker takes a new hold
            _log.exception("a hold on a server failed", workload=self._key.name)
        finally:
            if self._hold is not None and self._hold.task is task:
                self._hold = None
            self._on_lost(self._key)

    async def start(self, slot: str) -> Peer:
        """Start a further process."""
        attachment = await self._slots.start(self._key, slot)
        return LinePeer(attachment, limit=self._settings.longest_line)

    async def stop(self, slot: str) -> None:
        """End a further process. What cannot be removed now is removed with the next look at everything."""
        try:
            await self._slots.remove(self._key, slot)
        except ToolHiveError as error:
            _log.warning("a further container stays for now", workload=self._key.name, slot=slot, cause=error.message)

    # -- the proxies ----------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Take frames of all proxies, from the first moment that NATS is there."""
        while True:
            await self._bus.wait_connected()
            try:
                subscription = await self._frames.receive(McpFrameSubject.to_server(self._key), self._take)
            except ToolHiveError:
                await asyncio.sleep(0.2)
                continue
            break
        try:
            await asyncio.Event().wait()
        finally:
            with suppress(Exception):  # the connection may be gone, and the subscription with it
                await subscription.unsubscribe()

    async def _take(self, frame: Frame) -> None:
        edge = frame.subject.rsplit(".", 2)[1]
        try:
            message = decode_up(frame.data)
        except (ValueError, TypeError) as error:
            _log.warning("a frame that cannot be read", workload=self._key.name, cause=str(error)[:200])
            return
        await self._host.submit(edge, message)

    def deliver(self, edge: str, message: FromBroker) -> Awaitable[None]:
        """Tell a proxy."""
        return self._send(self._out.format(edge), encode_down(message))

    async def _send(self, subject: str, data: bytes) -> None:
        """Send; waits while NATS is away, and so does the server in the end."""
        while True:
            try:
                await self._frames.send(subject, data)
            except ToolHiveError:
                await self._bus.wait_connected()
                await asyncio.sleep(0.1)
            else:
                return

    def session_opened(self, session: str, client: str) -> None:
        """Tell it as an event."""
        self._events.opened(self._desired, session, client)

    def session_changed(self, session: str) -> None:
        """Keep it over a restart of the agent."""
        self._store.note(self._key, kept_name(session), lambda: self._kept(session))

    def _kept(self, session: str) -> KeptSession | None:
        hold, facts = self._hold, self._host.facts(session)
        if hold is None or hold.started_at is None or facts is None:
            return None
        return KeptSession(
            container_id=hold.container_id,
            started_at=hold.started_at,
            name=facts.name,
            version=facts.version,
            capabilities=dict(facts.capabilities),
            client=facts.client,
            log_level=facts.log_level,
            subscriptions=facts.subscriptions,
        )

    def session_closed(self, session: str, client: str, reason: str) -> None:
        """Tell it as an event."""
        _log.info("a session ended", workload=self._key.name, session=shown_part(session), reason=reason)
        self._events.closed(self._desired, session, client)
        self._store.drop(self._key, kept_name(session))

    # -- the handshake --------------------------------------------------------------------------------------------

    def shook(self, handshake: Handshake) -> None:
        """Keep it over a restart of the agent."""
        self._handshake = handshake
        self._changed.set()

    async def _keep_handshakes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            hold = self._hold
            if self._handshake is None or hold is None or hold.started_at is None:
                continue
            try:
                await self._save(self._handshake, hold.container_id, hold.started_at)
            except ToolHiveError as error:
                _log.info("the handshake waits for NATS", workload=self._key.name, cause=error.message)
                await self._bus.wait_connected()
                await asyncio.sleep(0.5)
                self._changed.set()
            except Exception as error:  # noqa: BLE001  # a server's words must not end the agent
                # No message of the error and no second try: it may quote what the server said, and stays as it is.
                _log.warning(
                    "the server's handshake cannot be stored; after a restart of the agent the server is asked anew",
                    workload=self._key.name,
                    cause=type(error).__name__,
                )

    async def _save(self, handshake: Handshake, container_id: str, started_at: datetime) -> None:
        saved = SavedHandshake(
            container_id=container_id,
            started_at=started_at,
            params=dict(handshake.params),
            result=dict(handshake.result),
            initialized=handshake.initialized,
            modern=handshake.modern,
        )
        await self._handshakes.put(self._key, saved)


def _policy(run_config: RunConfig, settings: KeeperSettings) -> Policy:
    return Policy(
        per_session=run_config.stdio_process is StdioProcess.PER_SESSION,
        ttl=parse_duration(run_config.session_ttl) if run_config.session_ttl else settings.session_ttl,
        max_sessions=settings.max_sessions,
        max_processes=settings.max_processes,
    )
