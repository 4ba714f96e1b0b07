"""JSON-RPC 2.0 messages: told apart, kept as they came, written again.

Nothing in a message is checked beyond what tells its kind: fields that nobody here knows must survive.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite
from typing import Any, NoReturn, TypeGuard

import orjson

__all__ = [
    "Code",
    "Id",
    "Invalid",
    "Message",
    "Notification",
    "Request",
    "Response",
    "classify",
    "encode",
    "error_body",
    "is_id",
    "meta_of",
    "notification_body",
    "params_of",
    "parse",
    "request_body",
    "result_body",
]

Id = int | float | str
"""An id keeps its type: ``1`` is not ``"1"``."""

_DEEPEST = 200
"""Objects and lists within each other. What is deeper can be read, but not be written again."""
_TOO_DEEP = f"it is nested deeper than {_DEEPEST} levels"
_MOST_DIGITS = 4000
"""Of an integer. Python reads few more, since the time it takes grows with their square."""
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789E", b"0" * 9 + b"e")
_LONG_NUMBER = b"0" * 19
"""Integers that may not fit into 64 bits; orjson would round them. Found without a regular expression, which takes
ten times as long as all the rest of reading a large message."""


class Code(IntEnum):
    """Error codes that are answered here."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INTERNAL_ERROR = -32603
    SERVER_ERROR = -32000
    """The server is gone, or its answer cannot be passed on."""
    INVALID_PARAMS = -32602
    SESSION_NOT_FOUND = -32001
    HEADER_MISMATCH = -32020
    """From 2026-07-28, as the two that follow."""
    MISSING_CAPABILITY = -32021
    UNSUPPORTED_PROTOCOL_VERSION = -32022


@dataclass(frozen=True)
class Request:
    """Asks for an answer."""

    id: Id
    method: str
    raw: Mapping[str, Any]
    """The whole message."""


@dataclass(frozen=True)
class Notification:
    """Asks for none."""

    method: str
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Response:
    """An answer, good or bad."""

    id: Id
    raw: Mapping[str, Any]

    @property
    def is_error(self) -> bool:
        """Whether it says that the request failed."""
        return "error" in self.raw


@dataclass(frozen=True)
class Invalid:
    """Not a message."""

    code: Code
    reason: str


Message = Request | Notification | Response | Invalid


def parse(data: bytes) -> Any:
    """Read JSON so that it can be written again, and writing it changes no value.

    Raises
    ------
    ValueError
        The data is no JSON, is nested too deep, or holds a number that no float holds.
    """
    shape = data.translate(_DIGITS_AS_ZEROS)
    if _LONG_NUMBER not in shape:
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            pass  # lone surrogates are refused by orjson, though JSON allows them
        else:
            if _may_hold_long_exponent(shape) or data.count(b"[") + data.count(b"{") > _DEEPEST:
                _check(value)
            return value
    try:
        # As text: from bytes the library would take UTF-16 and UTF-32 too, which MCP does not have.
        value = json.loads(data.decode(), parse_constant=_refuse_constant, parse_int=_read_integer)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _check(value)
    return value


def _may_hold_long_exponent(shape: bytes) -> bool:
    """Whether a number may be over what a float holds, though it is not long."""
    return b"0e" in shape and (b"0e000" in shape or b"0e+000" in shape)


def _check(value: Any) -> None:
    """Refuse what could not be written again. Goes level by level, since it may be as deep as it likes."""
    level = [value]
    for _ in range(_DEEPEST + 1):
        inner: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is dict:
                inner += each.values()
            elif kind is list:
                inner += each
            elif kind is float and not isfinite(each):
                raise ValueError("it holds a number that is too large")
        if not inner:
            return
        level = inner
    raise ValueError(_TOO_DEEP)


def _read_integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"it holds an integer of more than {_MOST_DIGITS} digits")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def encode(value: Mapping[str, Any]) -> bytes:
    """Write compact JSON, without line ends."""
    try:
        return orjson.dumps(value)
    except TypeError:  # what orjson refuses to write is what it refused to read
        return json.dumps(value, separators=(",", ":")).encode()


def classify(value: Any) -> Message:
    """Tell what kind of message a JSON value is."""
    if not isinstance(value, dict):
        return Invalid(Code.INVALID_REQUEST, "a message must be one JSON object")
    method, request_id = value.get("method"), value.get("id")
    if isinstance(method, str):
        if is_id(request_id):
            return Request(request_id, method, value)
        if "id" not in value:
            return Notification(method, value)
        reason = "the id of a request must be a string or a number"
    elif "result" in value or "error" in value:
        if is_id(request_id):
            return Response(request_id, value)
        reason = "a response without the id of a request"
    else:
        reason = "a message must have a method, a result or an error"
    return Invalid(Code.INVALID_REQUEST, reason)


def is_id(value: object) -> TypeGuard[Id]:
    """Whether a value can be an id or a progress token. A bool is an int to Python, not to JSON."""
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def params_of(message: Request | Notification) -> Mapping[str, Any]:
    """Parameters by name; empty where there are none, or a list of them."""
    params = message.raw.get("params")
    return params if isinstance(params, dict) else {}


def meta_of(message: Request | Notification) -> Mapping[str, Any]:
    """The ``_meta`` of the parameters; empty where there is none."""
    meta = params_of(message).get("_meta")
    return meta if isinstance(meta, dict) else {}


def request_body(request_id: Id, method: str, params: Mapping[str, Any]) -> bytes:
    """Write a request of our own."""
    return encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def notification_body(method: str, params: Mapping[str, Any] | None = None) -> bytes:
    """Write a notification of our own."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    return encode(body if params is None else body | {"params": params})


def result_body(request_id: Id, result: Any) -> bytes:
    """Write a good answer."""
    return encode({"jsonrpc": "2.0", "id": request_id, "result": result})


def error_body(request_id: Id | None, code: int, message: str, data: Any = None) -> bytes:
    """Write a bad answer; without an id where the request had none to read."""
    error: dict[str, Any] = {"code": int(code), "message": message}
    if data is not None:
        error["data"] = data
    body: dict[str, Any] = {"jsonrpc": "2.0"}
    if request_id is not None:
        body["id"] = request_id
    return encode(body | {"error": error})
