"""Holding the standard streams of a running container."""

import asyncio
from collections.abc import AsyncIterator

from toolhive_runtime.decisions.stream_frames import OutputFrames
from toolhive_runtime.docker.socket_stream import close_quietly, open_socket, send_request
from toolhive_runtime.docker.translation import translated_socket
from toolhive_runtime.errors import EngineFault

__all__ = ["DockerAttachment", "attach"]

_CHUNK = 64 * 1024
_SWITCHING = 101


class DockerAttachment:
    """`Attachment` over a connection that the engine has turned into the container's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def write(self, data: bytes) -> None:
        """Send to standard input; waits while the container does not read."""
        if self._reader.at_eof():  # the engine closed: without this a write would go nowhere without a word
            raise ConnectionError("the container's input is closed")
        self._writer.write(data)
        await self._writer.drain()

    async def read(self) -> AsyncIterator[bytes]:
        """Chunks of standard output. Stops reading from the engine while nobody takes them."""
        frames = OutputFrames()
        while True:
            try:
                data = await self._reader.read(_CHUNK)
            except ConnectionError:  # an engine that is killed resets instead of closing; the end is the end
                return
            if not data:
                return
            for piece in frames.feed(data):
                yield piece

    async def close(self) -> None:
        """Let go of the streams; the container runs on."""
        await close_quietly(self._writer)


async def attach(path: str, container_id: str) -> DockerAttachment:
    """Ask the engine for a container's standard input and output. Standard error stays in its log.

    Raises
    ------
    RuntimeFailure
        The engine does not answer, or has no such container.
    """
    reader, writer = await open_socket(path, limit=_CHUNK)
    try:
        with translated_socket(path):
            # Only after 101 does the connection belong to the container: bytes sent earlier would be lost.
            status = await send_request(
                (reader, writer),
                f"POST /containers/{container_id}/attach?stream=1&stdin=1&stdout=1",
                version="1.1",
                headers={"Upgrade": "tcp", "Connection": "Upgrade"},
            )
            refusal = b"" if status == _SWITCHING else await reader.read(_CHUNK)
    except BaseException:
        await close_quietly(writer)
        raise
    if status != _SWITCHING:
        await close_quietly(writer)
        raise EngineFault(status, f"attach to {container_id[:12]}: {refusal.decode(errors='replace').strip()}")
    return DockerAttachment(reader, writer)
