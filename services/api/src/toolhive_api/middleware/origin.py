"""Keeps web pages of others from using the API through a visitor's browser."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["OriginCheck"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class OriginCheck:
    """Refuses requests whose ``Origin`` is neither this host nor the own machine.

    The API of a laptop asks for no password, so that any page could otherwise start containers there. Programs
    that are no browsers send no ``Origin``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not _is_allowed(Headers(scope=scope)):
            text = "requests from web pages of other sites are refused (header Origin)\n"
            await PlainTextResponse(text, status_code=403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_allowed(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        host = urlsplit(origin).hostname
        own = urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:
        return False
    return host is not None and (host in _LOOPBACK or host == own)
