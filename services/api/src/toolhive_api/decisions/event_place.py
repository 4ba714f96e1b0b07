"""Where a reader of the event log begins."""

from dataclasses import dataclass
from datetime import datetime

from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode

__all__ = ["FromNow", "FromSequence", "FromTime", "Place", "parse_place", "resumed"]


@dataclass(frozen=True)
class FromSequence:
    """From this place on, inclusive."""

    sequence: int


@dataclass(frozen=True)
class FromTime:
    """What was stored at this time or later."""

    time: datetime


@dataclass(frozen=True)
class FromNow:
    """What is yet to come."""


Place = FromSequence | FromTime | FromNow


def parse_place(start: str, last_event_id: str, *, follow: bool) -> Place | Rejection:
    """Read the query parameter ``from`` and the header ``Last-Event-ID``.

    The header wins: a browser that connects again sends both, and has read up to the header. Without either, a
    follower begins now and a reader at the oldest event.
    """
    if last_event_id:
        if not _is_number(last_event_id):
            return _invalid(f"Last-Event-ID {last_event_id[:60]!r} is not a sequence number")
        return FromSequence(int(last_event_id) + 1)
    if not start:
        return FromNow() if follow else FromSequence(1)
    return FromSequence(int(start)) if _is_number(start) else _parse_time(start)


def _parse_time(start: str) -> FromTime | Rejection:
    try:
        # A plus sign that was not encoded arrives as a space.
        time = datetime.fromisoformat(start.strip().replace(" ", "+") if "T" in start else start)
    except ValueError:
        return _invalid(f"from {start[:60]!r} is neither a sequence number nor a time such as 2026-01-31T12:00:00Z")
    if time.tzinfo is None:
        return _invalid(f"from {start[:60]!r} has no time zone; write 2026-01-31T12:00:00Z")
    return FromTime(time)


def resumed(wanted: int, *, last: int) -> int:
    """Take the place to read from, given the newest event's.

    A place beyond the end is one of a log that is no more (NATS lost its disk): the new log is read from its
    beginning, for all in it is new to the reader.
    """
    return wanted if wanted <= last + 1 else 1


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18  # noqa: PLR2004  # fits 64 bits


def _invalid(message: str) -> Rejection:
    return Rejection(ErrorCode.INVALID_REQUEST, message)
