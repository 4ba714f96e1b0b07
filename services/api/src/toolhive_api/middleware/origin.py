"""Keeps web pages of others from using the API through a visitor's browser."""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from toolhive_common.origin import OriginRule, refuse_host, refuse_origin

__all__ = ["OriginCheck"]

_ANY_HOST = frozenset({"/healthz", "/readyz"})
"""Asked by supervisors under whatever address they see; tells nothing and changes nothing."""
_ADVICE = "if it is yours, add its name to TOOLHIVE_ALLOWED_HOSTS of the API"


class OriginCheck:
    """Refuses requests that a web page of somebody else's may have sent.

    The API of a laptop asks for no password, and who may start containers is as good as root. A page's ``Origin``
    must therefore be the own machine's, and so must ``Host``, also where there is no ``Origin``: a page can make its
    own name stand for 127.0.0.1, and what it then reads is to the browser its own.
    """

    def __init__(self, app: ASGIApp, rule: OriginRule) -> None:
        self._app = app
        self._rule = rule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"] not in _ANY_HOST and (problem := refuse_host(self._rule, headers.get("host", ""))):
            await PlainTextResponse(f"{problem}; {_ADVICE}\n", status_code=421)(scope, receive, send)
        elif problem := refuse_origin(self._rule, headers.get("origin", "")):
            await PlainTextResponse(f"{problem}; {_ADVICE}\n", status_code=403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
