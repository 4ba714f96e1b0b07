"""Passing requests through to servers that speak streamable-http themselves."""

from toolhive_common.observability.correlation import correlated
from toolhive_common.schemas.events import EventType
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.decisions.endless import is_endless
from toolhive_proxy.decisions.fronts import server_path
from toolhive_proxy.decisions.upstream_failure import failure_of, is_safe_to_repeat
from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Header
from toolhive_proxy.models.messages import Batch, Message
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.models.routes import Route
from toolhive_proxy.models.upstream import ResponseHead, ResponseSink, Sending, UpstreamRequest, UpstreamTrouble
from toolhive_proxy.protocol.headers import SESSION_ID
from toolhive_proxy.protocol.heads import HeadMemory
from toolhive_proxy.services.event_teller import EventTeller
from toolhive_proxy.services.metrics import Metrics
from toolhive_proxy.services.remote_http import RemoteHttp

__all__ = ["Forwarding"]

_OURS = frozenset({b"host", b"content-length", b"expect", b"x-request-id"})
"""Headers that the proxy writes itself, or answers for the server."""
_READABLE = _OURS | {b"accept-encoding"}
"""The same, for an answer that the proxy has to read."""


class Forwarding:
    """Sends a request on and brings the response back, as it comes."""

    def __init__(self, http: UpstreamHttp, teller: EventTeller, metrics: Metrics) -> None:
        self._http = http
        self._remote = RemoteHttp(http)
        self._teller = teller
        self._metrics = metrics
        self._plain = HeadMemory(_OURS)
        self._readable = HeadMemory(_READABLE)

    def send(self, context: RequestContext, correlation_id: str, sink: ResponseSink) -> Sending:
        """Send a request on; the sink is told what comes of it.

        Raises
        ------
        UpstreamError
            The server has no address.
        """
        route = context.route
        origin = route.origin
        if origin is None:
            raise UpstreamError(UpstreamTrouble.UNREACHABLE, "it has no address")
        request = context.request
        memory = self._readable if context.rewrites else self._plain
        body, message = request.body, context.message
        if message is not None:
            body = message.data
        if isinstance(message, Batch):
            message = None
        upstream = UpstreamRequest(
            request.method,
            server_path(route, context.rest, request.query),
            memory.lines(context.headers),
            correlation_id,
            body,
            safe=is_safe_to_repeat(request.method, message),
            endless=is_endless(request.method, message),
        )
        return (self._remote if route.remote else self._http).send(origin, upstream, sink)

    def failure(self, route: Route, error: UpstreamError) -> Failure:
        """Count it, and say to the client what went wrong."""
        self._metrics.of(route.key.name).count_upstream_failure(error.trouble.value)
        return failure_of(error.trouble, route.key.name, error.detail)

    def tell_session(self, context: RequestContext, head: ResponseHead, correlation_id: str) -> None:
        """Tell that a session began or ended, if the answer says so."""
        message = context.message
        if context.request.method == "DELETE":
            event_type, headers = EventType.SESSION_CLOSED, tuple(context.headers)
        elif isinstance(message, Message) and message.method == "initialize":
            event_type, headers = EventType.SESSION_OPENED, head.headers
        else:
            return
        session = _session_of(headers)
        if session and 200 <= head.status < 300:  # noqa: PLR2004  # HTTP's success
            route = context.route
            with correlated(correlation_id):
                self._teller.session(event_type, route.key, route.revision, session=session, client="")


def _session_of(headers: tuple[Header, ...]) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == SESSION_ID), "")
