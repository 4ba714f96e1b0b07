"""Gives each request its correlation id, and each answer the headers that all have."""

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolhive_common.observability.correlation import correlated, new_correlation_id

__all__ = ["REQUEST_ID_HEADER", "RequestId"]

REQUEST_ID_HEADER = "X-Request-Id"
_log = structlog.get_logger(__name__)


class RequestId:
    """Takes the caller's ``X-Request-Id`` or makes one; it is in every log line, NATS message and event."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_correlation_id(Headers(scope=scope).get(REQUEST_ID_HEADER))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                _log.debug("answered", method=scope["method"], path=scope["path"], status=message["status"])
            await send(message)

        with correlated(request_id):
            await self._app(scope, receive, with_headers)
