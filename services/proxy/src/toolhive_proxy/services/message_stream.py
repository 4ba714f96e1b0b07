"""Messages on their way to one client, bounded."""

import asyncio
from collections import deque
from dataclasses import dataclass

from toolhive_proxy.errors import StreamClosedError
from toolhive_proxy.models.replies import Failure, Reply

__all__ = ["MessageStream", "StreamLimits"]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much waits for a client that reads slowly, and for how long."""

    messages: int = 1000
    size: int = 64 * 1024 * 1024
    """Bytes. A single larger message is taken when nothing else waits."""
    patience: float = 10.0
    """Seconds that a full stream holds the server's messages back before the client is cut off."""


class MessageStream:
    """A queue with one reader. Who puts into a full one waits, and cuts the reader off when it waited too long."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._items: deque[Reply | Failure] = deque()
        self._size = 0
        self._closed = False
        self._reader: asyncio.Future[None] | None = None
        self._space = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether it takes nothing more."""
        return self._closed

    async def put(self, reply: Reply) -> None:
        """Add a message; the final one closes the stream behind it.

        Raises
        ------
        StreamClosedError
            The client left, or was cut off just now.
        """
        while self._is_full(reply):
            self._space.clear()
            try:
                async with asyncio.timeout(self._limits.patience):
                    await self._space.wait()
            except TimeoutError:
                self.cut()
        if self._closed:
            raise StreamClosedError
        self._add(reply, len(reply.data), last=reply.final)

    def offer(self, reply: Reply) -> None:
        """Add a message now, full or not."""
        if not self._closed:
            self._add(reply, len(reply.data), last=reply.final)

    def fail(self, failure: Failure) -> None:
        """End the stream with an error, unless it is over already."""
        if not self._closed:
            self._add(failure, 0, last=True)

    def close(self) -> None:
        """End the stream; what waits is still read."""
        self._closed = True
        self._space.set()
        self._wake()

    def cut(self) -> None:
        """End the stream and drop what waits."""
        self._items.clear()
        self._size = 0
        self.close()

    async def get(self, seconds: float) -> Reply | Failure | None:
        """Take the next message; ``None`` at the end.

        Raises
        ------
        TimeoutError
            Nothing came for so many seconds.
        """
        if not self._items and not self._closed:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._reader
            finally:
                self._reader = None
        if not self._items:
            return None
        item = self._items.popleft()
        if isinstance(item, Reply):
            self._size -= len(item.data)
        self._space.set()
        return item

    def _is_full(self, reply: Reply) -> bool:
        return (
            not self._closed
            and bool(self._items)
            and (len(self._items) >= self._limits.messages or self._size + len(reply.data) > self._limits.size)
        )

    def _add(self, item: Reply | Failure, size: int, *, last: bool) -> None:
        self._items.append(item)
        self._size += size
        if last:
            self.close()
        else:
            self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
