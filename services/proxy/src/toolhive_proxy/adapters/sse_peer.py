"""One connection to a server of the HTTP+SSE transport: an event stream in, POSTs out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from urllib.parse import urljoin, urlsplit

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.jsonrpc import Request, Response, classify, parse
from toolhive_proxy.errors import LinkBrokenError, UpstreamError
from toolhive_proxy.models.http import Header
from toolhive_proxy.models.routes import Origin
from toolhive_proxy.models.upstream import HttpAnswer, HttpClient, UpstreamRequest, UpstreamTrouble
from toolhive_proxy.protocol.headers import is_printable
from toolhive_proxy.protocol.heads import HeadMemory
from toolhive_proxy.protocol.sse import EventTooLargeError, SseEvent, SseParser
from toolhive_sessions.lines import Line, TooLong

__all__ = ["SsePeer"]

_LINES = HeadMemory()
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_UNTAKEN = 1000
"""Messages that wait at once for the server to take them."""


class SsePeer:
    """Implements `toolhive_sessions.host.Peer`. The server knows a session by its stream: if that ends, so does it.

    Parameters
    ----------
    path
        Of the event stream, with its query.
    headers
        Tells those that are sent with a request, for each anew.
    max_event
        Largest message in bytes.
    patience
        Seconds for the server to tell where messages go, and to take each of them.
    """

    def __init__(
        self,
        http: HttpClient,
        origin: Origin,
        path: str,
        headers: Callable[[], list[Header]],
        *,
        max_event: int,
        patience: float,
    ) -> None:
        self._http = http
        self._origin = origin
        self._path = path
        self._headers = headers
        self._parser = SseParser(max_event=max_event)
        self._patience = patience
        self._stack = AsyncExitStack()
        self._target = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._response: HttpAnswer | None = None
        self._early: list[SseEvent] = []
        """What came in one piece with the endpoint."""

    async def open(self) -> None:
        """Connect, and learn where messages go.

        Raises
        ------
        ToolHiveError
            The server is out of reach or does not speak HTTP+SSE.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._connect()
        except TimeoutError as error:
            await self.close()
            raise LinkBrokenError("the server opened its event stream but named no endpoint in time") from error
        except BaseException:
            await self.close()
            raise

    async def _connect(self) -> None:
        headers = [*self._headers(), (b"accept", b"text/event-stream")]
        request = UpstreamRequest("GET", self._path, _LINES.lines(headers), "", b"", safe=True, endless=True)
        self._response = response = await self._stack.enter_async_context(self._http.request(self._origin, request))
        kind = dict(response.headers).get(b"content-type", b"").lower()
        if response.status != 200 or not kind.startswith(b"text/event-stream"):  # noqa: PLR2004  # HTTP's OK
            raise LinkBrokenError(
                f"the server answered GET {self._path.partition('?')[0]} with HTTP status {response.status}, "
                "not with an event stream; "
                "is its transport really sse?"
            )
        async for piece in response.body():
            self._early += self._parser.feed(piece)
            for index, event in enumerate(self._early):
                if event.event == "endpoint":
                    self._target = _same_origin_target(self._origin, self._path, event.data.decode(errors="replace"))
                    del self._early[: index + 1]
                    return
        raise LinkBrokenError("the server closed its event stream before it named an endpoint")

    async def send(self, data: bytes) -> None:
        """POST each message. Those with an id go side by side; what follows a notification waits until it was taken.

        A server may answer the POST of a call when the call is done: what has to come meanwhile, such as an answer to
        a question of its own, must not wait for that. Of a message with an id that it does not take, whoever reads
        what it says is told.

        Raises
        ------
        ToolHiveError
            The server did not take a notification, or not in time; or it takes nothing any more.
        """
        for message in data.splitlines():
            if b'"id"' not in message or not isinstance(classify(parse(message)), Request | Response):
                await self._post(message)
            elif len(self._tasks) >= _MOST_UNTAKEN:
                raise await self._broken(LinkBrokenError(f"the server has {_MOST_UNTAKEN} messages to take"))
            else:
                self._start(message)
                await asyncio.sleep(0)  # so that it is on its way before the next

    def _start(self, message: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._post_aside(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _post_aside(self, message: bytes) -> None:
        try:
            with suppress(ToolHiveError):  # which `messages` raises
                await self._post(message)
        except Exception as error:  # noqa: BLE001  # the top of this task: nobody else would see it
            await self._broken(LinkBrokenError(f"a message could not be sent ({type(error).__name__})"))

    async def _post(self, message: bytes) -> None:
        headers = [*self._headers(), (b"content-type", b"application/json")]
        request = UpstreamRequest("POST", self._target, _LINES.lines(headers), "", message, safe=False)
        try:
            # Around all of it: a server may begin its answer in time and then never end it.
            async with asyncio.timeout(self._patience), self._http.request(self._origin, request) as response:
                async for _ in response.body():
                    pass
        except TimeoutError as error:
            detail = f"it did not take a message within {self._patience:g} s"
            raise await self._broken(UpstreamError(UpstreamTrouble.SILENT, detail)) from error
        except UpstreamError as error:
            raise await self._broken(error) from error
        if response.status >= 400:  # noqa: PLR2004  # what HTTP calls an error
            text = f"the server refused a message with HTTP status {response.status}"
            raise await self._broken(LinkBrokenError(text))

    async def _broken(self, error: ToolHiveError) -> ToolHiveError:
        """Close the stream, and tell whoever reads it why: a connection that we drop says nothing more."""
        await self.close()
        if self._response is not None:
            self._response.on_failure(error)
        return error

    async def messages(self) -> AsyncIterator[Line | TooLong]:
        """Tell what the server says.

        Raises
        ------
        ToolHiveError
            The stream broke; the message says how.
        """
        for event in self._early:
            if event.event == "message":
                yield Line(event.data)
        if self._response is None:
            return
        try:
            async for piece in self._response.body():
                for event in self._parser.feed(piece):
                    if event.event == "message":
                        yield Line(event.data)
        except EventTooLargeError as error:
            raise LinkBrokenError(f"the server's message is too large: {error}") from error
        raise LinkBrokenError("the server closed its event stream; call initialize again")

    async def close(self) -> None:
        """Close the stream, and take back what the server did not take."""
        present = asyncio.current_task()
        for task in self._tasks:
            if task is not present:
                task.cancel()
        await self._stack.aclose()


def _same_origin_target(origin: Origin, path: str, reference: str) -> str:
    """Resolve the endpoint. A server must not send its clients' messages to another host."""
    base = f"{origin.scheme}://{origin.authority}{path}"
    # A query may hold a key, and so may what stands before an @: neither goes into a message.
    shown = reference.partition("?")[0].rpartition("@")[2][:200]
    try:
        parts = urlsplit(urljoin(base, reference))
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        raise LinkBrokenError(f"the server named an endpoint that is no address: {shown!r}") from None
    if (parts.scheme, parts.hostname, port) != (origin.scheme, origin.host, origin.port):
        raise LinkBrokenError(f"the server named an endpoint at another origin: {shown!r}")
    if " " in parts.path + parts.query or not is_printable(parts.path + parts.query):
        raise LinkBrokenError("the server named an endpoint with characters that no address may hold")
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
