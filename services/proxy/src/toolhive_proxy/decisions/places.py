"""The path of a request -> which workload it is about, and what of it is wanted."""

from dataclasses import dataclass
from enum import Enum

from toolhive_proxy.decisions.challenges import metadata_path_of

__all__ = ["Endpoint", "Place", "path_of", "place_of", "rest_of"]


class Endpoint(Enum):
    """What a path may end in."""

    MCP = "mcp"
    SSE = "sse"
    MESSAGES = "messages"
    HEALTH = "health"
    OTHER = ""
    """Anything else of a workload: a remote server may have it."""
    METADATA = "oauth-protected-resource"
    """How to get a token for a workload (RFC 9728)."""
    WELL_KNOWN = ".well-known"
    """Any other address of this kind, of which the proxy has none."""
    METRICS = "metrics"
    """Where others look for numbers first. They are at a port of their own."""
    PROCESS_ALIVE = "healthz"
    PROCESS_READY = "readyz"


_OF_WORKLOADS = {
    endpoint.value: endpoint for endpoint in (Endpoint.MCP, Endpoint.SSE, Endpoint.MESSAGES, Endpoint.HEALTH)
}
_OF_PROCESS = {
    endpoint.value: endpoint for endpoint in (Endpoint.PROCESS_ALIVE, Endpoint.PROCESS_READY, Endpoint.METRICS)
}


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
    if Endpoint.WELL_KNOWN.value in parts:
        return _well_known(path, single)
    match parts:
        case ["", last] if last in _OF_PROCESS:
            return Place(_OF_PROCESS[last])
        case ["", *rest] if single:
            return Place(_endpoint(rest), single)
        case ["", name, *rest] if name:
            return Place(_endpoint(rest), name)
        case _:
            return None


def _endpoint(rest: list[str]) -> Endpoint:
    return _OF_WORKLOADS.get(rest[0], Endpoint.OTHER) if len(rest) == 1 else Endpoint.OTHER


def _well_known(path: str, single: str) -> Place:
    endpoint = metadata_path_of(path)
    name = "" if endpoint is None else single or endpoint.lstrip("/").partition("/")[0]
    return Place(Endpoint.METADATA, name) if name else Place(Endpoint.WELL_KNOWN)


def rest_of(raw_path: str, *, single: str = "") -> str:
    """What of a path comes after the workload's name, percent-encoded as it came; empty, or begins with a slash."""
    if single:
        return raw_path
    _, slash, rest = raw_path[1:].partition("/")
    return slash + rest


def path_of(workload: str, rest: str, *, single: str = "") -> str:
    """The other way round."""
    return rest if single else f"/{workload}{rest}"
