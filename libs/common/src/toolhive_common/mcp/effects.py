"""What the multiplexer wants done."""

from dataclasses import dataclass

__all__ = ["Dropped", "Effect", "ToClient", "ToServer"]


@dataclass(frozen=True)
class ToServer:
    """Write a message to the server; the line end is the writer's."""

    data: bytes


@dataclass(frozen=True)
class ToClient:
    """Send a message to one client session."""

    session: str
    data: bytes


@dataclass(frozen=True)
class Dropped:
    """A message goes nowhere. For the log: it says why, and holds nothing of the message's content."""

    reason: str


Effect = ToServer | ToClient | Dropped
