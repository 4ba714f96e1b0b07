"""Passing requests through to servers that speak streamable-http themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from toolhive_common.observability.correlation import correlation_id
from toolhive_common.schemas.events import EventType
from toolhive_proxy.adapters.upstream_http import UpstreamHttp, UpstreamResponse
from toolhive_proxy.decisions.upstream_failure import failure_of, is_safe_to_repeat
from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.models.asgi import Header
from toolhive_proxy.models.messages import Message
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.models.routes import Route
from toolhive_proxy.models.upstream import UpstreamRequest, UpstreamTrouble
from toolhive_proxy.protocol.headers import SESSION_ID, end_to_end
from toolhive_proxy.services.event_teller import EventTeller

__all__ = ["ForwardRequest", "Forwarding"]

_OURS = frozenset({b"host", b"content-length", b"expect", b"x-request-id"})
"""Headers that the proxy writes itself, or answers for the server."""
_PATH = "/mcp"


@dataclass(frozen=True, slots=True)
class ForwardRequest:
    """A client's request."""

    method: str
    query: str
    headers: list[Header]
    body: bytes
    message: Message | None
    """What the body is; ``None`` for GET and DELETE."""


class Forwarding:
    """Sends a request on and brings the response back, as it comes."""

    def __init__(self, http: UpstreamHttp, teller: EventTeller) -> None:
        self._http = http
        self._teller = teller

    @asynccontextmanager
    async def forward(self, route: Route, request: ForwardRequest) -> AsyncIterator[UpstreamResponse]:
        """Hold the response for the length of the block.

        Raises
        ------
        UpstreamError
            The server failed before or, out of the body, while it answered.
        """
        if route.origin is None:
            raise UpstreamError(UpstreamTrouble.UNREACHABLE, "it has no address")
        headers = end_to_end(request.headers, without=_OURS)
        headers.append((b"x-request-id", correlation_id().encode()))
        target = f"{_PATH}?{request.query}" if request.query else _PATH
        upstream = UpstreamRequest(
            request.method, target, headers, request.body, safe=is_safe_to_repeat(request.method, request.message)
        )
        async with self._http.request(route.origin, upstream) as response:
            self._tell_session(route, request, response)
            yield UpstreamResponse(response.status, end_to_end(response.headers), response.body)

    def failure(self, route: Route, error: UpstreamError) -> Failure:
        """Say to the client what went wrong."""
        return failure_of(error.trouble, route.key.name, error.detail)

    def _tell_session(self, route: Route, request: ForwardRequest, response: UpstreamResponse) -> None:
        if not 200 <= response.status < 300:  # noqa: PLR2004  # HTTP's success
            return
        if request.method == "DELETE":
            event_type, headers = EventType.SESSION_CLOSED, request.headers
        elif request.message is not None and request.message.method == "initialize":
            event_type, headers = EventType.SESSION_OPENED, response.headers
        else:
            return
        session = next((value.decode("latin-1") for name, value in headers if name == SESSION_ID), "")
        if session:
            self._teller.session(event_type, route.key, route.revision, session=session, client="")
