"""Bodies that come in chunks, of requests and responses alike."""

import re
from enum import Enum

from toolhive_proxy.protocol.fields import is_field_block, parse_fields

__all__ = ["ChunkError", "ChunkReader", "encode_chunk"]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"[\t\x20\x21\x23-\x5b\x5d-\x7e]*"'
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;%b(?:=(?:%b|%b))?)*" % (_TOKEN, _TOKEN, _QUOTED))
_MAX_LINE = 512
"""Bytes of a line with a chunk's size: extensions mean nothing to anybody and must not cost anything."""
_MAX_TRAILER = 8 * 1024
_NEVER_TRAILERS = frozenset(
    {b"transfer-encoding", b"content-length", b"host", b"connection", b"upgrade", b"expect", b"trailer"}
)
"""Some servers obey these even behind the body, and would then read on where we have ended."""


class ChunkError(Exception):
    """The framing is broken."""


class _Part(Enum):
    SIZE = 1
    DATA = 2
    DATA_END = 3
    TRAILER = 4
    DONE = 5


class ChunkReader:
    """Reads a body that comes in pieces of any size. Trailers are checked and dropped."""

    def __init__(self) -> None:
        self._part = _Part.SIZE
        self._line = b""
        self._missing = 0
        self._trailer = b""
        self.rest = b""
        """What came after the body."""

    @property
    def done(self) -> bool:
        """Whether the body is whole."""
        return self._part is _Part.DONE

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; returns what of the body it brought.

        Raises
        ------
        ChunkError
            It breaks a rule. The reader is of no more use.
        """
        found: list[bytes] = []
        position = 0
        while position < len(data) and self._part is not _Part.DONE:
            if self._part is _Part.DATA:
                piece = data[position : position + self._missing]
                found.append(piece)
                position += len(piece)
                self._missing -= len(piece)
                if not self._missing:
                    self._part = _Part.DATA_END
                continue
            position = self._take_line(data, position)
        self.rest = data[position:]
        return found[0] if len(found) == 1 else b"".join(found)

    def _take_line(self, data: bytes, position: int) -> int:
        """Take a line, or what of it came; returns the position behind it."""
        end = data.find(b"\n", position)
        if end < 0:
            self._line += data[position:]
            self._check_line(self._line.removesuffix(b"\r"))
            return len(data)
        line, self._line = self._line + data[position : end + 1], b""
        if not line.endswith(b"\r\n"):
            raise ChunkError("a line does not end with CR LF")
        self._check_line(line[:-2])
        self._end_line(line[:-2])
        return end + 1

    def _check_line(self, line: bytes) -> None:
        limit = {_Part.DATA_END: 0, _Part.SIZE: _MAX_LINE}.get(self._part, _MAX_TRAILER)
        if len(line) > limit:
            raise ChunkError("a chunk is longer than it said" if not limit else "a line is too long")
        if b"\r" in line:
            raise ChunkError("a line holds a bare CR")

    def _end_line(self, line: bytes) -> None:
        if self._part is _Part.SIZE:
            found = _SIZE_LINE.fullmatch(line)
            if found is None:
                raise ChunkError("the size of a chunk is not valid")
            self._missing = int(found.group(1), 16)
            self._part = _Part.DATA if self._missing else _Part.TRAILER
        elif self._part is _Part.DATA_END:
            self._part = _Part.SIZE
        elif not line:
            if not is_field_block(self._trailer):
                raise ChunkError("a trailer is malformed")
            if any(name in _NEVER_TRAILERS for name, _ in parse_fields(self._trailer)):
                raise ChunkError("a trailer frames or routes a message, which only a header may")
            self._part = _Part.DONE
        else:
            self._trailer += line + b"\r\n"
            if len(self._trailer) > _MAX_TRAILER:
                raise ChunkError("the trailers are too long")


def encode_chunk(data: bytes) -> bytes:
    """Write one chunk. Data that is empty would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
