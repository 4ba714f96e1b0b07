"""Changes the results in a server's answer before the client gets it. Only what has to be is held back."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.models.gates import ResultRewrite
from toolhive_proxy.models.upstream import ResponseHead, ResponseSink, Sending, UpstreamTrouble
from toolhive_proxy.protocol.headers import is_event_stream
from toolhive_proxy.protocol.response_head import CHUNKED
from toolhive_proxy.protocol.results import holds_tools, rewritten
from toolhive_proxy.protocol.sse import KEEP_ALIVE, EventTooLargeError, SseEvent, SseParser, encode_event

__all__ = ["Rewritten"]


class Rewritten:
    """A `ResponseSink` before another.

    A JSON body is held until it is whole, an event stream for one event. Anything else passes when it tells of a
    failure or is empty; as an answer it fails, since nobody knows what it holds.

    Parameters
    ----------
    limit
        Bytes of a body or event that are held.
    """

    def __init__(self, inner: ResponseSink, rewrites: Sequence[ResultRewrite], *, limit: int) -> None:
        self._inner = inner
        self._rewrites = rewrites
        self._limit = limit
        self._head: ResponseHead | None = None
        self._held = bytearray()
        self._parser: SseParser | None = None
        self._over = False
        self._opaque = False
        self.sending: Sending | None = None
        """What is dropped when an answer cannot be read."""

    def on_response(self, head: ResponseHead, data: bytes, *, ended: bool) -> None:
        """Begin."""
        kinds = dict(head.headers)
        if b"content-encoding" in kinds:
            self._fail("it is compressed, though the proxy asked for plain text, and its tools must be filtered")
        elif is_event_stream(head.headers):
            self._parser = SseParser(max_event=self._limit)
            self._inner.on_response(replace(head, length=CHUNKED), b"", ended=False)
            self.on_data(data, ended=ended)
        elif kinds.get(b"content-type", b"").lower().startswith(b"application/json"):
            self._head = head
            self.on_data(data, ended=ended)
        elif HTTPStatus.OK <= head.status < HTTPStatus.MULTIPLE_CHOICES:
            self._head = head
            self._opaque = True
            self.on_data(data, ended=ended)
        else:
            self._inner.on_response(head, data, ended=ended)

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """Go on."""
        if self._over:
            return
        if self._parser is not None:
            try:
                events = self._parser.feed(data)
            except EventTooLargeError as error:
                self._fail(str(error))
                return
            # A piece without an event is most often a comment that keeps the connection alive.
            text = b"".join(map(self._event, events)) or (KEEP_ALIVE if data else b"")
            self._inner.on_data(text, ended=ended)
        elif self._head is not None:
            self._hold(self._head, data, ended=ended)
        else:
            self._inner.on_data(data, ended=ended)

    def on_failure(self, error: ToolHiveError) -> None:
        """Tell it on."""
        if not self._over:
            self._over = True
            self._inner.on_failure(error)

    def _hold(self, head: ResponseHead, data: bytes, *, ended: bool) -> None:
        self._held += data
        if self._opaque and data:
            self._fail("it is neither JSON nor an event stream, and its tools must be filtered")
        elif len(self._held) > self._limit:
            self._fail(f"it is larger than {self._limit} bytes")
        elif ended:
            self._inner.on_response(head, rewritten(bytes(self._held), self._rewrites), ended=True)

    def _event(self, event: SseEvent) -> bytes:
        data = event.data
        if event.event == "message":
            data = rewritten(data, self._rewrites)
        elif holds_tools(data):
            return b""
        return encode_event(data, event=event.event.encode(), event_id=event.id, retry=event.retry)

    def _fail(self, detail: str) -> None:
        if self.sending is not None:
            self.sending.cancel()
        self.on_failure(UpstreamError(UpstreamTrouble.MALFORMED, detail))
