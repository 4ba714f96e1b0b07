"""The HTTP interface between the proxy's server and its handlers: a request whole, a response in one piece or many.

ASGI would do, and costs a task and several dictionaries for each request; the data path is too short for that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Exchange", "Handler", "Header", "Request", "Response"]

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

    def header(self, name: bytes) -> str:
        """A header's value; several lines are joined with a comma. Empty when absent."""
        found = [value for key, value in self.headers if key == name]
        return b", ".join(found).decode("latin-1") if found else ""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that is whole."""

    status: int
    body: bytes = b""
    headers: Sequence[Header] = ()
    """Besides ``Content-Length``, which the server writes."""


class Exchange(Protocol):
    """One request and the way to answer it. All but `drain` return at once: what is written waits in a buffer."""

    request: Request

    def respond(self, response: Response) -> None:
        """Answer, whole. Nothing may follow."""
        ...

    def start(self, status: int, headers: Sequence[Header]) -> None:
        """Begin an answer whose body comes in pieces; its end is framed by the server."""
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
        """Call this when the client leaves before the answer is whole."""
        ...


Handler = Callable[[Exchange], None]
"""Serves an exchange. It returns at once, and goes on in a task of its own where it has to wait."""
