"""The server: sockets, connections, the clock they share, and an orderly end."""

import asyncio
import socket
from collections.abc import Callable

from toolhive_proxy.adapters.http_connection import HttpConnection
from toolhive_proxy.errors import AddressError
from toolhive_proxy.models.http import Handler, HttpLimits

__all__ = ["HttpServer"]

_BACKLOG = 2048


class HttpServer:
    """Serves HTTP/1.1 on any number of sockets.

    One sweeper looks after the deadlines of all connections, in place of a timer for each request: a deadline may
    therefore be kept late by one round of it.

    Parameters
    ----------
    new_correlation_id
        What the client gave, or nothing -> the id of its request.
    admits
        Address of a client -> whether it may connect. Others are cut off unheard.
    """

    def __init__(
        self,
        handler: Handler,
        limits: HttpLimits,
        *,
        new_correlation_id: Callable[[str], str],
        admits: Callable[[str], bool] = lambda _peer: True,
    ) -> None:
        self.handler = handler
        self.admits = admits
        self.limits = limits
        self.new_correlation_id = new_correlation_id
        self.now = 0.0
        """The loop's time at the sweeper's next round: a deadline counted from it is never early."""
        self.stopping = False
        self.bodies = 0
        """Bytes of all bodies that are not whole yet."""
        self._connections: set[HttpConnection] = set()
        self._servers: list[asyncio.Server] = []
        self._empty = asyncio.Event()
        times = (limits.head_timeout, limits.body_timeout, limits.keep_alive, limits.write_timeout, limits.linger)
        self._round = min(1.0, min(times) / 4)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return [sock.getsockname()[:2] for server in self._servers for sock in server.sockets]

    async def listen(self, host: str, port: int, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, on the given sockets or else on an address.

        Raises
        ------
        AddressError
            The address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._sweep()
        if sockets is None:
            try:
                self._servers.append(await loop.create_server(self._connection, host, port, backlog=_BACKLOG))
            except OSError as error:
                raise AddressError(host, port, error) from error
        for sock in sockets or ():
            self._servers.append(await loop.create_server(self._connection, sock=sock, backlog=_BACKLOG))

    async def stop(self, grace: float) -> None:
        """Accept no more, let what is under way end within so many seconds, and cut off the rest."""
        self.stopping = True
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.stop()
        if self._connections:
            self._empty.clear()
            try:
                async with asyncio.timeout(grace):
                    await self._empty.wait()
            except TimeoutError:
                for connection in list(self._connections):
                    connection.break_off()
        if self._timer is not None:
            self._timer.cancel()

    # -- what connections ask for ---------------------------------------------------------------------------------

    def enter(self, connection: HttpConnection) -> bool:
        """Take a connection in; tells whether there is room for it."""
        self._connections.add(connection)
        return len(self._connections) <= self.limits.max_connections

    def leave(self, connection: HttpConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _connection(self) -> HttpConnection:
        return HttpConnection(self)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.now = now + self._round
        for connection in list(self._connections):
            if connection.deadline < now:
                connection.expire()
        self._timer = loop.call_later(self._round, self._sweep)
