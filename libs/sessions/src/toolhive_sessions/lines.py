"""Cut a byte stream into lines, of which none may take all memory."""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Line", "LineReader", "TooLong"]

_KEPT = 4096
"""Bytes of a line's two ends that are kept when it is too long, to find out whom it would have answered."""


@dataclass(frozen=True)
class Line:
    """A whole line, without its end."""

    data: bytes


@dataclass(frozen=True)
class TooLong:
    """The two ends of a line that was over the limit."""

    head: bytes
    tail: bytes


class LineReader:
    """Feed it chunks; it tells the lines.

    Parameters
    ----------
    limit
        Longest line in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: list[bytes] = []
        self._size = 0
        self._head: bytes | None = None
        """Start of the line being skipped; ``None`` while none is."""

    def feed(self, chunk: bytes) -> Iterator[Line | TooLong]:
        """Take a chunk and tell each line that ends in it."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._add(chunk[start:end])
            yield self._take()
            start = end + 1
        self._add(chunk[start:])

    def _add(self, piece: bytes) -> None:
        if not piece:
            return
        self._chunks.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            held = b"".join(self._chunks)
            if self._head is None:
                self._head = held[:_KEPT]
            self._chunks = [held[-_KEPT:]]

    def _take(self) -> Line | TooLong:
        data, head = b"".join(self._chunks), self._head
        self._chunks, self._size, self._head = [], 0, None
        return Line(data.rstrip(b"\r")) if head is None else TooLong(head, data[-_KEPT:])
