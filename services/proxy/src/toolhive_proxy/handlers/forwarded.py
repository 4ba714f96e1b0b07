"""Brings a streamable-http server's answer to the client, as it comes."""

from collections.abc import Callable

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.jsonrpc import error_body
from toolhive_common.observability.correlation import correlated
from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.handlers.replying import refusal_answer, request_id_of
from toolhive_proxy.handlers.rewritten import Rewritten
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.models.messages import Kind, Message
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.models.upstream import ResponseHead, Sending
from toolhive_proxy.protocol.headers import is_event_stream
from toolhive_proxy.protocol.sse import encode_event
from toolhive_proxy.services.forwarding import Forwarding

__all__ = ["Forwarded"]

_log = structlog.get_logger(__name__)

_LARGEST_REWRITTEN = 64 * 1024 * 1024
"""Bytes of an answer, or of an event of it, that are held to change something in it."""
_UNFINISHED = b"event: toolhive-unfinished\n\n"
"""Ends whatever the server left half said. The last ``event`` line of an event counts, and clients pass over a type
that they do not know: the torso reaches nobody as a message."""


class Forwarded:
    """One request that was sent on: a `ResponseSink` that writes to the client.

    Parameters
    ----------
    on_done
        Called when nothing more will happen.
    """

    __slots__ = ("_context", "_exchange", "_forwarding", "_last", "_on_done", "_sending", "_streams")

    def __init__(
        self,
        exchange: Exchange,
        context: RequestContext,
        forwarding: Forwarding,
        on_done: Callable[["Forwarded"], None] | None = None,
    ) -> None:
        self._exchange = exchange
        self._context = context
        self._forwarding = forwarding
        self._on_done = on_done
        self._sending: Sending | None = None
        self._streams = False
        self._last = b""

    def go(self) -> None:
        """Send the request on."""
        exchange = self._exchange
        # Set before: a client may leave, and be told of it, while the request is written.
        exchange.on_close(self._left)
        try:
            self._sending = self._send()
        except UpstreamError as error:
            self.on_failure(error)

    def _send(self) -> Sending:
        context, correlation_id = self._context, self._exchange.correlation_id
        if not context.rewrites:
            return self._forwarding.send(context, correlation_id, self)
        rewritten = Rewritten(self, context.rewrites, limit=_LARGEST_REWRITTEN)
        rewritten.sending = self._forwarding.send(context, correlation_id, rewritten)
        return rewritten.sending

    def stop(self) -> None:
        """End an answer that would never end: the proxy stops."""
        if self._sending is not None:
            self._sending.cancel()
        self._exchange.end()
        self._done()

    def on_response(self, head: ResponseHead, data: bytes, *, ended: bool) -> None:
        """Begin the answer; most are whole with their first piece."""
        exchange = self._exchange
        self._forwarding.tell_session(self._context, head, exchange.correlation_id)
        headers, seal = head.headers, self._context.seal
        if seal is not None:
            headers = seal(headers)
        if ended:
            exchange.respond(Response(head.status, data, headers))
            self._done()
            return
        self._streams = is_event_stream(headers)
        if head.length >= 0:
            headers = (*headers, (b"content-length", b"%d" % head.length))
        exchange.start(head.status, headers)
        if self._sending is not None:
            exchange.on_pressure(self._sending.pause, self._sending.resume)
        self._write(data)

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """Go on with it."""
        self._write(data)
        if ended:
            self._exchange.end()
            self._done()

    def on_failure(self, error: ToolHiveError) -> None:
        """Say what went wrong, wherever there is still room for it."""
        exchange, context = self._exchange, self._context
        with correlated(exchange.correlation_id):
            _log.warning("a server failed", workload=context.route.key.name, cause=error.message)
        failure = self._failure(error)
        if not exchange.started:
            exchange.respond(refusal_answer(failure, request_id_of(context)))
        elif self._streams and isinstance(context.message, Message) and context.message.kind is Kind.REQUEST:
            self._end_stream(failure)
        else:
            exchange.abort()  # which is how HTTP tells that an answer is not whole
        self._done()

    def _failure(self, error: ToolHiveError) -> Failure:
        if isinstance(error, UpstreamError):
            return self._forwarding.failure(self._context.route, error)
        return Failure(502, -32000, error.message)

    def _end_stream(self, failure: Failure) -> None:
        line_end = b"" if self._last.endswith((b"\n", b"\r")) else b"\n"
        body = error_body(request_id_of(self._context), failure.code, failure.message)
        self._exchange.write(line_end + _UNFINISHED + encode_event(body))
        self._exchange.end()

    def _write(self, data: bytes) -> None:
        if data:
            self._last = data
            self._exchange.write(data)

    def _left(self) -> None:
        """A client that leaves may mean to cancel: let the server see it leave."""
        if self._sending is not None:
            self._sending.cancel()
        self._done()

    def _done(self) -> None:
        self._sending = None  # which knows us too: the two would wait for the collector of cycles
        if self._on_done is not None:
            self._on_done(self)
