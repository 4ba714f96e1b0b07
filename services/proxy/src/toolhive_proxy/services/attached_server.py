"""A stdio server whose container this proxy holds itself, without an agent."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.errors import LinkBrokenError
from toolhive_runtime.decisions.further_containers import AUXILIARY_LABEL, SLOT_LABEL, further_spec
from toolhive_runtime.runtime import ContainerSpec, ContainerState, Runtime
from toolhive_sessions.host import Peer, SessionHost
from toolhive_sessions.line_peer import LinePeer

__all__ = ["AttachedServer"]

_log = structlog.get_logger(__name__)
_GRACE = 3.0
"""Seconds between asking a further container to end and making it."""
_LOOK = 0.2
"""Seconds between two looks at a container that the engine starts again."""


class AttachedServer:
    """Implements `toolhive_sessions.host.Launcher`, and holds the first container.

    Parameters
    ----------
    spec
        What the container was made from; further ones are made like it.
    limit
        Longest message in bytes.
    """

    def __init__(self, runtime: Runtime, spec: ContainerSpec, container_id: str, *, name: str, limit: int) -> None:
        self._runtime = runtime
        self._spec = spec
        self._container_id = container_id
        self._name = name
        self._limit = limit
        self._further: dict[str, str] = {}

    async def run(self, host: SessionHost, *, on_running: Callable[[], Awaitable[None]]) -> None:
        """Start the container, and carry its messages until it is gone. The engine starts it again when it dies.

        A process that ran before is ended first: it had its handshake with somebody else.

        Raises
        ------
        ToolHiveError
            The engine refuses, or the container is gone.
        """
        await self._remove_leftovers()
        status = await self._runtime.info(self._container_id)
        if status is not None and status.state is ContainerState.RUNNING:
            await self._runtime.stop(self._container_id, grace=_GRACE)
        while True:
            attachment = await self._runtime.attach(self._container_id)
            await self._runtime.start(self._container_id)
            await on_running()
            await host.serve_main(LinePeer(attachment, limit=self._limit))
            await self._until_ended()

    async def _until_ended(self) -> None:
        """Wait for what the engine makes of the end of the streams."""
        status = await self._runtime.info(self._container_id)
        if status is None:
            raise LinkBrokenError(f"the container of {self._name!r} is gone; run the workload again")
        _log.warning("the server's process ended", workload=self._name, exit_code=status.exit_code)
        await asyncio.sleep(_LOOK)

    async def start(self, slot: str) -> Peer:
        """Start a further container."""
        await self._remove_slot(slot)
        container_id = await self._runtime.create(further_spec(self._spec, workload=self._name, slot=slot))
        self._further[slot] = container_id
        attachment = await self._runtime.attach(container_id)
        await self._runtime.start(container_id)
        return LinePeer(attachment, limit=self._limit)

    async def stop(self, slot: str) -> None:
        """End a further container."""
        try:
            await self._remove_slot(slot)
        except ToolHiveError as error:
            _log.warning("a further container stays for now", workload=self._name, slot=slot, cause=error.message)

    async def _remove_slot(self, slot: str) -> None:
        if (container_id := self._further.pop(slot, None)) is not None:
            await self._runtime.stop(container_id, grace=_GRACE)
            await self._runtime.remove(container_id)

    async def _remove_leftovers(self) -> None:
        """Remove what an earlier proxy of this workload left behind."""
        labels = {"toolhive-workload": self._name, AUXILIARY_LABEL: "true"}
        for status in await self._runtime.list(labels):
            if status.labels.get(SLOT_LABEL):
                await self._runtime.remove(status.container_id)
