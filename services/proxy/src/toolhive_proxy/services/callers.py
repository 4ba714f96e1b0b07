"""Credentials of callers, for the connections that are made because of them.

A session of a server that speaks HTTP has a connection of its own. The keeper of sessions knows nothing of headers:
the connection's task is started within the context of the session's first request, and so finds that session's
credentials, which each later request renews. A caller's token may change while its session lasts.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from toolhive_proxy.models.http import Header

__all__ = ["Credentials", "caller_headers", "calling_with", "connecting_with", "credentials_here"]

_PASSED = b"authorization"


class Credentials:
    """What of a session's caller goes on to the server with each request."""

    __slots__ = ("__weakref__", "headers")

    def __init__(self) -> None:
        self.headers: tuple[Header, ...] = ()


_HEADERS: ContextVar[tuple[Header, ...]] = ContextVar("toolhive_caller_headers", default=())
_CREDENTIALS: ContextVar[Credentials | None] = ContextVar("toolhive_credentials", default=None)


def caller_headers() -> tuple[Header, ...]:
    """What of the present request's headers goes on to the server."""
    return _HEADERS.get()


def credentials_here() -> Credentials:
    """Those of the session that a connection is made for."""
    return _CREDENTIALS.get() or Credentials()


@contextmanager
def calling_with(headers: Sequence[Header]) -> Iterator[None]:
    """Serve a request with these headers, as its gates left them."""
    token = _HEADERS.set(tuple(header for header in headers if header[0] == _PASSED))
    try:
        yield
    finally:
        _HEADERS.reset(token)


@contextmanager
def connecting_with(credentials: Credentials) -> Iterator[None]:
    """Make connections for a session with these credentials."""
    token = _CREDENTIALS.set(credentials)
    try:
        yield
    finally:
        _CREDENTIALS.reset(token)
