"""Heads as the proxy writes them, to clients and to servers.

The same headers come again and again: a client repeats its own with each request, and a server too. What was written
once is remembered.
"""

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus

from toolhive_proxy.models.http import Header
from toolhive_proxy.protocol.fields import is_field_block

__all__ = ["header_lines", "status_and_headers"]

_REMEMBERED = 256
"""Heads that are remembered."""
_LARGEST = 4096
"""Bytes of a head that is remembered: the memory must have a bound."""
_memory: dict[tuple[Header, ...], bytes] = {}


def status_and_headers(status: int, headers: Sequence[Header]) -> bytes:
    """Begin the head of a response, up to the headers that frame its body."""
    return _status_line(status) + header_lines(headers)


def header_lines(headers: Sequence[Header]) -> bytes:
    """Write headers, each with its CR LF.

    Raises
    ------
    ValueError
        One of them cannot be written: it would end its own line.
    """
    key = tuple(headers)
    lines = _memory.get(key)
    if lines is None:
        lines = _written(key)
        if len(lines) <= _LARGEST:
            if len(_memory) >= _REMEMBERED:
                _memory.clear()
            _memory[key] = lines
    return lines


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {int(status)} {phrase}\r\n".encode("latin-1")


def _written(headers: tuple[Header, ...]) -> bytes:
    block = b"".join([name + b": " + value + b"\r\n" for name, value in headers])
    if not is_field_block(block) or block.count(b"\n") != len(headers):
        raise ValueError("a header holds a character that would end its line")
    return block
