"""Rules of the era without sessions (2026-07-28) that whoever stands before a stdio server has to hold clients to.

Over HTTP a request says some things twice, in its headers and in its body, and both must agree: somebody on the way
may have decided by the one what the server does by the other. A stdio server never sees the headers.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from toolhive_common.mcp.eras import MODERN_VERSIONS
from toolhive_common.mcp.jsonrpc import Code
from toolhive_proxy.decisions.refusal import Refusal
from toolhive_proxy.models.messages import Message

__all__ = ["ParameterHeader", "header_text", "judge_modern", "judge_parameters", "parameter_headers", "status_of"]

_PREFIX = "io.modelcontextprotocol/"
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_BAD_REQUEST = frozenset({Code.HEADER_MISMATCH, Code.MISSING_CAPABILITY, Code.UNSUPPORTED_PROTOCOL_VERSION})
_FIRST, _LAST = "=?base64?", "?="
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,400})(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,20})?")
"""As JSON writes them. No client says a longer one in a header."""


def judge_modern(message: Message, *, version: str, method: str, name: str) -> Refusal | None:
    """Refuse a request whose headers and body do not say the same, or that lacks what each request must say.

    Parameters
    ----------
    version, method, name
        ``MCP-Protocol-Version``, ``Mcp-Method`` and ``Mcp-Name``; empty where absent.
    """
    meta = message.meta
    told = meta.get(_PREFIX + "protocolVersion")
    if told is None or not isinstance(meta.get(_PREFIX + "clientCapabilities"), dict):
        text = f"_meta must hold {_PREFIX}protocolVersion and {_PREFIX}clientCapabilities"
        return Refusal(400, Code.INVALID_PARAMS, text, message.id)
    if version != told:
        return _mismatch(message, "MCP-Protocol-Version", version, told)
    if version not in MODERN_VERSIONS:
        return None  # a later one: the server says whether it speaks it, and what else it does
    if method != message.method:
        return _mismatch(message, "Mcp-Method", method, message.method)
    field = _NAMED.get(message.method)
    if field is not None:
        wanted = (message.params or {}).get(field)
        if not isinstance(wanted, str) or header_text(name) != wanted:
            return _mismatch(message, "Mcp-Name", name, wanted)
    return None


def _mismatch(message: Message, header: str, given: str, wanted: object) -> Refusal:
    if not given:
        text = f"Header mismatch: {header} is missing; it must say {str(wanted)[:80]!r} as the body does"
    else:
        text = f"Header mismatch: {header} says {given[:80]!r} and the body {str(wanted)[:80]!r}"
    return Refusal(400, Code.HEADER_MISMATCH, text, message.id)


def header_text(value: str) -> str | None:
    """Read a header's value, which may be in Base64; ``None`` when it is malformed."""
    if any(not (" " <= character <= "~" or character == "\t") for character in value):
        return None
    if not (value.startswith(_FIRST) and value.endswith(_LAST) and len(value) >= len(_FIRST) + len(_LAST)):
        return value
    try:
        return base64.b64decode(value[len(_FIRST) : -len(_LAST)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def status_of(code: object) -> int:
    """HTTP status of an answer that tells an error with this code."""
    if code == Code.METHOD_NOT_FOUND:
        return 404
    return 400 if code in _BAD_REQUEST else 200


@dataclass(frozen=True, slots=True)
class ParameterHeader:
    """An argument of a tool that its callers repeat in a header."""

    header: str
    """Name in lower case, without ``mcp-param-``."""
    path: tuple[str, ...]
    """Where the argument is."""


def parameter_headers(schema: object) -> tuple[ParameterHeader, ...]:
    """Find the arguments that a tool's input schema marks with ``x-mcp-header``."""
    return tuple(_marked(schema, ()))


def _marked(schema: object, path: tuple[str, ...]) -> Iterable[ParameterHeader]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return
    for name, part in properties.items():
        if not isinstance(part, dict):
            continue
        header = part.get("x-mcp-header")
        if isinstance(header, str) and header:
            yield ParameterHeader(header.lower(), (*path, name))
        yield from _marked(part, (*path, name))


def judge_parameters(
    message: Message, marked: Iterable[ParameterHeader], headers: Mapping[str, str]
) -> Refusal | None:
    """Refuse a call whose ``Mcp-Param-*`` headers do not repeat its arguments.

    Parameters
    ----------
    headers
        Those headers, by name in lower case without ``mcp-param-``.
    """
    arguments = (message.params or {}).get("arguments")
    for each in marked:
        value = _at(arguments, each.path)
        given = headers.get(each.header)
        if value is None:
            continue
        read = header_text(given) if given is not None else None
        if read is None or not _same(read, value):
            return _mismatch(message, f"Mcp-Param-{each.header}", given or "", value)
    return None


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _same(text: str, value: object) -> bool:
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    if isinstance(value, int | float):
        return _same_number(text, value)
    return text == value


def _same_number(text: str, value: float) -> bool:
    """Compare exactly: as floats, large numbers would pass for each other."""
    if not _NUMBER.fullmatch(text):
        return False
    try:
        return Decimal(text) == Decimal(repr(value))
    except ArithmeticError:  # its exponent is beyond all measure
        return False
