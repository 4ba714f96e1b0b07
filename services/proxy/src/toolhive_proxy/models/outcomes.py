"""What becomes of a client's message."""

from dataclasses import dataclass

__all__ = ["Accepted", "Answer"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """Taken; nothing is answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer, whole."""

    data: bytes
    session_id: str = ""
    """Of a session that was opened by it."""
