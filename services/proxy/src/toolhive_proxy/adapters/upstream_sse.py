"""A session with a server of the legacy HTTP+SSE transport: one event stream in, POSTs out."""

import asyncio
from urllib.parse import urljoin, urlsplit

import structlog

from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.adapters.upstream_reader import ResponseReader
from toolhive_proxy.errors import LinkBrokenError, UpstreamError
from toolhive_proxy.models.links import Receiver
from toolhive_proxy.models.routes import Origin
from toolhive_proxy.models.upstream import UpstreamRequest, UpstreamTrouble
from toolhive_proxy.protocol.sse import EventTooLargeError, SseEvent, SseParser

__all__ = ["SseLink"]

_log = structlog.get_logger(__name__)
_PATH = "/sse"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class SseLink:
    """One session's connection to the server. The server knows the session by its stream: if that ends, so does it.

    Parameters
    ----------
    max_event
        Largest message in bytes.
    patience
        Seconds for the server to tell where messages go, and to take each of them.
    """

    def __init__(
        self, http: UpstreamHttp, origin: Origin, receiver: Receiver, *, max_event: int, patience: float
    ) -> None:
        self._http = http
        self._origin = origin
        self._receiver = receiver
        self._parser = SseParser(max_event=max_event)
        self._patience = patience
        self._endpoint: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and learn where messages go.

        Raises
        ------
        ToolHiveError
            The server is out of reach or does not speak HTTP+SSE.
        """
        # Owned by this link: `close` ends it, and it hands every failure to the receiver.
        self._reading = asyncio.create_task(self._read())  # noqa: TID251
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(self._endpoint)
        except TimeoutError as error:
            await self.close()
            raise LinkBrokenError("the server opened its event stream but named no endpoint in time") from error
        except BaseException:
            await self.close()
            raise

    async def send(self, data: bytes) -> None:
        """POST one message.

        Raises
        ------
        ToolHiveError
            The server did not take it, or not in time.
        """
        target = await self._endpoint
        request = UpstreamRequest("POST", target, b"content-type: application/json\r\n", "", data, safe=False)
        try:
            # Around all of it: a server may begin its answer in time and then never end it.
            async with asyncio.timeout(self._patience), self._http.request(self._origin, request) as response:
                async for _ in response.body():
                    pass
        except TimeoutError as error:
            detail = f"it did not take a message within {self._patience:g} s"
            raise UpstreamError(UpstreamTrouble.SILENT, detail) from error
        if response.status >= 400:  # noqa: PLR2004  # what HTTP calls an error
            raise LinkBrokenError(f"the server refused the message with HTTP status {response.status}")

    async def close(self) -> None:
        """Close the stream."""
        try:
            if self._reading is not None and self._reading is not asyncio.current_task():
                self._reading.cancel()
                # Not awaited itself: its end and a cancellation of whoever closes would look the same.
                await asyncio.wait([self._reading])
        finally:
            self._close_endpoint()

    def _close_endpoint(self) -> None:
        if self._endpoint.done() and not self._endpoint.cancelled():
            self._endpoint.exception()  # it was told to whoever opened; nobody else waits
        self._endpoint.cancel()

    async def _read(self) -> None:
        reason = "the server closed its event stream"
        request = UpstreamRequest("GET", _PATH, b"accept: text/event-stream\r\n", "", b"", safe=True, endless=True)
        try:
            async with self._http.request(self._origin, request) as response:
                await self._follow(response)
        except (UpstreamError, LinkBrokenError) as error:
            reason = error.message
            self._not_opened(error)
        except EventTooLargeError as error:
            reason = f"the server's message is too large: {error}"
        except Exception:  # noqa: BLE001  # the top of this session: it ends, the others go on
            _log.exception("reading a server's event stream failed")
            reason = "the proxy failed to read the server's event stream; its log says why"
        self._not_opened(LinkBrokenError(reason))
        self._receiver.lose(reason)

    def _not_opened(self, error: Exception) -> None:
        if not self._endpoint.done():
            self._endpoint.set_exception(error)

    async def _follow(self, response: ResponseReader) -> None:
        kind = dict(response.headers).get(b"content-type", b"").lower()
        if response.status != 200 or not kind.startswith(b"text/event-stream"):  # noqa: PLR2004  # HTTP's OK
            raise LinkBrokenError(
                f"the server answered GET {_PATH} with HTTP status {response.status}, not with an event stream; "
                "is its transport really sse?"
            )
        async for piece in response.body():
            for event in self._parser.feed(piece):
                await self._take(event)

    async def _take(self, event: SseEvent) -> None:
        if event.event == "endpoint":
            target = _same_origin_target(self._origin, event.data.decode(errors="replace"))
            if not self._endpoint.done():
                self._endpoint.set_result(target)
        elif event.event == "message":
            await self._receiver.take(event.data)


def _same_origin_target(origin: Origin, reference: str) -> str:
    """Resolve the endpoint. A server must not send its clients' messages to another host."""
    base = f"{origin.scheme}://{origin.authority}{_PATH}"
    try:
        parts = urlsplit(urljoin(base, reference))
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        raise LinkBrokenError(f"the server named an endpoint that is no address: {reference[:200]!r}") from None
    if (parts.scheme, parts.hostname, port) != (origin.scheme, origin.host, origin.port):
        raise LinkBrokenError(f"the server named an endpoint at another origin: {reference[:200]!r}")
    if any(character <= " " for character in parts.path + parts.query):
        raise LinkBrokenError("the server named an endpoint with characters that no address may hold")
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
