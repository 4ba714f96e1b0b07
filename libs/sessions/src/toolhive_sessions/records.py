"""What the broker remembers of sessions and processes, and the rules about their number and age."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

from toolhive_sessions.effects import CallKey
from toolhive_sessions.legacy import LegacyMultiplexer
from toolhive_sessions.modern import ModernMultiplexer
from toolhive_sessions.streams import Shelf, Stream

__all__ = ["MAIN", "Kind", "Policy", "Process", "Session", "expired", "makes_room"]

MAIN = "main"
"""Slot of the process that is there without being asked for."""


@dataclass(frozen=True)
class Policy:
    """How the sessions of one workload are kept."""

    per_session: bool = False
    """Whether each session gets a process of its own."""
    has_main: bool = True
    """Whether a process is there without being asked for."""
    modern: bool = True
    """Whether processes may be asked for the era without sessions."""
    ttl: float = 7200.0
    """Seconds after which a session, or a shared process that was started on demand, ends when nobody uses it."""
    max_sessions: int = 1000
    max_calls: int = 2000
    """Calls of one session that are not answered, those that its client left included."""
    max_processes: int = 100
    """Started on demand."""
    spared: float = 600.0
    """Seconds. A session used within them is not ended to make room for another."""
    cancel_patience: float = 300.0
    """Seconds after which a call that was cancelled, and is not answered, is taken for done."""
    private: bool = False
    """Whether sessions are different people's. What a shared process says without naming a call is then for a session
    only while there is no other."""
    probe_patience: float = 10.0
    """Seconds that a process may take to say whether it knows the era without sessions."""


class Kind(Enum):
    """Whom a session is for."""

    CLIENT = "a client that began it"
    ONCE = "one request of a client that began none"
    MODERN = "one request of the era without sessions"


@dataclass(slots=True)
class Session:
    """One client's session, or what stands for it during a single request."""

    id: str
    kind: Kind
    slot: str
    """Of the process that serves it."""
    last_used: float
    listener: Stream | None = None
    """The way of what belongs to no call."""
    sole: bool = False
    """Whether all goes over ``listener`` (the HTTP+SSE transport)."""
    calls: dict[CallKey, Stream] = field(default_factory=dict)
    """Open calls, oldest first."""
    shelf: Shelf = field(default_factory=Shelf)
    """What its client may have missed."""
    opening: CallKey | None = None
    """Its ``initialize``, while it is not answered."""
    opened: bool = False
    client: str = ""
    noted: set[CallKey] = field(default_factory=set)
    """Open calls whose answers change what has to be kept of the session."""

    @property
    def busy(self) -> bool:
        """Whether a client waits for an answer, or listens."""
        if self.listener is not None and self.listener.attached:
            return True
        return any(stream.attached for stream in self.calls.values())


@dataclass(slots=True)
class Process:
    """One process and what it is used for."""

    slot: str
    last_used: float
    running: bool = False
    starting: bool = False
    """Whether it was asked for and does not run yet."""
    mux: LegacyMultiplexer | ModernMultiplexer | None = None
    """``None`` while the first process was not asked anything yet."""
    session: str = ""
    """The one it is for; empty when it is shared."""
    unsent: list[bytes] = field(default_factory=list)
    """What waits for it to run."""
    asked_at: float | None = None
    """When it was asked whether it knows the era without sessions."""
    earlier: LegacyMultiplexer | None = None
    """Of the process before it, whose clients are still there."""


def expired(sessions: Collection[Session], *, now: float, ttl: float) -> list[Session]:
    """Sessions that nobody used for too long."""
    return [session for session in sessions if not session.busy and now - session.last_used >= ttl]


def makes_room(sessions: Collection[Session], *, now: float, spared: float) -> Session | None:
    """The session that was left alone for longest, if it was for long enough."""
    idle = [session for session in sessions if session.kind is Kind.CLIENT and not session.busy]
    oldest = min(idle, key=lambda session: session.last_used, default=None)
    return oldest if oldest is not None and now - oldest.last_used >= spared else None
