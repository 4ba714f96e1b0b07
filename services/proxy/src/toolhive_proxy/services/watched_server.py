"""A server that speaks HTTP, in a container that this proxy looks after without an agent."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.adapters.tcp_probe import listens
from toolhive_proxy.decisions.second_tries import SecondTries
from toolhive_proxy.errors import ContainerGoneError
from toolhive_proxy.models.routes import Origin, Route
from toolhive_proxy.services.single_directory import SingleDirectory
from toolhive_runtime.runtime import ContainerState, ContainerStatus, Runtime

__all__ = ["WatchedServer"]

_log = structlog.get_logger(__name__)
_LOOK = 1.0
"""Seconds between two looks. A call that fails meanwhile is answered with its own reason."""
_LOOK_STARTING = 0.1
"""The same, until the server listens."""


class WatchedServer:
    """Starts the container whenever it does not run, and tells the directory its address.

    Parameters
    ----------
    port
        Where the server listens in the container.
    clock
        Seconds, of any steady clock.
    """

    def __init__(
        self, runtime: Runtime, container_id: str, *, name: str, port: int, clock: Callable[[], float]
    ) -> None:
        self._runtime = runtime
        self._container_id = container_id
        self._name = name
        self._port = port
        self._clock = clock
        self._began: datetime | None = None
        """When the process began that listens; an engine may start another, at another address."""

    async def run(self, directory: SingleDirectory) -> None:
        """Look after it until it is gone.

        Raises
        ------
        ContainerGoneError
            Somebody removed it.
        ToolHiveError
            It could not be started even once.
        """
        if (await self._status()).state is not ContainerState.RUNNING:
            await self._runtime.start(self._container_id)
        tries, began = SecondTries(), self._clock()
        while True:
            reason = await self._look(directory)
            if not reason:
                await asyncio.sleep(_LOOK if isinstance(directory.find(self._name), Route) else _LOOK_STARTING)
                continue
            pause = tries.pause_after(self._clock() - began)
            _log.warning("the server is started again", workload=self._name, cause=reason, pause=pause)
            directory.down(f"{reason}, and it is started again", retry_after=pause)
            await asyncio.sleep(pause)
            await self._start_again()
            began = self._clock()

    async def _look(self, directory: SingleDirectory) -> str:
        """Tell the directory where the server is; returns why it has to be started."""
        try:
            status = await self._status()
        except ContainerGoneError:
            raise
        except ToolHiveError as error:
            _log.warning("the engine cannot be asked about a container", workload=self._name, cause=error.message)
            return ""  # the server is as well as it was, for all we know
        if status.state is not ContainerState.RUNNING:
            return f"its container is {status.state}" + _code(status)
        origin = Origin(status.address, self._port)
        found = directory.find(self._name)
        if isinstance(found, Route) and found.origin == origin and status.started_at == self._began:
            return ""
        if await listens(status.address, self._port):
            self._began = status.started_at
            directory.up(replace(directory.route, origin=origin))
        else:
            directory.down(f"its server does not listen on port {self._port} yet", retry_after=1)
        return ""

    async def _start_again(self) -> None:
        try:
            await self._runtime.start(self._container_id)
        except ToolHiveError as error:
            _log.warning("the server could not be started", workload=self._name, cause=error.message)

    async def _status(self) -> ContainerStatus:
        status = await self._runtime.info(self._container_id)
        if status is None:
            raise ContainerGoneError(self._name)
        return status


def _code(status: ContainerStatus) -> str:
    return "" if status.exit_code is None else f" with exit code {status.exit_code}"
