"""A client for HTTP servers that keeps connections for the next request.

Made for the data path: no redirects, no cookies, no decompression. What a server says goes on as it is.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from toolhive_proxy.adapters.upstream_connection import UpstreamConnection
from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.models.asgi import Header
from toolhive_proxy.models.routes import Origin
from toolhive_proxy.models.upstream import UpstreamLimits, UpstreamRequest, UpstreamTrouble

__all__ = ["UpstreamHttp", "UpstreamResponse"]


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """A response whose body is still to come."""

    status: int
    headers: list[Header]
    """Names in lower case."""
    body: AsyncIterator[bytes]
    """Raises `UpstreamError` when the rest will not come."""


class UpstreamHttp:
    """Requests to any number of servers over pooled connections."""

    def __init__(self, limits: UpstreamLimits) -> None:
        self._limits = limits
        self._idle: dict[Origin, list[UpstreamConnection]] = defaultdict(list)

    @asynccontextmanager
    async def request(self, origin: Origin, request: UpstreamRequest) -> AsyncIterator[UpstreamResponse]:
        """Send a request; the block gets the response as soon as its head is there.

        The connection is kept when the block has read the whole body, and dropped otherwise.

        Raises
        ------
        UpstreamError
            The server is out of reach, closed the connection, or answered no HTTP, or nothing in time.
        """
        connection = await self._answered(origin, request)
        try:
            yield UpstreamResponse(connection.status, connection.headers, connection.body())
        finally:
            self._put_back(origin, connection)

    def close(self) -> None:
        """Drop all unused connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def _answered(self, origin: Origin, request: UpstreamRequest) -> UpstreamConnection:
        data = _encode(origin, request)
        while True:
            connection, pooled = self._take_idle(origin), True
            if connection is None:
                connection, pooled = await self._connect(origin), False
            try:
                async with asyncio.timeout(self._limits.answer_timeout):
                    await connection.send(data)
                    await connection.head()
            except TimeoutError as error:
                connection.close()
                raise UpstreamError(UpstreamTrouble.SILENT, f"waited {self._limits.answer_timeout:g} s") from error
            except UpstreamError as error:
                connection.close()
                # The server closed a kept connection while our request was on its way.
                stale = pooled and not connection.answered and error.trouble is UpstreamTrouble.LOST
                if not (stale and request.safe):
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                return connection

    async def _connect(self, origin: Origin) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: UpstreamConnection(self._limits), origin.host, origin.port
                )
        except (OSError, TimeoutError) as error:
            cause = str(error) or f"no connection within {self._limits.connect_timeout:g} s"
            raise UpstreamError(UpstreamTrouble.UNREACHABLE, cause) from error
        return connection

    def _take_idle(self, origin: Origin) -> UpstreamConnection | None:
        oldest = asyncio.get_running_loop().time() - self._limits.idle_limit
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()  # the newest: the others get a chance to grow old
            if not connection.closed and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    def _put_back(self, origin: Origin, connection: UpstreamConnection) -> None:
        idle = self._idle[origin]
        if not connection.reusable or len(idle) >= self._limits.max_idle:
            connection.close()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        idle.append(connection)


def _encode(origin: Origin, request: UpstreamRequest) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1\r\nhost: {origin.authority}\r\n".encode("latin-1")]
    lines += [name + b": " + value + b"\r\n" for name, value in request.headers]
    if request.body or request.method == "POST":
        lines.append(b"content-length: %d\r\n" % len(request.body))
    lines += [b"\r\n", request.body]
    return b"".join(lines)
