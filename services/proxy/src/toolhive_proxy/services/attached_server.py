"""A stdio server whose container this proxy holds itself, without an agent."""

import asyncio
from collections.abc import Callable

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.decisions.second_tries import SecondTries
from toolhive_proxy.errors import ContainerGoneError
from toolhive_proxy.services.single_directory import SingleDirectory
from toolhive_runtime.decisions.further_containers import AUXILIARY_LABEL, further_spec, slot_of
from toolhive_runtime.runtime import (
    Attachment,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    Runtime,
    start_attached,
)
from toolhive_sessions.host import Peer, SessionHost
from toolhive_sessions.line_peer import LinePeer

__all__ = ["AttachedServer"]

_log = structlog.get_logger(__name__)
_GRACE = 3.0
"""Seconds between asking a container to end and making it."""


class AttachedServer:
    """Holds the first container, and starts further ones: implements `toolhive_sessions.host.Launcher`.

    Parameters
    ----------
    spec
        What the container was made from; further ones are made like it.
    limit
        Longest message in bytes.
    clock
        Seconds, of any steady clock.
    """

    def __init__(
        self,
        runtime: Runtime,
        spec: ContainerSpec,
        container_id: str,
        *,
        name: str,
        limit: int,
        clock: Callable[[], float],
    ) -> None:
        self._runtime = runtime
        self._spec = spec
        self._container_id = container_id
        self._name = name
        self._limit = limit
        self._clock = clock
        self._further: dict[str, str] = {}

    async def run(self, host: SessionHost, directory: SingleDirectory) -> None:
        """Start the container and carry its messages; start it again when it ends, until it is gone.

        Raises
        ------
        ContainerGoneError
            Somebody removed it.
        ToolHiveError
            It could not be started even once.
        """
        await self._remove_leftovers()
        attachment: Attachment | None = await self._begin()
        tries = SecondTries()
        while True:
            began = self._clock()
            if attachment is not None:
                directory.up(directory.route)
                await host.serve_main(LinePeer(attachment, limit=self._limit))
            reason = await self._why_it_ended()
            pause = tries.pause_after(self._clock() - began)
            _log.warning("the server is started again", workload=self._name, cause=reason, pause=pause)
            directory.down(f"{reason}, and it is started again", retry_after=pause)
            await asyncio.sleep(pause)
            attachment = await self._begin_again()

    async def _begin(self) -> Attachment:
        """Start it, with nothing said to it yet: a process that ran before had its handshake with somebody else."""
        if (await self._status()).state is ContainerState.RUNNING:
            await self._runtime.stop(self._container_id, grace=_GRACE)
        return await start_attached(self._runtime, self._container_id)

    async def _begin_again(self) -> Attachment | None:
        """Start it once more; ``None`` when it was refused, as by an engine that is away for a moment."""
        try:
            return await self._begin()
        except ContainerGoneError:
            raise
        except ToolHiveError as error:
            _log.warning("the server could not be started", workload=self._name, cause=error.message)
            return None

    async def _status(self) -> ContainerStatus:
        status = await self._runtime.info(self._container_id)
        if status is None:
            raise ContainerGoneError(self._name)
        return status

    async def _why_it_ended(self) -> str:
        try:
            status = await self._status()
        except ContainerGoneError:
            raise
        except ToolHiveError as error:
            return f"the engine cannot be asked about its container ({error.message})"
        if status.exit_code is None:
            return "its process closed its streams"
        return f"its process ended with exit code {status.exit_code}"

    # -- further containers ---------------------------------------------------------------------------------------

    async def start(self, slot: str) -> Peer:
        """Start a further container. What there is of one that does not start goes with `stop`."""
        await self._remove_slot(slot)
        container_id = await self._runtime.create(further_spec(self._spec, workload=self._name, slot=slot))
        self._further[slot] = container_id
        return LinePeer(await start_attached(self._runtime, container_id), limit=self._limit)

    async def stop(self, slot: str) -> None:
        """End a further container."""
        try:
            await self._remove_slot(slot)
        except ToolHiveError as error:
            _log.warning("a further container stays for now", workload=self._name, slot=slot, cause=error.message)

    async def _remove_slot(self, slot: str) -> None:
        if (container_id := self._further.get(slot)) is not None:
            await self._runtime.stop(container_id, grace=_GRACE)
            await self._runtime.remove(container_id)
            del self._further[slot]

    async def _remove_leftovers(self) -> None:
        """Remove what an earlier proxy of this workload left behind, as one does that is killed."""
        for status in await self._runtime.list({"toolhive-workload": self._name, AUXILIARY_LABEL: "true"}):
            # By its name as well: an agent on the same engine may have a workload that is called the same.
            if status.name == f"{self._spec.name}-{slot_of(status.labels)}":
                await self._runtime.remove(status.container_id)
