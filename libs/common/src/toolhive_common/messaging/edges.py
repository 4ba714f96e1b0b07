"""Which proxies are alive: each tells so every few seconds, and says goodbye when it stops."""

import asyncio
from collections.abc import Awaitable, Callable

from nats.aio.msg import Msg

from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bus import Bus, translated
from toolhive_common.subjects import edge_subject

__all__ = ["EdgeBeat", "EdgeWatch"]

_EVERY = 5.0
_SILENCE = 16.0
"""Seconds without a sign of life after which a proxy is taken for dead: three of its beats."""
_GOODBYE = b"goodbye"


class EdgeBeat:
    """The signs of life of one proxy.

    Parameters
    ----------
    edge
        Id of its process.
    """

    def __init__(self, bus: Bus, edge: str) -> None:
        self._bus = bus
        self._subject = edge_subject(edge)

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            await self._tell(b"")
            await asyncio.sleep(_EVERY)

    async def goodbye(self) -> None:
        """Say that the proxy stops."""
        await self._tell(_GOODBYE)

    async def _tell(self, data: bytes) -> None:
        if not self._bus.connected:
            return
        try:
            with translated(self._bus):
                await self._bus.client.publish(self._subject, data)
        except ToolHiveError:
            return  # the next beat tells it


class EdgeWatch:
    """Listens to the proxies.

    Parameters
    ----------
    on_gone
        Told the id of each proxy that said goodbye or fell silent. While NATS is away nobody is taken for dead.
    """

    def __init__(self, bus: Bus, on_gone: Callable[[str], Awaitable[None]]) -> None:
        self._bus = bus
        self._on_gone = on_gone
        self._heard: dict[str, float] = {}

    async def run(self) -> None:
        """Listen for ever."""
        while True:
            await self._bus.wait_connected()
            try:
                with translated(self._bus):
                    await self._bus.client.subscribe(edge_subject(), cb=self._on_beat)
            except ToolHiveError:
                await asyncio.sleep(0.2)
                continue
            break
        await self._watch()

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            await asyncio.sleep(1)
            if not self._bus.connected or clock() - before > _EVERY:  # we were deaf, or asleep ourselves
                self._heard = dict.fromkeys(self._heard, clock())
                continue
            for edge in [edge for edge, at in self._heard.items() if clock() - at > _SILENCE]:
                del self._heard[edge]
                await self._on_gone(edge)

    async def _on_beat(self, message: Msg) -> None:
        edge = message.subject.rsplit(".", 1)[1]
        if message.data == _GOODBYE:
            self._heard.pop(edge, None)
            await self._on_gone(edge)
        else:
            self._heard[edge] = asyncio.get_running_loop().time()
