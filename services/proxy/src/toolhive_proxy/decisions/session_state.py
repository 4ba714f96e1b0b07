"""Where a server's message goes within a session, and when a session is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from toolhive_common.mcp.jsonrpc import Id
from toolhive_proxy.models.messages import Kind, Message

__all__ = ["CallKey", "Elsewhere", "OpenCall", "call_key", "destination", "is_expired", "least_missed"]

CallKey = tuple[bool, Id]
"""An id with its type, since ``1`` and ``True`` are equal to Python and ``1`` and ``"1"`` must not be to us."""


def call_key(request_id: Id) -> CallKey:
    """Key of a call in tables."""
    return isinstance(request_id, str), request_id


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A request that waits for its answer."""

    id: Id
    token: Id | None
    """Progress token it gave."""
    streams: bool
    """Whether its client takes more than the answer, that is an event stream."""


class Elsewhere(Enum):
    """Destinations other than an open call."""

    LISTENER = "the session's GET stream"
    BACKLOG = "kept until the client opens its GET stream"
    NOBODY = "of concern to nobody"
    UNANSWERABLE = "a server's request that no client can answer"


def destination(
    message: Message, calls: Mapping[CallKey, OpenCall], *, listening: bool, one_shot: bool
) -> CallKey | Elsewhere:
    """Give each message exactly one destination.

    An answer goes to its call, progress to the call that owns the token, a server's request to the newest call that
    can stream (most likely the one that caused it), all else to the GET stream.

    Parameters
    ----------
    calls
        Open calls, oldest first.
    listening
        Whether the session's GET stream is open.
    one_shot
        Whether the session lives for one request only: nobody could answer the server's requests.
    """
    listener = Elsewhere.LISTENER if listening else None
    newest = next((key for key in reversed(list(calls)) if calls[key].streams), None)
    last_resort = Elsewhere.NOBODY if one_shot else Elsewhere.BACKLOG
    match message.kind:
        case Kind.RESPONSE:
            key = call_key(message.id) if message.id is not None else None
            return key if key is not None and key in calls else Elsewhere.NOBODY
        case Kind.REQUEST:
            return Elsewhere.UNANSWERABLE if one_shot else newest or listener or last_resort
        case _ if message.method == "notifications/progress":
            return _owner(message.told_token, calls) or listener or Elsewhere.NOBODY
        case _:
            return listener or newest or last_resort


def _owner(token: Id | None, calls: Mapping[CallKey, OpenCall]) -> CallKey | None:
    if token is None:
        return None
    wanted = call_key(token)
    return next(
        (
            key
            for key, call in calls.items()
            if call.streams and call.token is not None and call_key(call.token) == wanted
        ),
        None,
    )


def least_missed(last_used: Mapping[str, datetime], *, now: datetime, idle: timedelta) -> str | None:
    """Tell which session makes room for another: the one left alone for longest, if it was for long enough.

    Parameters
    ----------
    last_used
        Of the sessions that are not busy, by id.
    idle
        Time that a session may expect to be kept, room or not.
    """
    oldest = min(last_used, key=last_used.__getitem__, default=None)
    return oldest if oldest is not None and now - last_used[oldest] >= idle else None


def is_expired(*, last_used: datetime, busy: bool, now: datetime, ttl: timedelta) -> bool:
    """Whether a session was left alone for too long. One with an open call or stream is in use."""
    return not busy and now - last_used >= ttl
