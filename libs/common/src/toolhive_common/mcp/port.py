"""What a proxy and the keeper of a workload's sessions say to each other.

The proxy is the *edge*: it holds the clients' HTTP connections. The *broker* knows the sessions. Each response that
an edge has open is a *stream* with a number of its own; all that comes back names the stream it is for. So an edge
keeps nothing that another edge would miss, and any of them serves any session.

On the wire a message is a line of JSON (the envelope) and behind it, untouched, the JSON-RPC message it is about.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

__all__ = [
    "FromBroker",
    "Note",
    "RefusalCode",
    "ToBroker",
    "Verb",
    "decode_down",
    "decode_up",
    "encode_down",
    "encode_up",
]


class Verb(StrEnum):
    """What an edge asks for."""

    OPEN = "open"
    """Begin a session under the id that the edge made; the data is its ``initialize``."""
    ATTACH = "attach"
    """Begin a session all of whose messages come on this one stream (the HTTP+SSE transport)."""
    CALL = "call"
    """A request within a session."""
    CALL_ONCE = "once"
    """A request of a client that has no session; served with no client behind it."""
    CALL_MODERN = "modern"
    """A request of the era without sessions."""
    TELL = "tell"
    """A notification or an answer of a session's client."""
    LISTEN = "listen"
    """Take what belongs to no call; with ``after``, go on behind that event."""
    LEAVE = "leave"
    """The client of a stream is gone."""
    END = "end"
    """End a session."""


class Note(StrEnum):
    """What a broker says about a stream."""

    MESSAGE = "message"
    FINAL = "final"
    """A message, and the last one."""
    DONE = "done"
    """Nothing, and nothing more will come: what was asked is done."""
    STARTED = "started"
    """What was asked is begun; messages follow when there are any. For `Verb.LISTEN` the data is the stream's name,
    which the ids of its events begin with."""
    REFUSED = "refused"
    """It is not done. The data is a sentence for the client."""


class RefusalCode(StrEnum):
    """Why a broker refuses."""

    UNKNOWN_SESSION = "unknown_session"
    SESSIONS_FULL = "sessions_full"
    CALLS_FULL = "calls_full"
    """The session has as many open calls as it may."""
    ID_IN_USE = "id_in_use"
    SERVER_UNAVAILABLE = "server_unavailable"
    SERVER_LOST = "server_lost"
    """It ended, or its connection broke, before it answered."""
    SERVER_SILENT = "server_silent"
    """It did not take a message in time."""
    NO_REQUEST = "no_request"
    """What should be a request is none."""
    NOTHING_TO_RESUME = "nothing_to_resume"
    EDGE_LOST = "edge_lost"
    """The edge was taken for dead. Clients can come again for what can be resumed; with `Note.DONE`, the data is a
    sentence for the others."""


@dataclass(slots=True)
class ToBroker:
    """One thing that an edge asks."""

    verb: Verb
    stream: int
    session: str = ""
    data: bytes = b""
    streams: bool = False
    """Whether the stream takes more than the answer (``Accept`` names ``text/event-stream``)."""
    after: str = ""
    """Last event that a client has, ``<stream's name>.<number>``; for `Verb.LISTEN`."""
    cancel: bool = False
    """Whether leaving means that nobody wants the answer any more; for `Verb.LEAVE`."""


@dataclass(slots=True)
class FromBroker:
    """One thing that a broker says."""

    note: Note
    stream: int
    data: bytes = b""
    number: int = 0
    """Of the message on its stream, from 1."""
    code: RefusalCode | None = None
    """Why there is no answer; with `Note.FINAL` the data is the JSON-RPC error that says so."""


def encode_up(message: ToBroker) -> bytes:
    """Write what an edge asks."""
    envelope = (
        message.verb,
        message.stream,
        message.session,
        message.streams,
        message.after,
        message.cancel,
    )
    return orjson.dumps(envelope) + b"\n" + message.data


def decode_up(data: bytes) -> ToBroker:
    """Read what an edge asks.

    Raises
    ------
    ValueError
        It is nothing of the kind.
    """
    envelope, _, body = data.partition(b"\n")
    verb, stream, session, streams, after, cancel = _fields(envelope, 6)
    return ToBroker(Verb(verb), stream, session, body, streams, after, cancel)


def encode_down(message: FromBroker) -> bytes:
    """Write what a broker says."""
    return orjson.dumps((message.note, message.stream, message.number, message.code)) + b"\n" + message.data


def decode_down(data: bytes) -> FromBroker:
    """Read what a broker says.

    Raises
    ------
    ValueError
        It is nothing of the kind.
    """
    envelope, _, body = data.partition(b"\n")
    note, stream, number, code = _fields(envelope, 4)
    return FromBroker(Note(note), stream, body, number, RefusalCode(code) if code is not None else None)


def _fields(envelope: bytes, count: int) -> list[Any]:
    fields = orjson.loads(envelope)
    if not isinstance(fields, list) or len(fields) != count:
        raise ValueError(f"an envelope has {count} fields")
    return fields
