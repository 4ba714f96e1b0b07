"""Where a workload's requests go, or why they go nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.schemas.state import WorkloadKey

__all__ = ["Lookup", "Origin", "Route", "Target", "Unavailable", "Unknown", "Workloads"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """Where an HTTP server listens, and how it is spoken to."""

    host: str
    port: int
    scheme: str = "http"
    """``http`` or ``https``. A server's certificate is always verified."""

    @cached_property
    def authority(self) -> str:
        """Value of a ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"


@dataclass(frozen=True)
class Target:
    """Which resource of a server speaks MCP."""

    path: str = ""
    """Percent-encoded; empty = what the client's path says after the workload's name."""
    query: str = ""
    """Goes before the client's own. May hold a key: it stands in no log or message."""


@dataclass(frozen=True)
class Route:
    """A workload that can be called."""

    key: WorkloadKey
    revision: int
    transport: Transport
    run_config: RunConfig
    origin: Origin | None = None
    """Where an HTTP server listens; ``None`` for stdio."""
    target: Target = Target()
    """What is asked of an HTTP server."""
    attachment: str = ""
    """The agent's current hold on a stdio server."""

    @property
    def remote(self) -> bool:
        """Whether the server is somebody else's, out on the network."""
        return bool(self.run_config.remote_url)


@dataclass(frozen=True)
class Unavailable:
    """A workload that is declared and cannot be called now."""

    key: WorkloadKey
    reason: str
    """Sentence for the client: why, and what to do."""
    retry_after: int
    """Seconds after which it is worth another try."""


@dataclass(frozen=True)
class Unknown:
    """No such workload."""

    name: str


Lookup = Route | Unavailable | Unknown


class Workloads(Protocol):
    """Answers where requests go."""

    @property
    def table(self) -> Mapping[str, Lookup]:
        """All known workloads by name."""
        ...

    def find(self, name: str) -> Lookup:
        """Where the requests of a workload go."""
        ...
