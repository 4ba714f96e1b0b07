"""The ways of a session's messages to its client: one for each call, and one for what belongs to no call.

Each message goes on exactly one of them. What a client may have missed is kept for a while, so that it can come again
with the last event that it has, through whatever edge.
"""

from collections import deque
from collections.abc import Reversible
from dataclasses import dataclass

__all__ = ["KEPT_BYTES", "KEPT_MESSAGES", "KEPT_SECONDS", "Stream", "keep_ended", "newest_open"]

KEPT_MESSAGES = 200
KEPT_BYTES = 4 * 1024 * 1024
"""Of one stream. A larger message is not kept: it would take the place of all others."""
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

    def add(self, data: bytes, *, final: bool, now: float) -> int:
        """Note one more message; returns its number."""
        self.count += 1
        if final:
            self.ended_at = now
        if self.takes_many and self.resumes and not (final and self.count == 1 and now - self.began_at < _QUICK):
            self._keep(data)
        return self.count

    def _keep(self, data: bytes) -> None:
        if len(data) > KEPT_BYTES:
            return
        if self.kept is None:
            self.kept = deque()
        self.kept.append((self.count, data))
        self.kept_bytes += len(data)
        while len(self.kept) > KEPT_MESSAGES or self.kept_bytes > KEPT_BYTES:
            self.kept_bytes -= len(self.kept.popleft()[1])

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


def keep_ended(past: dict[str, Stream], stream: Stream) -> None:
    """Add a stream to those that ended, and let the oldest go when they are too many."""
    past[stream.name] = stream
    held = sum(each.kept_bytes for each in past.values())
    while len(past) > KEPT_STREAMS or (held > KEPT_BYTES and len(past) > 1):
        held -= past.pop(next(iter(past))).kept_bytes


def newest_open(streams: Reversible[Stream]) -> Stream | None:
    """The latest stream that takes a message besides its answer."""
    return next((stream for stream in reversed(streams) if stream.takes_many and stream.attached), None)
