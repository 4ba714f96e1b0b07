"""A response for whoever reads it in a task of his own."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.models.http import Header
from toolhive_proxy.models.upstream import ResponseHead, Sending

__all__ = ["ResponseReader"]

_HIGH_WATER = 256 * 1024
"""Bytes that wait for the reader before the server is slowed down."""


class ResponseReader:
    """A `ResponseSink` that keeps what comes until it is asked for."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: tuple[Header, ...] = ()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._error: ToolHiveError | None = None
        self._wakeup: asyncio.Future[None] | None = None
        self._sending: Sending | None = None
        self._paused = False

    def hold(self, sending: Sending) -> None:
        """Know what to slow down."""
        self._sending = sending

    async def until_head(self) -> None:
        """Wait until ``status`` and ``headers`` are there.

        Raises
        ------
        UpstreamError
            They will not come.
        """
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def body(self) -> AsyncIterator[bytes]:
        """Tell the pieces of the body.

        Raises
        ------
        UpstreamError
            The rest will not come.
        """
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._size -= len(piece)
                if self._paused and self._size <= _HIGH_WATER // 2 and self._sending is not None:
                    self._paused = False
                    self._sending.resume()
                yield piece
            if self._ended:
                return
            if self._error is not None:
                raise self._error
            await self._wait()

    def on_response(self, head: ResponseHead, data: bytes, *, ended: bool) -> None:
        """Take the head."""
        self.status, self.headers = head.status, head.headers
        self.on_data(data, ended=ended)

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """Keep a piece."""
        if data:
            self._pieces.append(data)
            self._size += len(data)
        self._ended = ended
        if self._size > _HIGH_WATER and not self._paused and not ended and self._sending is not None:
            self._paused = True
            self._sending.pause()
        self._wake()

    def on_failure(self, error: ToolHiveError) -> None:
        """Keep why there is no more."""
        self._error = error
        self._wake()

    async def _wait(self) -> None:
        self._wakeup = asyncio.get_running_loop().create_future()
        try:
            await self._wakeup
        finally:
            self._wakeup = None

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)
