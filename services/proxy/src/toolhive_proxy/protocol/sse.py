"""Server-sent events: written, and read piece by piece."""

from dataclasses import dataclass

__all__ = ["KEEP_ALIVE", "EventTooLargeError", "SseEvent", "SseParser", "encode_event", "encode_priming"]

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which clients pass over."""

_BOM = b"\xef\xbb\xbf"


class EventTooLargeError(Exception):
    """An event is larger than the parser's limit."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event."""

    event: str
    """``message`` when the stream names none."""
    data: bytes
    id: str | None = None
    retry: int | None = None
    """Milliseconds."""


def encode_event(
    data: bytes, *, event: bytes = b"message", event_id: str | None = None, retry: int | None = None
) -> bytes:
    """Write one event. Line ends in the data part it into lines, as the format asks."""
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    rest = b"" if event_id is None else b"id: " + event_id.encode() + b"\n"
    if retry is not None:
        rest += b"retry: %d\n" % retry
    return b"event: " + event + b"\n" + rest + b"data: " + data + b"\n\n"


def encode_priming(event_id: str, *, retry: int) -> bytes:
    """Write an event that says nothing, and lets a client resume from before the first one.

    Parameters
    ----------
    retry
        Milliseconds that a client shall wait before it comes again.
    """
    return b"id: " + event_id.encode() + b"\nretry: %d\ndata: \n\n" % retry


class SseParser:
    """Reads a stream that comes in pieces of any size.

    Parameters
    ----------
    max_event
        Largest event in bytes.
    """

    def __init__(self, *, max_event: int = 64 * 1024 * 1024) -> None:
        self._max_event = max_event
        self._line = bytearray()
        self._size = 0
        self._skip_newline = False
        self._first_line = True
        self._forget_event()

    def _forget_event(self) -> None:
        self._event = ""
        self._data: list[bytes] = []
        self._id: str | None = None
        self._retry: int | None = None
        self._size = 0

    def feed(self, piece: bytes) -> list[SseEvent]:
        """Take the next piece; returns the events that it completes.

        Raises
        ------
        EventTooLargeError
            The event is over the limit. The parser is of no more use.
        """
        events = []
        if self._skip_newline and piece:
            piece = piece.removeprefix(b"\n")  # the second half of a CRLF that was cut
            self._skip_newline = False
        lines = piece.splitlines(keepends=True)  # bytes: at CR, LF and CRLF only
        for line in lines:
            text = line.rstrip(b"\r\n")
            self._line += text
            self._size += len(text)
            if self._size > self._max_event:
                raise EventTooLargeError(f"an event is larger than {self._max_event} bytes")
            if len(text) == len(line):
                break  # the rest of this line is still to come
            self._skip_newline = line is lines[-1] and line.endswith(b"\r")
            whole = bytes(self._line)
            self._line.clear()
            if (event := self._end_line(whole)) is not None:
                events.append(event)
        return events

    def _end_line(self, line: bytes) -> SseEvent | None:
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._end_event()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
            case b"event":
                self._event = value.decode(errors="replace")
            case b"id" if b"\0" not in value:
                self._id = value.decode(errors="replace")
            case b"retry" if value.isdigit():
                self._retry = int(value[:9])
            case _:
                pass  # a comment, or a field that the format does not know
        return None

    def _end_event(self) -> SseEvent | None:
        event = None
        if self._data:
            event = SseEvent(self._event or "message", b"\n".join(self._data), self._id, self._retry)
        self._forget_event()
        return event
