"""The path of a request -> which workload it is about, and what of it is wanted."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["Endpoint", "Place", "place_of"]


class Endpoint(Enum):
    """What a path may end in."""

    MCP = "mcp"
    SSE = "sse"
    MESSAGES = "messages"
    HEALTH = "health"
    PROCESS_ALIVE = "healthz"
    PROCESS_READY = "readyz"


_OF_WORKLOADS = {
    endpoint.value: endpoint for endpoint in (Endpoint.MCP, Endpoint.SSE, Endpoint.MESSAGES, Endpoint.HEALTH)
}
_OF_PROCESS = {endpoint.value: endpoint for endpoint in (Endpoint.PROCESS_ALIVE, Endpoint.PROCESS_READY)}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes."""

    endpoint: Endpoint
    workload: str = ""
    """Empty for the process itself."""


def place_of(path: str, *, single: str = "") -> Place | None:
    """Read a path; ``None`` when nothing is there.

    Parameters
    ----------
    single
        Name of the only workload, whose endpoints are then at the root; empty where paths begin with a name.
    """
    parts = path.rstrip("/").split("/")
    match parts:
        case ["", last] if last in _OF_PROCESS:
            return Place(_OF_PROCESS[last])
        case ["", last] if single and last in _OF_WORKLOADS:
            return Place(_OF_WORKLOADS[last], single)
        case ["", name, last] if name and not single and last in _OF_WORKLOADS:
            return Place(_OF_WORKLOADS[last], name)
        case _:
            return None
