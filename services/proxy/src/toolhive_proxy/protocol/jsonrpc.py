"""A look at a JSON-RPC message: what it is and whom it concerns. Its bytes travel on unchanged."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

__all__ = ["Batch", "Id", "Invalid", "Kind", "Message", "encode", "peek"]

Id = str | int | float
"""An id or progress token. ``1`` and ``"1"`` are two ids."""


class Kind(Enum):
    """The three kinds of messages."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

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

    @property
    def own_token(self) -> Id | None:
        """The progress token that a request asks to be told progress under."""
        return _id(self.meta.get("progressToken"))

    @property
    def told_token(self) -> Id | None:
        """The progress token that a progress notification is about."""
        return _id(self.params.get("progressToken")) if self.params else None


@dataclass(frozen=True, slots=True)
class Batch:
    """An array of messages, which MCP had in one revision only."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """Not a message."""

    reason: str
    is_json: bool
    id: Id | None = None


def peek(data: bytes) -> Message | Batch | Invalid:
    """Say what a body is."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return Invalid(str(error), is_json=False)
    if isinstance(value, list):
        return Batch()
    if not isinstance(value, dict):
        return Invalid("a message is a JSON object", is_json=True)
    return _classify(value, data)


def _classify(value: dict[str, Any], data: bytes) -> Message | Invalid:
    identity = _id(value.get("id"))
    if value.get("jsonrpc") != "2.0":
        return Invalid('"jsonrpc" must be "2.0"', is_json=True, id=identity)
    if "method" not in value:
        return _response(value, identity, data)
    method = value["method"]
    if not isinstance(method, str):
        return Invalid('"method" must be a string', is_json=True, id=identity)
    params = value.get("params")
    if not isinstance(params, dict | None):
        return Invalid('"params" must be an object', is_json=True, id=identity)
    if "id" in value and identity is None:
        return Invalid('"id" must be a string or a number', is_json=True)
    return Message(Kind.REQUEST if "id" in value else Kind.NOTIFICATION, method, identity, params, data)


def _response(value: dict[str, Any], identity: Id | None, data: bytes) -> Message | Invalid:
    is_error = "error" in value
    if is_error == ("result" in value):
        return Invalid('a message has either "method", "result" or "error"', is_json=True, id=identity)
    if identity is None and not is_error:
        return Invalid('a result needs the "id" of its request', is_json=True)
    return Message(Kind.RESPONSE, "", identity, None, data, is_error=is_error)


def _id(value: object) -> Id | None:
    # bool is an int to Python, not to JSON
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def encode(value: dict[str, Any]) -> bytes:
    """Write a message of our own."""
    return orjson.dumps({"jsonrpc": "2.0", **value})
