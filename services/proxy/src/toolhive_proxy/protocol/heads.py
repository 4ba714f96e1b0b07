"""Heads as the proxy writes them, to clients and to servers.

The same headers come again and again: a client repeats its own with each request, and a server too. What was written
once is remembered.
"""

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus

from toolhive_proxy.models.http import Header
from toolhive_proxy.protocol.fields import is_field_block
from toolhive_proxy.protocol.headers import HOP_BY_HOP

__all__ = ["HeadMemory", "status_and_headers"]

_REMEMBERED = 256
"""Heads that are remembered."""
_LARGEST = 4096
"""Bytes of a head that is remembered: the memory must have a bound."""


class HeadMemory:
    """Writes headers, and remembers how.

    Parameters
    ----------
    without
        Names in lower case that are not passed on, besides those about the connection; ``None`` writes all. What the
        client's ``Connection`` names is left out before: it may not take away what we add.
    """

    def __init__(self, without: frozenset[bytes] | None = None) -> None:
        self._without = None if without is None else HOP_BY_HOP | without
        self._lines: dict[tuple[Header, ...], bytes] = {}

    def lines(self, headers: Sequence[Header]) -> bytes:
        """Write headers, each with its CR LF.

        Raises
        ------
        ValueError
            One of them cannot be written: it would end its own line.
        """
        key = tuple(headers)
        lines = self._lines.get(key)
        if lines is None:
            without = self._without
            lines = _written(key if without is None else [header for header in key if header[0] not in without])
            if len(lines) <= _LARGEST:
                if len(self._lines) >= _REMEMBERED:
                    self._lines.clear()
                self._lines[key] = lines
        return lines


_answers = HeadMemory()


def status_and_headers(status: int, headers: Sequence[Header]) -> bytes:
    """Begin the head of a response, up to the headers that frame its body."""
    return _status_line(status) + _answers.lines(headers)


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {int(status)} {phrase}\r\n".encode("latin-1")


def _written(headers: Sequence[Header]) -> bytes:
    block = b"".join([name + b": " + value + b"\r\n" for name, value in headers])
    if not is_field_block(block) or block.count(b"\n") != len(headers):
        raise ValueError("a header holds a character that would end its line")
    return block
