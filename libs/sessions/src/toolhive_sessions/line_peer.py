"""A process behind two byte streams: a line is a message."""

from collections.abc import AsyncIterator
from typing import Protocol

from toolhive_sessions.lines import Line, LineReader, TooLong

__all__ = ["ByteStreams", "LinePeer"]


class ByteStreams(Protocol):
    """Standard input and output of a process, such as `toolhive_runtime.runtime.Attachment`."""

    async def write(self, data: bytes) -> None:
        """Send to standard input."""
        ...

    def read(self) -> AsyncIterator[bytes]:
        """Chunks of standard output."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...


class LinePeer:
    """Implements `host.Peer`.

    Parameters
    ----------
    limit
        Longest line in bytes.
    """

    def __init__(self, streams: ByteStreams, *, limit: int) -> None:
        self._streams = streams
        self._reader = LineReader(limit)

    async def send(self, data: bytes) -> None:
        """Write whole lines."""
        await self._streams.write(data)

    async def messages(self) -> AsyncIterator[Line | TooLong]:
        """Tell the lines."""
        async for chunk in self._streams.read():
            for line in self._reader.feed(chunk):
                yield line

    async def close(self) -> None:
        """Let go of the streams; the process runs on."""
        await self._streams.close()
