"""The HTTP interface between the proxy's server and its handlers: a request whole, a response in one piece or many.

ASGI would do, and costs a task and several dictionaries for each request; the data path is too short for that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Exchange", "Handler", "Header", "HttpLimits", "Request", "RequestHead", "Response"]

Header = tuple[bytes, bytes]
"""Name in lower case, and value."""


@dataclass(slots=True)
class Request:
    """A request with its whole body."""

    method: str
    path: str
    """Percent-decoded, without the query."""
    query: str
    """As it came, without the question mark."""
    headers: list[Header]
    body: bytes
    peer: str
    """Address that the connection came from; empty when it is no network address."""
    raw_path: str = ""
    """The path as it came, percent-encoded."""

    def header(self, name: bytes) -> str:
        """A header's value; several lines are joined with a comma. Empty when absent."""
        found = b""
        for key, value in self.headers:  # a loop, since it is asked for several times in each request
            if key == name:
                found = found + b", " + value if found else value
        return found.decode("latin-1")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """All of a request but its body, checked against the rules."""

    method: str
    path: str
    query: str
    headers: tuple[Header, ...]
    length: int
    """Bytes of the body; ``-1`` when it comes in chunks."""
    keeps_alive: bool
    """Whether another request may follow on the connection."""
    expects: bool
    """Whether the client waits for ``100 Continue`` before it sends the body."""
    old: bool
    """Whether it is HTTP/1.0: its client knows no chunks."""
    correlation_id: str
    """``X-Request-Id`` as the client gave it; empty when absent."""
    raw_path: str = ""
    """The path as it came, percent-encoded."""


@dataclass(slots=True)  # not frozen, which would make each three times as dear; nobody changes one
class Response:
    """An answer that is whole."""

    status: int
    body: bytes = b""
    headers: Sequence[Header] = ()
    """Besides ``Content-Length``, which the server writes."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one client may take of the server. Times are in seconds, sizes in bytes."""

    max_body: int = 8 * 1024 * 1024
    max_connections: int = 10_000
    bodies: int = 256 * 1024 * 1024
    """All bodies that are not whole yet, of all clients: nobody has been asked who it is before its body is whole."""
    head_timeout: float = 10.0
    """From the first byte of a request to the end of its head; also until a new connection's first byte."""
    body_timeout: float = 30.0
    """Between two pieces of a body."""
    body_rate: int = 8 * 1024
    """Bytes a second that a body must come at, after the first `body_timeout`."""
    keep_alive: float = 75.0
    """From an answer to the next request."""
    write_timeout: float = 60.0
    """For a client to read something of what waits for it."""
    write_rate: int = 1024
    """Bytes a second that it has to read of it at least."""
    linger: float = 5.0
    """That a refused client may go on sending: a connection closed on it would lose the answer."""
    linger_size: int = 256 * 1024 * 1024
    """How much of that is taken."""
    high_water: int = 256 * 1024
    """What may wait for a client before its writer is asked to wait too."""


class Exchange(Protocol):
    """One request and the way to answer it. All but `drain` return at once: what is written waits in a buffer."""

    request: Request
    correlation_id: str
    """Stands as ``X-Request-Id`` in the answer, which the server writes, and in every log line about the request."""

    @property
    def started(self) -> bool:
        """Whether an answer was begun."""
        ...

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written: the answer is whole, was broken off, or the client left."""
        ...

    def respond(self, response: Response) -> None:
        """Answer, whole. Nothing may follow."""
        ...

    def start(self, status: int, headers: Sequence[Header]) -> None:
        """Begin an answer whose body comes in pieces.

        With a ``Content-Length`` among the headers the body must have that length; without one the server frames
        the end.
        """
        ...

    def write(self, data: bytes) -> None:
        """Go on with it. What is written after the client left is dropped."""
        ...

    def end(self) -> None:
        """End it."""
        ...

    def abort(self) -> None:
        """Break it off: the connection closes, so that the client does not take a part for the whole."""
        ...

    async def drain(self) -> None:
        """Wait until the client has read most of what was written.

        Raises
        ------
        ClientLeftError
            The client is gone.
        SlowClientError
            It read nothing for too long; the connection is closed.
        """
        ...

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call this when the client leaves before the answer is whole. The last one given is called."""
        ...

    def on_done(self, callback: Callable[[int, int], None]) -> None:
        """Call this when the answer is over, however it ended: with its status, and the bytes of its body.

        The status is 499 when the client left before there was one.
        """
        ...

    def on_pressure(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Call ``pause`` when too much waits for the client, and ``resume`` when it has read most of it."""
        ...


Handler = Callable[[Exchange], None]
"""Serves an exchange. It returns at once, and goes on in a task of its own where it has to wait."""
