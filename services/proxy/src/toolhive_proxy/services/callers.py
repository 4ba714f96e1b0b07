"""Credentials of the caller whose request is served now, for a connection that is made because of it.

A session of a server that speaks HTTP has a connection of its own, which begins with the session's first request. The
keeper of sessions knows nothing of headers; the connection's task is started within that request's context.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from toolhive_proxy.models.http import Header

__all__ = ["caller_headers", "calling_with"]

_HEADERS: ContextVar[tuple[Header, ...]] = ContextVar("toolhive_caller_headers", default=())
_PASSED = b"authorization"


def caller_headers() -> tuple[Header, ...]:
    """What of the caller's headers goes on to the server."""
    return _HEADERS.get()


@contextmanager
def calling_with(headers: Sequence[Header]) -> Iterator[None]:
    """Serve a request with these headers, as its gates left them."""
    token = _HEADERS.set(tuple(header for header in headers if header[0] == _PASSED))
    try:
        yield
    finally:
        _HEADERS.reset(token)
