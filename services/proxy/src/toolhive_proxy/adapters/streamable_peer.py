"""One session with a server of the streamable-http transport, for clients that speak another one."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.jsonrpc import Code, Request, Response, classify, error_body, parse
from toolhive_proxy.errors import LinkBrokenError, UpstreamError
from toolhive_proxy.models.http import Header
from toolhive_proxy.models.routes import Origin
from toolhive_proxy.models.upstream import HttpAnswer, HttpClient, UpstreamRequest
from toolhive_proxy.protocol.headers import LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID, is_printable, is_session_id
from toolhive_proxy.protocol.heads import HeadMemory
from toolhive_proxy.protocol.sse import EventTooLargeError, SseParser
from toolhive_sessions.lines import Line, TooLong

__all__ = ["StreamablePeer"]

_log = structlog.get_logger(__name__)
_LINES = HeadMemory()
_ACCEPT: Header = (b"accept", b"application/json, text/event-stream")
_OK = 200
_ACCEPTED = 202
_BAD = 400
_NOT_FOUND = 404
_HAS_NO_STREAM = frozenset({_NOT_FOUND, 405})
"""Answers of a server that has no stream to follow, or no session any more; all others may be so for a while only."""
_PAUSE = 1.0
"""Least seconds before a stream that the server closed is asked for again; the server may say more."""
_MOST_PAUSE = 30.0
_LASTED = 5.0
"""Seconds after which a stream that ends was one, and not the way a broken server answers."""
_MOST_WAITING = 4 * 1024 * 1024
"""Bytes of what the server said that wait for whoever takes it."""
_OVERHEAD = 200
"""Bytes that an item takes besides its text, so that small ones count too."""
_INITIALIZED = b'"notifications/initialized"'


class _Pace:
    """Seconds to wait before a stream is asked for again: ever more while each ends at once."""

    def __init__(self) -> None:
        self._least = _PAUSE

    def pause(self, lasted: float, told: float) -> float:
        """After a stream that lasted so many seconds, of a server that wants to be left alone for so many."""
        if lasted >= _LASTED:
            self._least = _PAUSE
        pause = min(max(told, self._least), _MOST_PAUSE)
        self._least *= 2
        return pause


class _Said:
    """What a server said and nobody took yet, bounded by its size: who puts more waits."""

    def __init__(self) -> None:
        self._items: deque[bytes | ToolHiveError] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, item: bytes | ToolHiveError) -> None:
        """Add an item; one that is larger than all that may wait is taken when nothing else does."""
        size = _size_of(item)
        while self._items and self._size + size > _MOST_WAITING:
            self._room.clear()
            await self._room.wait()
        self._items.append(item)
        self._size += size
        self._filled.set()

    async def get(self) -> bytes | ToolHiveError:
        """Take the next item."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        item = self._items.popleft()
        self._size -= _size_of(item)
        self._room.set()
        return item


def _size_of(item: bytes | ToolHiveError) -> int:
    return _OVERHEAD + (0 if isinstance(item, ToolHiveError) else len(item))


class StreamablePeer:
    """Implements `toolhive_sessions.host.Peer`.

    Parameters
    ----------
    target
        Path and query of the endpoint.
    headers
        Tells those that are sent with a request, for each anew.
    max_message
        Largest message in bytes.
    """

    def __init__(
        self, http: HttpClient, origin: Origin, target: str, headers: Callable[[], list[Header]], *, max_message: int
    ) -> None:
        self._http = http
        self._origin = origin
        self._target = target
        self._headers = headers
        self._max_message = max_message
        self._session: list[Header] = []
        self._said = _Said()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def send(self, data: bytes) -> None:
        """POST each message. Requests go side by side; what follows a notification waits until it was taken."""
        for message in data.splitlines():
            if b'"id"' in message and isinstance(request := classify(parse(message)), Request):
                self._start(self._call(message, request))
            else:
                await self._tell(message)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, message: bytes) -> None:
        try:
            async with self._http.request(self._origin, self._request("POST", message)) as response:
                await self._whole(response)
                if response.status == _NOT_FOUND:
                    await self._said.put(LinkBrokenError("the server ended the session; call initialize again"))
        except UpstreamError as error:
            _log.info("a server did not take a message", cause=error.message)
        if _INITIALIZED in message:
            self._start(self._listen())

    async def _call(self, message: bytes, request: Request) -> None:
        try:
            async with self._http.request(self._origin, self._request("POST", message)) as response:
                if request.method == "initialize":
                    self._note_session(response)
                answered = await self._take(response, request)
        except LinkBrokenError as error:
            await self._said.put(error)
            return
        except (UpstreamError, EventTooLargeError) as error:
            answered = str(error)
        if answered is not None:
            await self._said.put(error_body(request.id, Code.SERVER_ERROR, answered))

    def _note_session(self, response: HttpAnswer) -> None:
        self._session = [pair for pair in response.headers if pair[0] == SESSION_ID]

    async def _take(self, response: HttpAnswer, request: Request) -> str | None:
        """Hand on what answers a request; returns why there is no answer."""
        kind = dict(response.headers).get(b"content-type", b"").lower()
        if kind.startswith(b"text/event-stream") and response.status == _OK:
            began = _now()
            last, pause = await self._follow(response, request)
            lasted = _now() - began
            return await self._resume(request, last, lasted, pause) if last is not None else None
        body = await self._whole(response)
        if body is None:
            return f"the server's answer is larger than {self._max_message} bytes"
        if kind.startswith(b"application/json") and _is_answer(body):
            await self._hand_on(body, request)
            return None
        if response.status == _NOT_FOUND:
            await self._said.put(LinkBrokenError("the server ended the session; call initialize again"))
        return f"the server answered with HTTP status {response.status}"

    async def _whole(self, response: HttpAnswer) -> bytes | None:
        """Read all of a body; ``None`` for one that is over the limit, whose rest nobody reads."""
        pieces, size = [], 0
        async for piece in response.body():
            size += len(piece)
            if size > self._max_message:
                return None
            pieces.append(piece)
        return b"".join(pieces)

    async def _follow(self, response: HttpAnswer, request: Request | None) -> tuple[str | None, float]:
        """Hand on a stream's messages.

        Returns
        -------
        tuple
            The last event's id when the answer did not come and can be asked for again (empty when it cannot),
            ``None`` when it came; and the seconds to wait before.

        Raises
        ------
        LinkBrokenError
            The server says what cannot be said back to it.
        """
        parser = SseParser(max_event=self._max_message)
        last, pause = "", _PAUSE
        async for piece in response.body():
            for event in parser.feed(piece):
                if event.id and not is_printable(event.id):
                    raise LinkBrokenError("the server gave an event an id that no header can hold")
                last = event.id if event.id is not None else last
                pause = event.retry / 1000 if event.retry is not None else pause
                if event.event != "message" or not event.data:
                    continue
                await self._hand_on(event.data, request)
                if request is not None and _answers(event.data, request):
                    return None, pause
        return last, pause

    async def _resume(self, request: Request, last: str, lasted: float, told: float) -> str | None:
        """Ask for the rest of a stream that the server closed before the answer."""
        pace = _Pace()
        while last and not self._closed:
            await asyncio.sleep(pace.pause(lasted, told))
            began = _now()
            resumed = self._request("GET", b"", [(LAST_EVENT_ID, last.encode())])
            async with self._http.request(self._origin, resumed) as response:
                if response.status != _OK:
                    return f"the server closed its stream, and answered HTTP status {response.status} afterwards"
                found, told = await self._follow(response, request)
            lasted = _now() - began
            if found is None:
                return None
            last = found or last
        return "the server closed its stream before it answered"

    async def _listen(self) -> None:
        """Follow what the server says of itself, for as long as it has a stream for that."""
        last, told, pace = "", _PAUSE, _Pace()
        while not self._closed:
            began = _now()
            headers = [(LAST_EVENT_ID, last.encode())] if last else []
            try:
                async with self._http.request(self._origin, self._request("GET", b"", headers)) as response:
                    if response.status in _HAS_NO_STREAM:
                        return
                    if response.status == _OK:
                        found, told = await self._follow(response, None)
                        last = found or last
                    else:
                        _log.info("a server refused a stream", status=response.status)
            except LinkBrokenError as error:
                await self._said.put(error)
                return
            except (UpstreamError, EventTooLargeError) as error:
                _log.info("a server's stream broke", cause=str(error))
            await asyncio.sleep(pace.pause(_now() - began, told))

    async def _hand_on(self, data: bytes, request: Request | None) -> None:
        if request is not None and request.method == "initialize":
            self._note_version(data)
        await self._said.put(data)

    def _note_version(self, data: bytes) -> None:
        try:
            answer = parse(data)
        except ValueError:
            return  # no answer, which may still come
        result = answer.get("result") if isinstance(answer, dict) else None
        version = result.get("protocolVersion") if isinstance(result, dict) else None
        if not isinstance(version, str):
            return
        if not is_session_id(version):  # of which a header can hold as much
            raise LinkBrokenError("the server answered initialize with a protocolVersion that no header can hold")
        self._session.append((PROTOCOL_VERSION, version.encode()))

    def _request(self, method: str, body: bytes, more: list[Header] | None = None) -> UpstreamRequest:
        headers = [*self._headers(), *self._session, _ACCEPT, *(more or [])]
        if body:
            headers.append((b"content-type", b"application/json"))
        lines = _LINES.lines(headers)
        return UpstreamRequest(method, self._target, lines, "", body, safe=method == "GET", endless=method == "GET")

    async def messages(self) -> AsyncIterator[Line | TooLong]:
        """Tell what the server says.

        Raises
        ------
        ToolHiveError
            The server ended the session.
        """
        while True:
            said = await self._said.get()
            if isinstance(said, ToolHiveError):
                raise said
            yield Line(said)

    async def close(self) -> None:
        """End the session at the server's side."""
        if self._closed:
            return
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if any(name == SESSION_ID for name, _ in self._session):
            try:
                async with asyncio.timeout(2), self._http.request(self._origin, self._request("DELETE", b"")):
                    pass
            except (UpstreamError, TimeoutError) as error:
                _log.info("a session could not be ended at its server", cause=str(error))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_answer(body: bytes) -> bool:
    try:
        return isinstance(classify(parse(body)), Response)
    except ValueError:
        return False


def _answers(data: bytes, request: Request) -> bool:
    try:
        message = classify(parse(data))
    except ValueError:
        return False
    return isinstance(message, Response) and message.id == request.id
