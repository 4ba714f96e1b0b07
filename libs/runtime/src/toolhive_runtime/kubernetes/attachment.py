"""Holding the standard streams of a container in a pod."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from toolhive_runtime.decisions.channel_frames import SUBPROTOCOLS, Ended, Output, input_messages, read_message
from toolhive_runtime.errors import ClusterFault
from toolhive_runtime.kubernetes.access import Access
from toolhive_runtime.kubernetes.translation import translated_handshake

__all__ = ["PodAttachment", "attach"]

_PATIENCE = 20
"""Seconds within which a cluster opens the streams."""
_FAREWELL = 1
"""Seconds for the end of a connection that nobody needs any more."""
_LONGEST = 1024 * 1024
"""Bytes of a message. Clusters cut output into pieces of a few thousand."""
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}
"""Seconds, seconds, and a number: a cluster that is gone without a word is noticed after one and a half minutes."""


class PodAttachment:
    """`Attachment` over a websocket that the cluster has turned into the container's streams."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.ended_because = ""
        """Why the streams are over, in the cluster's words; empty when they are not, or nothing went wrong."""

    async def write(self, data: bytes) -> None:
        """Send to standard input; waits while the container does not read."""
        try:
            for message in input_messages(data):
                await self._connection.send(message)
        except ConnectionClosed as error:
            raise ConnectionError("the container's input is closed") from error

    async def read(self) -> AsyncIterator[bytes]:
        """Chunks of standard output. Stops reading from the cluster while nobody takes them."""
        with suppress(ConnectionClosed):  # a cluster that is killed resets instead of closing; the end is the end
            while True:
                match read_message(await self._connection.recv()):
                    case Output(data):
                        yield data
                    case Ended(reason):
                        self.ended_because = reason
                        return
                    case None:
                        pass

    async def close(self) -> None:
        """Let go of the streams; the container runs on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._connection.close()
        self._connection.transport.abort()


async def attach(access: Access, pod: str, container: str) -> PodAttachment:
    """Ask the cluster for a container's standard input and output. Standard error stays in its log.

    Raises
    ------
    RuntimeFailure
        The cluster does not answer, refuses, or has no such container.
    """
    doing = f"attach to the container {container} of the pod {pod}"
    query = urlencode({"container": container, "stdin": "true", "stdout": "true", "stderr": "false", "tty": "false"})
    path = f"/api/v1/namespaces/{access.namespace}/pods/{pod}/attach"
    headers = await asyncio.to_thread(access.headers)  # may read the token's file
    with translated_handshake(access.server, doing=doing):
        connection = await connect(
            f"{access.server.replace('http', 'ws', 1)}{path}?{query}",
            additional_headers=headers,
            subprotocols=[Subprotocol(name) for name in SUBPROTOCOLS],
            ssl=access.tls,
            compression=None,
            proxy=None,
            open_timeout=_PATIENCE,
            # A server that does not read its input holds everything up behind it, an answer to a ping too: that is no
            # sign of death. The system's own probes are answered all the same.
            ping_interval=None,
            max_size=_LONGEST,
        )
    if connection.subprotocol is None:
        connection.transport.abort()
        raise ClusterFault(0, doing, f"it speaks none of {', '.join(SUBPROTOCOLS)}")
    _keep_alive(connection)
    return PodAttachment(connection)


def _keep_alive(connection: ClientConnection) -> None:
    held = connection.transport.get_extra_info("socket")
    held.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):  # not on every system
            held.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
