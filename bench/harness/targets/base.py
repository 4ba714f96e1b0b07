"""What every target has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.harness.settings import Settings

__all__ = ["HTTP_TO_HTTP", "HTTP_TO_SSE", "HTTP_TO_STDIO", "NotHereError", "Stage", "Target"]

HTTP_TO_HTTP = "HTTP → HTTP"
HTTP_TO_SSE = "HTTP → SSE"
HTTP_TO_STDIO = "HTTP → stdio"


class NotHereError(Exception):
    """A target cannot be had; the text says why."""


def _none() -> Sequence[int]:
    return ()


@dataclass(frozen=True)
class Target:
    """Something that answers MCP calls.

    Attributes
    ----------
    name, path : str
        Row of the table.
    kind : str
        How a client speaks to it: ``streamable-http``, ``sse`` or ``stdio``.
    url : str
        Where; empty for stdio.
    command : sequence of str
        Of a server on its standard streams.
    pids : callable
        Its processes; their descendants count too.
    sessions : int
        Sessions that all connections share, where one each would be too many; 0 = one each.
    """

    name: str
    path: str
    kind: str
    url: str = ""
    command: Sequence[str] = ()
    pids: Callable[[], Sequence[int]] = field(default=_none)
    sessions: int = 0


@dataclass
class Stage:
    """Where the targets stand: a folder for files and logs, ports, and the backends behind all of them.

    ``http`` and ``sse`` are ``host:port`` of the servers in containers, ``stdio`` the image of the third. ``ours``
    gives the address at which our product answers for a workload, ``our_pids`` its processes by service.
    """

    settings: Settings
    folder: Path
    http: str
    sse: str
    stdio: str
    ours: Callable[[str], str]
    our_pids: Mapping[str, int]
    _given: int = 20  # ports before are the product's own

    def port(self) -> int:
        """Give a port that nobody else on the stage has."""
        self._given += 1
        return self.settings.first_port + self._given

    def log(self, name: str) -> Path:
        """Where a program writes."""
        return self.folder / f"{name}.log"
