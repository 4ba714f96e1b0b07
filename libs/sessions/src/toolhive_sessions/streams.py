"""The ways of a session's messages to its client: one for each call, and one for what belongs to no call.

Each message goes on exactly one of them. What a client may have missed is kept for a while, so that it can come again
with the last event that it has, through whatever edge.
"""

from collections import deque
from collections.abc import Reversible
from dataclasses import dataclass

__all__ = ["KEPT_BYTES", "KEPT_IN_ALL", "KEPT_MESSAGES", "KEPT_SECONDS", "Shelf", "Stream", "newest_open"]

KEPT_MESSAGES = 200
KEPT_BYTES = 4 * 1024 * 1024
"""Of one stream. A larger message is not kept: it would take the place of all others."""
KEPT_IN_ALL = 2 * KEPT_BYTES
"""Of all streams of one session."""
KEPT_SECONDS = 300.0
"""That an ended stream can still be resumed."""
KEPT_STREAMS = 50
"""Ended ones of one session, which hold no more than `KEPT_BYTES` together."""
_QUICK = 0.9
"""Seconds. An answer that comes sooner, and first, was sent in one piece: there is nothing to resume."""


@dataclass(slots=True)
class Stream:
    """One way, and what went over it."""

    name: str
    """The first part of its events' ids: ``<edge>.<number>`` of the edge's stream that began it."""
    edge: str
    """Where its client is now; empty while it is nowhere."""
    number: int
    """Of the edge's stream."""
    takes_many: bool
    """Whether its client takes more than the answer."""
    began_at: float
    resumes: bool = True
    """Whether its client can come again: then what it may have missed is kept."""
    count: int = 0
    """Messages so far."""
    sent: int = 0
    """Number of the last message that was handed to a client's edge."""
    ended_at: float | None = None
    kept: deque[tuple[int, bytes]] | None = None
    """Made when something is kept: most streams carry one answer, and nothing is."""
    kept_bytes: int = 0

    @property
    def attached(self) -> bool:
        """Whether a client is there."""
        return bool(self.edge)

    def add(self, data: bytes, shelf: "Shelf", *, final: bool, now: float) -> int:
        """Note one more message; returns its number."""
        self.count += 1
        if final:
            self.ended_at = now
        if self.takes_many and self.resumes and not (final and self.count == 1 and now - self.began_at < _QUICK):
            shelf.keep(self, data)
        return self.count

    def keep(self, data: bytes) -> None:
        """Keep its latest message. Only the shelf does it, as what follows."""
        if self.kept is None:
            self.kept = deque()
        self.kept.append((self.count, data))
        self.kept_bytes += len(data)
        while len(self.kept) > KEPT_MESSAGES or self.kept_bytes > KEPT_BYTES:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Keep the oldest message no longer."""
        if self.kept:
            self.kept_bytes -= len(self.kept.popleft()[1])

    def drop_all(self) -> None:
        """Keep nothing."""
        self.kept, self.kept_bytes = None, 0

    def keeps(self, number: int) -> bool:
        """Whether a message that was kept still is: the oldest go first."""
        return bool(self.kept) and self.kept is not None and self.kept[0][0] <= number

    def after(self, number: int) -> list[tuple[int, bytes]]:
        """What came behind a message; what is not kept any more is passed over."""
        return [entry for entry in self.kept or () if entry[0] > number]

    def move(self, edge: str, number: int) -> None:
        """Go on to a client that came again."""
        self.edge, self.number = edge, number

    def detach(self) -> None:
        """Note that the client left."""
        self.edge = ""

    def resumable(self, now: float) -> bool:
        """Whether a client can still come for what it missed."""
        return bool(self.kept) and (self.ended_at is None or now - self.ended_at < KEPT_SECONDS)


class Shelf:
    """What all streams of one session keep, so that together it is not too much."""

    __slots__ = ("_order", "_tidy_at", "past", "size")

    def __init__(self) -> None:
        self.size = 0
        """Bytes."""
        self.past: dict[str, Stream] = {}
        """Ended streams that can still be resumed, by name, the oldest first."""
        self._order: deque[tuple[Stream, int]] | None = None
        """Messages by their streams and numbers, the oldest first; also such as are kept no longer. Made when one is:
        most sessions keep nothing."""
        self._tidy_at = 2 * KEPT_MESSAGES

    def keep(self, stream: Stream, data: bytes) -> None:
        """Keep a stream's latest message, and let the oldest of all go when they are too large together."""
        if len(data) > KEPT_BYTES:
            return
        before = stream.kept_bytes
        stream.keep(data)
        self.size += stream.kept_bytes - before
        order = self._order
        if order is None:
            order = self._order = deque()
        order.append((stream, stream.count))
        while self.size > KEPT_IN_ALL:
            self._drop(*order.popleft())
        if len(order) > self._tidy_at:
            self._tidy(order)

    def _drop(self, stream: Stream, number: int) -> None:
        """Keep a message, the oldest of all, no longer."""
        if not stream.keeps(number):
            return
        before = stream.kept_bytes
        stream.drop_oldest()
        self.size += stream.kept_bytes - before
        if not stream.kept:  # there is nothing to come again for
            self.past.pop(stream.name, None)

    def _tidy(self, order: deque[tuple[Stream, int]]) -> None:
        """Forget messages that are kept no longer. Not each time, since it looks at all of them."""
        self._order = deque((stream, number) for stream, number in order if stream.keeps(number))
        self._tidy_at = 2 * max(len(self._order), KEPT_MESSAGES)

    def end(self, stream: Stream) -> None:
        """Add a stream to those that ended, and let the oldest go when they are too many."""
        self.past[stream.name] = stream
        held = sum(each.kept_bytes for each in self.past.values())
        while len(self.past) > KEPT_STREAMS or (held > KEPT_BYTES and len(self.past) > 1):
            oldest = self.past.pop(next(iter(self.past)))
            held -= oldest.kept_bytes
            self.drop(oldest)

    def drop(self, stream: Stream) -> None:
        """Keep nothing of a stream that nobody can come for."""
        self.size -= stream.kept_bytes
        stream.drop_all()

    def tick(self, now: float) -> None:
        """Forget ended streams that nobody came for."""
        for name in [name for name, stream in self.past.items() if not stream.resumable(now)]:
            self.drop(self.past.pop(name))


def newest_open(streams: Reversible[Stream]) -> Stream | None:
    """The latest stream that takes a message besides its answer."""
    return next((stream for stream in reversed(streams) if stream.takes_many and stream.attached), None)
