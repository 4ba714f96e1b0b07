"""A server that speaks HTTP, which this proxy looks after without an agent."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.adapters.tcp_probe import listens
from toolhive_proxy.decisions.second_tries import SecondTries
from toolhive_proxy.errors import ContainerGoneError
from toolhive_proxy.models.routes import Origin, Route
from toolhive_proxy.services.backends import Coming, Ended, HttpBackend, Running
from toolhive_proxy.services.single_directory import SingleDirectory

__all__ = ["Looks", "WatchedServer"]

_log = structlog.get_logger(__name__)
_SOON = 1.0
"""Seconds after which a client may try again when a server is being waited for."""


@dataclass(frozen=True)
class Looks:
    """Seconds between two looks at a server. A call that fails meanwhile is answered with its own reason."""

    listening: float = 1.0
    starting: float = 0.1
    """Until it listens."""


class WatchedServer:
    """Starts the server whenever it does not run, and tells the directory its address.

    Parameters
    ----------
    port
        Where the server listens.
    clock
        Seconds, of any steady clock.
    """

    def __init__(
        self, backend: HttpBackend, *, name: str, port: int, clock: Callable[[], float], looks: Looks | None = None
    ) -> None:
        self._backend = backend
        self._name = name
        self._port = port
        self._clock = clock
        self._looks = looks or Looks()
        self._run = ""
        """Which processes were seen to listen."""

    async def run(self, directory: SingleDirectory) -> None:
        """Look after it until it is gone.

        Raises
        ------
        ContainerGoneError
            Somebody removed what it runs in.
        ToolHiveError
            It could not be started even once.
        """
        await self._backend.start()
        tries, began = SecondTries(), self._clock()
        while True:
            reason = await self._look(directory)
            if not reason:
                await asyncio.sleep(self._pause(directory))
                continue
            pause = tries.pause_after(self._clock() - began)
            _log.warning("the server is started again", workload=self._name, cause=reason, pause=pause)
            directory.down(f"{reason}, and it is started again", retry_after=pause)
            await asyncio.sleep(pause)
            await self._start_again()
            began = self._clock()

    def _pause(self, directory: SingleDirectory) -> float:
        up = isinstance(directory.find(self._name), Route)
        return self._looks.listening if up else self._looks.starting

    async def _look(self, directory: SingleDirectory) -> str:
        """Tell the directory where the server is; returns why it has to be started."""
        try:
            sight = await self._backend.look()
        except ContainerGoneError:
            raise
        except ToolHiveError as error:
            _log.warning("nobody can be asked about the server", workload=self._name, cause=error.message)
            return ""  # the server is as well as it was, for all we know
        match sight:
            case Ended(reason):
                return reason
            case Coming(reason):
                directory.down(reason, retry_after=_SOON)
            case Running():
                await self._find(sight, directory)
        return ""

    async def _find(self, sight: Running, directory: SingleDirectory) -> None:
        origin = Origin(sight.host, self._port)
        found = directory.find(self._name)
        if isinstance(found, Route) and found.origin == origin and sight.run == self._run:
            return
        if await listens(sight.host, self._port):
            self._run = sight.run
            directory.up(replace(directory.route, origin=origin))
        else:
            directory.down(f"its server does not listen on port {self._port} yet", retry_after=_SOON)

    async def _start_again(self) -> None:
        try:
            await self._backend.start()
        except ToolHiveError as error:
            _log.warning("the server could not be started", workload=self._name, cause=error.message)
