"""What a state machine of this library wants done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolhive_common.mcp.jsonrpc import Id
from toolhive_common.mcp.port import FromBroker, RefusalCode

__all__ = [
    "BrokerEffect",
    "CallKey",
    "Dropped",
    "Handshake",
    "MuxEffect",
    "NotModern",
    "SessionChanged",
    "SessionClosed",
    "SessionOpened",
    "Shook",
    "StartProcess",
    "StopProcess",
    "ToClient",
    "ToEdge",
    "ToProcess",
    "ToServer",
    "call_key",
]

CallKey = tuple[bool, Id]
"""A client's id with its type: ``1`` and ``"1"`` are two ids."""


def call_key(request_id: Id) -> CallKey:
    """Key of a call in tables."""
    return isinstance(request_id, str), request_id


@dataclass(frozen=True)
class Handshake:
    """What a process and its client agreed on."""

    params: Mapping[str, Any] = field(default_factory=dict)
    """What the process was told."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """What it answered."""
    initialized: bool = True
    """Whether it was told that the client is ready."""
    modern: bool = False
    """Whether it speaks the era without sessions, which has no handshake; then the rest says nothing."""


# of a multiplexer


@dataclass(slots=True)
class ToServer:
    """Write a message to the process; the line end is the writer's."""

    data: bytes


@dataclass(slots=True)
class ToClient:
    """Send a message to one session."""

    session: str
    data: bytes
    call: CallKey | None = None
    """The call that it belongs to, where that is known."""
    final: bool = False
    """Whether it answers that call."""
    to_listener: bool = False
    """Whether no call caused it, so that it shall not come among the messages of one."""
    failure: RefusalCode | None = None
    """Why the process did not answer the call, where it is we who do."""


@dataclass(slots=True)
class Dropped:
    """A message goes nowhere. For the log: it says why, and holds nothing of the message's content."""

    reason: str


@dataclass(slots=True)
class NotModern:
    """The process does not know the era without sessions."""


MuxEffect = ToServer | ToClient | Dropped | NotModern


# of the broker


@dataclass(slots=True)
class ToProcess:
    """Write a message to a process."""

    slot: str
    data: bytes


@dataclass(slots=True)
class ToEdge:
    """Tell an edge."""

    edge: str
    message: FromBroker


@dataclass(slots=True)
class StartProcess:
    """Start a further process; tell the broker when it runs, or that it does not."""

    slot: str


@dataclass(slots=True)
class StopProcess:
    """End a process that was started on demand."""

    slot: str


@dataclass(slots=True)
class SessionOpened:
    """A client finished its handshake."""

    session: str
    client: str
    """Name and version that it gave of itself."""


@dataclass(slots=True)
class SessionChanged:
    """What has to be kept of a session changed: it began, or wants to hear of other things."""

    session: str


@dataclass(slots=True)
class SessionClosed:
    """A session is over."""

    session: str
    client: str
    reason: str


@dataclass(slots=True)
class Shook:
    """What is known of the first process's handshake changed; worth keeping over a restart of the keeper."""

    handshake: Handshake


BrokerEffect = (
    ToProcess | ToEdge | StartProcess | StopProcess | SessionOpened | SessionChanged | SessionClosed | Shook | Dropped
)
