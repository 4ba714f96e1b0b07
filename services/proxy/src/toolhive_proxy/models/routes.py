"""Where a workload's requests go, or why they go nowhere."""

from dataclasses import dataclass

from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.schemas.state import WorkloadKey

__all__ = ["Lookup", "Origin", "Route", "Unavailable", "Unknown"]


@dataclass(frozen=True)
class Origin:
    """Host and port of an HTTP server."""

    host: str
    port: int

    @property
    def authority(self) -> str:
        """Value of a ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"  # noqa: PLR2004  # the port of plain HTTP


@dataclass(frozen=True)
class Route:
    """A workload that can be called."""

    key: WorkloadKey
    revision: int
    transport: Transport
    run_config: RunConfig
    origin: Origin | None = None
    """Where an HTTP server listens; ``None`` for stdio."""
    attachment: str = ""
    """The agent's current hold on a stdio server."""


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
