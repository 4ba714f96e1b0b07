"""Each workload's gates, made once and kept. Their order is data, see `toolhive_common.middleware.plan`."""

from collections.abc import Callable, Iterable, Mapping

from toolhive_common.middleware.parts import PartName
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_proxy.models.gates import Gate
from toolhive_proxy.models.routes import Route

__all__ = ["GateChains", "MakeGates"]

MakeGates = Callable[[Route], Iterable[tuple[PartName, Gate]]]
"""Makes a workload's gates, from the outermost to the innermost."""


class GateChains:
    """The gates of all workloads."""

    def __init__(self, make: MakeGates) -> None:
        self._make = make
        self._chains: dict[str, tuple[RunConfig, int, tuple[Gate, ...]]] = {}

    def of(self, route: Route) -> tuple[Gate, ...]:
        """Gates of a workload, in order."""
        kept = self._chains.get(route.key.name)
        if kept is not None and kept[0] is route.run_config and kept[1] == route.revision:
            return kept[2]
        gates = tuple(gate for _, gate in self._make(route))
        self._chains[route.key.name] = (route.run_config, route.revision, gates)
        return gates

    def keep_only(self, names: Mapping[str, object]) -> None:
        """Forget the gates of workloads that are gone."""
        for name in self._chains.keys() - names.keys():
            del self._chains[name]
