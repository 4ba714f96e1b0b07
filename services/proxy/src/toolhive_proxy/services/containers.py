"""A workload's container on an engine, which this proxy looks after without an agent."""

from toolhive_proxy.errors import ContainerGoneError
from toolhive_proxy.services.backends import Ended, Held, Running, Sight, Tell
from toolhive_runtime.decisions.further_containers import AUXILIARY_LABEL, further_spec, slot_of
from toolhive_runtime.runtime import (
    Attachment,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    Runtime,
    start_attached,
)

__all__ = ["Containers"]

_GRACE = 3.0
"""Seconds between asking a container to end and making it."""


class Containers:
    """Implements `StdioBackend` and `HttpBackend`.

    Parameters
    ----------
    spec
        What the container was made from; further ones are made like it.
    """

    def __init__(self, runtime: Runtime, spec: ContainerSpec, container_id: str, *, name: str) -> None:
        self._runtime = runtime
        self._spec = spec
        self._container_id = container_id
        self._name = name
        self._further: dict[str, str] = {}

    async def _status(self) -> ContainerStatus:
        status = await self._runtime.info(self._container_id)
        if status is None:
            raise ContainerGoneError(self._name)
        return status

    # -- a stdio server -------------------------------------------------------------------------------------------

    async def begin(self, tell: Tell) -> Held:  # noqa: ARG002  # nothing is waited for
        """Start it, with nothing said to it yet: a process that ran before had its handshake with somebody else."""
        if (await self._status()).state is ContainerState.RUNNING:
            await self._runtime.stop(self._container_id, grace=_GRACE)
        return Held(await start_attached(self._runtime, self._container_id))

    async def why_it_ended(self) -> str:
        """Ask the engine."""
        status = await self._status()
        if status.exit_code is None:
            return "its process closed its streams"
        return f"its process ended with exit code {status.exit_code}"

    async def begin_further(self, slot: str) -> Attachment:
        """Start a further container. What there is of one that does not start goes with `end_further`."""
        await self.end_further(slot)
        container_id = await self._runtime.create(further_spec(self._spec, workload=self._name, slot=slot))
        self._further[slot] = container_id
        return await start_attached(self._runtime, container_id)

    async def end_further(self, slot: str) -> None:
        """End a further container."""
        if (container_id := self._further.get(slot)) is not None:
            await self._runtime.stop(container_id, grace=_GRACE)
            await self._runtime.remove(container_id)
            del self._further[slot]

    async def remove_leftovers(self) -> None:
        """Remove what an earlier proxy of this workload left behind."""
        for status in await self._runtime.list({"toolhive-workload": self._name, AUXILIARY_LABEL: "true"}):
            # By its name as well: an agent on the same engine may have a workload that is called the same.
            if status.name == f"{self._spec.name}-{slot_of(status.labels)}":
                await self._runtime.remove(status.container_id)

    # -- a server that speaks HTTP --------------------------------------------------------------------------------

    async def look(self) -> Sight:
        """Ask the engine. An engine may start another process by itself, at another address."""
        status = await self._status()
        if status.state is not ContainerState.RUNNING:
            code = "" if status.exit_code is None else f" with exit code {status.exit_code}"
            return Ended(f"its container is {status.state}{code}")
        return Running(status.address, str(status.started_at))

    async def start(self) -> None:
        """Start the container unless it runs."""
        if (await self._status()).state is not ContainerState.RUNNING:
            await self._runtime.start(self._container_id)
