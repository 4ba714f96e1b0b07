"""JSON-RPC messages as the proxy hands them on: what each is, beside its bytes."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from toolhive_common.mcp.jsonrpc import Id

__all__ = ["Batch", "Invalid", "Kind", "Message"]


class Kind(Enum):
    """The three kinds of messages."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"


@dataclass(slots=True)  # not frozen, which would make each three times as dear; nobody changes one
class Message:
    """One message. Of a response, which may be large, nothing is kept but its bytes."""

    kind: Kind
    method: str
    """Empty for a response."""
    id: Id | None
    """``None`` for a notification."""
    params: dict[str, Any] | None
    data: bytes
    """The message as it came."""
    is_error: bool = False
    """Whether it is a response that tells an error."""

    @property
    def meta(self) -> dict[str, Any]:
        """The ``_meta`` of the parameters."""
        found = self.params.get("_meta") if self.params else None
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Batch:
    """An array of messages, which MCP had in one revision only (2025-03-26)."""

    messages: tuple["Message", ...]
    data: bytes
    """The array as it came."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """Not a message."""

    reason: str
    is_json: bool
    id: Id | None = None
    """The id that it has nevertheless."""
