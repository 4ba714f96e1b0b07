"""The order of the gates, as data, and each workload's gates."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from toolhive_common.schemas.runconfig import RunConfig
from toolhive_proxy.models.gates import Gate
from toolhive_proxy.models.routes import Route

__all__ = ["ORDER", "GateChains", "MakeGate", "Part", "no_gate"]


class Part(StrEnum):
    """The parts there are, by ToolHive's names where it has them."""

    ORIGIN = "origin"
    AUTH = "auth"
    MCP_PARSER = "mcp-parser"
    TOOL_FILTER = "tool-filter"
    TOOL_CALL_FILTER = "tool-call-filter"
    HEADER_FORWARD = "header-forward"


ORDER = (
    Part.ORIGIN,  # first: it costs least, and what a tricked browser sends deserves no more
    Part.AUTH,  # before the body is looked at: a stranger's is not worth the time
    Part.MCP_PARSER,
    Part.TOOL_FILTER,
    Part.TOOL_CALL_FILTER,
    Part.HEADER_FORWARD,  # last: what it adds is for the server alone
)
"""From the outermost to the innermost."""

MakeGate = Callable[[Route], Gate | None]
"""Makes a workload's gate; ``None`` when its RunConfig asks for none."""


def no_gate(_route: Route) -> None:
    """Stand for a part that nothing asks for."""


class GateChains:
    """The gates of all workloads, made once for each RunConfig and kept.

    Raises
    ------
    KeyError
        A part of the order is not given: nothing may be left out silently.
    """

    def __init__(self, makers: Mapping[Part, MakeGate]) -> None:
        self._makers = tuple(makers[part] for part in ORDER)
        self._chains: dict[str, tuple[RunConfig, int, tuple[Gate, ...]]] = {}

    def of(self, route: Route) -> tuple[Gate, ...]:
        """Gates of a workload, in order."""
        kept = self._chains.get(route.key.name)
        if kept is not None and kept[0] is route.run_config and kept[1] == route.revision:
            return kept[2]
        gates = tuple(gate for make in self._makers if (gate := make(route)) is not None)
        self._chains[route.key.name] = (route.run_config, route.revision, gates)
        return gates

    def keep_only(self, names: Mapping[str, object]) -> None:
        """Forget the gates of workloads that are gone."""
        for name in self._chains.keys() - names.keys():
            del self._chains[name]
