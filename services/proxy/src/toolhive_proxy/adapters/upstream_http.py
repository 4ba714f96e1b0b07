"""A client for HTTP servers that keeps connections for the next request.

Made for the data path: no redirects, no cookies, no decompression. What a server says goes on as it is. A request
over a kept connection costs no task and no timer.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from toolhive_proxy.adapters.upstream_connection import UpstreamConnection
from toolhive_proxy.adapters.upstream_reader import ResponseReader
from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.models.routes import Origin
from toolhive_proxy.models.upstream import ResponseSink, UpstreamLimits, UpstreamRequest, UpstreamTrouble

__all__ = ["UpstreamHttp"]

_log = structlog.get_logger(__name__)


class UpstreamHttp:
    """Requests to any number of servers over pooled connections.

    Parameters
    ----------
    ca_bundle
        Certificate authorities that are trusted besides the system's; empty for none.

    One sweeper looks after all deadlines and unused connections, for as long as there are any.
    """

    def __init__(self, limits: UpstreamLimits, *, ca_bundle: str = "") -> None:
        self._limits = limits
        self._idle: dict[Origin, list[UpstreamConnection]] = defaultdict(list)
        self._all: set[UpstreamConnection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._ca_bundle = ca_bundle
        self._tls: ssl.SSLContext | None = None
        self._round = min(1.0, limits.answer_timeout / 4)
        self._timer: asyncio.TimerHandle | None = None
        self.now = 0.0
        """Time of the sweeper's next round: a deadline counted from it is never early."""

    def send(self, origin: Origin, request: UpstreamRequest, sink: ResponseSink) -> "Sent":
        """Send a request; the sink is told what comes of it.

        Raises
        ------
        ValueError
            A header cannot be written.
        """
        sent = Sent(self, origin, _encode(origin, request), request, sink)
        sent.go()
        return sent

    @asynccontextmanager
    async def request(self, origin: Origin, request: UpstreamRequest) -> AsyncIterator[ResponseReader]:
        """Send a request; the block gets the response as soon as its head is there.

        The connection is kept when the block has read the whole body, and dropped otherwise.

        Raises
        ------
        UpstreamError
            The server is out of reach, closed the connection, or answered no HTTP, or nothing in time.
        """
        reader = ResponseReader()
        sent = self.send(origin, request, reader)
        reader.hold(sent)
        try:
            await reader.until_head()
            yield reader
        finally:
            sent.cancel()

    def close(self) -> None:
        """Drop all unused connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        for task in self._connecting:
            task.cancel()

    # -- what requests ask for ------------------------------------------------------------------------------------

    def take_idle(self, origin: Origin) -> UpstreamConnection | None:
        """A connection that is kept, the newest one: the others get a chance to grow old."""
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None

    def connect(self, sent: "Sent", origin: Origin) -> None:
        """Make a new connection for a request."""
        # Owned by this pool, and handed every failure to the request's sink.
        task = asyncio.get_running_loop().create_task(self._connect(sent, origin))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, sent: "Sent", origin: Origin) -> None:
        """Make it and hand it over, or say why there is none: whoever waits for an answer hears of it in any case."""
        try:
            sent.take(await self._connected(origin))
        except (OSError, TimeoutError) as error:
            sent.fail(str(error) or f"no connection within {self._limits.connect_timeout:g} s")
        except UnicodeError:
            sent.fail("its host has a name that cannot be looked up")
        except asyncio.CancelledError:
            sent.fail("the proxy stops")
            raise
        except Exception:  # noqa: BLE001  # the top of this task
            _log.exception("connecting to a server failed")
            sent.fail("the proxy failed to connect to it, and its log says why")

    async def _connected(self, origin: Origin) -> UpstreamConnection:
        if self._timer is None:
            self._sweep()
        async with asyncio.timeout(self._limits.connect_timeout):
            _, connection = await asyncio.get_running_loop().create_connection(
                partial(self._new_connection, origin), origin.host, origin.port, ssl=self._context(origin)
            )
        return connection

    def _new_connection(self, origin: Origin) -> UpstreamConnection:
        connection = UpstreamConnection(
            self._limits,
            on_free=partial(self._put_back, self._idle[origin]),
            on_gone=self._all.discard,
            clock=self,
        )
        self._all.add(connection)
        return connection

    def _context(self, origin: Origin) -> ssl.SSLContext | None:
        if origin.scheme != "https":
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if self._ca_bundle:
                self._tls.load_verify_locations(cadata=self._ca_bundle)
        return self._tls

    def _put_back(self, idle: list[UpstreamConnection], connection: UpstreamConnection) -> None:
        if len(idle) >= self._limits.max_idle:
            connection.close()
            return
        connection.idle_since = self.now
        idle.append(connection)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.now = now + self._round
        for connection in list(self._all):
            if connection.deadline < now:
                connection.expire()
        oldest = now - self._limits.idle_limit + 2 * self._round
        for idle in self._idle.values():
            while idle and (idle[0].closed or idle[0].idle_since < oldest):
                idle.pop(0).close()
        busy = self._all or self._connecting
        self._timer = loop.call_later(self._round, self._sweep) if busy else None


class Sent:
    """A request that is under way, or on its way to a connection."""

    __slots__ = ("_connection", "_data", "_done", "_origin", "_paused", "_pool", "_request", "_sink")

    def __init__(
        self, pool: UpstreamHttp, origin: Origin, data: bytes, request: UpstreamRequest, sink: ResponseSink
    ) -> None:
        self._pool = pool
        self._origin = origin
        self._data = data
        self._request = request
        self._sink = sink
        self._connection: UpstreamConnection | None = None
        self._paused = False
        self._done = False

    def go(self) -> None:
        """Take a connection that is kept, or make one."""
        connection = self._pool.take_idle(self._origin)
        if connection is None:
            self._pool.connect(self, self._origin)
            return
        self._connection = connection
        # The server may have closed a kept connection while our request was on its way.
        again = self._again if self._request.safe else None
        connection.send(self._data, self._sink, endless=self._request.endless, on_stale=again)

    def take(self, connection: UpstreamConnection) -> None:
        """Go over a new connection."""
        if self._done:
            connection.close()
            return
        self._connection = connection
        connection.send(self._data, self._sink, endless=self._request.endless)
        if self._paused:
            connection.pause()

    def fail(self, cause: str) -> None:
        """There is no connection."""
        if (connection := self._held()) is not None:
            connection.cancel()
        if not self._done:
            self._done = True
            self._sink.on_failure(UpstreamError(UpstreamTrouble.UNREACHABLE, cause))

    def pause(self) -> None:
        """Read nothing of the response for now."""
        self._paused = True
        if (connection := self._held()) is not None:
            connection.pause()

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        if (connection := self._held()) is not None:
            connection.resume()

    def cancel(self) -> None:
        """Drop it."""
        self._done = True
        if (connection := self._held()) is not None:
            connection.cancel()

    def _held(self) -> UpstreamConnection | None:
        """The connection, unless it serves another by now."""
        connection = self._connection
        return connection if connection is not None and connection.serves(self._sink) else None

    def _again(self) -> None:
        self._connection = None
        if not self._done:
            self.go()


def _encode(origin: Origin, request: UpstreamRequest) -> bytes:
    body = request.body
    length = f"content-length: {len(body)}\r\n" if body or request.method == "POST" else ""
    name = f"x-request-id: {request.correlation_id}\r\n" if request.correlation_id else ""
    line = f"{request.method} {request.target} HTTP/1.1\r\nhost: {origin.authority}\r\n{name}{length}"
    return b"%b%b\r\n%b" % (line.encode("latin-1"), request.lines, body)
