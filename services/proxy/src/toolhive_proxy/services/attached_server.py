"""A stdio server whose streams this proxy holds itself, without an agent."""

import asyncio
from collections.abc import Callable

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.decisions.second_tries import SecondTries
from toolhive_proxy.errors import ContainerGoneError
from toolhive_proxy.services.backends import Held, StdioBackend
from toolhive_proxy.services.single_directory import SingleDirectory
from toolhive_sessions.host import Peer, SessionHost
from toolhive_sessions.line_peer import LinePeer

__all__ = ["AttachedServer"]

_log = structlog.get_logger(__name__)
_SOON = 2.0
"""Seconds after which a client may try again when a server is being waited for."""


class AttachedServer:
    """Holds the first process, and starts further ones: implements `toolhive_sessions.host.Launcher`.

    Parameters
    ----------
    limit
        Longest message in bytes.
    clock
        Seconds, of any steady clock.
    """

    def __init__(self, backend: StdioBackend, *, name: str, limit: int, clock: Callable[[], float]) -> None:
        self._backend = backend
        self._name = name
        self._limit = limit
        self._clock = clock

    async def run(self, host: SessionHost, directory: SingleDirectory) -> None:
        """Have the first process run and carry its messages; begin again when it ends, until it is gone.

        Raises
        ------
        ContainerGoneError
            Somebody removed what it runs in.
        ToolHiveError
            It could not be begun even once.
        """

        def tell(reason: str) -> None:
            directory.down(reason, retry_after=_SOON)

        await self._backend.remove_leftovers()
        held: Held | None = await self._backend.begin(tell)
        tries = SecondTries()
        while True:
            began = self._clock()
            if held is not None:
                directory.up(directory.route)
                await host.serve_main(LinePeer(held.attachment, limit=self._limit), known=held.known)
            reason = await self._why_it_ended()
            pause = tries.pause_after(self._clock() - began)
            _log.warning("the server is started again", workload=self._name, cause=reason, pause=pause)
            directory.down(f"{reason}, and it is started again", retry_after=pause)
            await asyncio.sleep(pause)
            held = await self._begin_again(tell)

    async def _begin_again(self, tell: Callable[[str], None]) -> Held | None:
        """Begin once more; ``None`` when it was refused, as by an engine that is away for a moment."""
        try:
            return await self._backend.begin(tell)
        except ContainerGoneError:
            raise
        except ToolHiveError as error:
            _log.warning("the server could not be started", workload=self._name, cause=error.message)
            return None

    async def _why_it_ended(self) -> str:
        try:
            return await self._backend.why_it_ended()
        except ContainerGoneError:
            raise
        except ToolHiveError as error:
            return f"nobody can be asked about its process ({error.message})"

    async def start(self, slot: str) -> Peer:
        """Start a further process."""
        return LinePeer(await self._backend.begin_further(slot), limit=self._limit)

    async def stop(self, slot: str) -> None:
        """End a further process."""
        try:
            await self._backend.end_further(slot)
        except ToolHiveError as error:
            _log.warning("a further process stays for now", workload=self._name, slot=slot, cause=error.message)
