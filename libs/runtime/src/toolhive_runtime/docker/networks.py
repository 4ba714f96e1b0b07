"""The networks that containers join: made when first needed, removed when last left."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import docker

from toolhive_runtime.docker.calls import EngineCalls
from toolhive_runtime.errors import EngineFault
from toolhive_runtime.runtime import NetworkSpec

__all__ = ["Networks"]

_OURS = "toolhive"


class Networks:
    """Networks labelled as ToolHive's; no others are touched.

    Attributes
    ----------
    lock
        Held while a container is made and while networks are tidied. Otherwise: (1) a removal sees that no container
        needs the network, (2) a creation sees that the network is there, (3) the removal takes it away, and the new
        container cannot start.
    """

    def __init__(self, calls: EngineCalls) -> None:
        self._calls = calls
        self.lock = asyncio.Lock()

    async def ensure(self, spec: NetworkSpec) -> None:
        """Make a network unless it is there, whoever made it."""
        if spec.mode or await self._find(spec.name, ours=False):
            return

        def make(client: docker.APIClient) -> None:
            client.create_network(
                spec.name,
                driver="bridge",
                internal=spec.internal,
                labels={_OURS: "true", "toolhive-name": spec.name},
                check_duplicate=True,
            )

        # Another process may have made it in the meantime.
        try:
            await self._calls.run(make)
        except EngineFault:
            if not await self._find(spec.name, ours=False):
                raise

    async def remove_unused(self, names: Iterable[str]) -> None:
        """Remove those of the networks that are ours and that no container, running or not, names."""
        for name in names:
            if await self._find(name, ours=True) and not await self._used(name):
                with suppress(EngineFault):  # somebody else joined it: then it is not unused
                    await self._calls.run(partial(_remove, name=name), missing_is_fine=True)

    async def _find(self, name: str, *, ours: bool) -> bool:
        filters = {"name": f"^{name}$"} | ({"label": f"{_OURS}=true"} if ours else {})
        found = await self._calls.run(lambda client: client.networks(filters=filters))
        return any(network["Name"] == name for network in found or ())

    async def _used(self, name: str) -> bool:
        filters = {"network": name}
        found = await self._calls.run(lambda client: client.containers(all=True, filters=filters))
        return bool(found)


def _remove(client: docker.APIClient, name: str) -> None:
    client.remove_network(name)
