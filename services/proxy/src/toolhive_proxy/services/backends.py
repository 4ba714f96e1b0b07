"""What holds a workload's server: a container of an engine, or the pods of a cluster.

`AttachedServer` and `WatchedServer` keep a server served, and know neither.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from toolhive_runtime.runtime import Attachment
from toolhive_sessions.effects import Handshake

__all__ = ["Backend", "Coming", "Ended", "Held", "HttpBackend", "Running", "Sight", "StdioBackend", "Tell"]

Tell = Callable[[str], None]
"""Takes what a server is being waited for, as a part of a sentence for its clients."""


@dataclass(frozen=True)
class Held:
    """The streams of a server's first process."""

    attachment: Attachment
    known: Handshake | None = None
    """What it agreed on with whoever held it before; ``None`` for a process to which nothing was said."""


class StdioBackend(Protocol):
    """Runs the processes of a stdio server.

    What raises `ContainerGoneError` means that nothing is there to be started any more, and all other `ToolHiveError`
    that it is worth another try.
    """

    async def remove_leftovers(self) -> None:
        """Remove the further processes of an earlier proxy, as one leaves them that is killed."""
        ...

    async def begin(self, tell: Tell) -> Held:
        """Have the first process run, and take hold of it. Returns when it can be spoken to."""
        ...

    async def why_it_ended(self) -> str:
        """Say why the first process's streams are over."""
        ...

    async def begin_further(self, slot: str) -> Attachment:
        """Have a further process run, and take hold of it."""
        ...

    async def end_further(self, slot: str) -> None:
        """End a further process, and leave nothing of it behind."""
        ...


@dataclass(frozen=True)
class Running:
    """The server's processes run, and should listen."""

    host: str
    run: str
    """Names the processes: another text when one of them is another process."""


@dataclass(frozen=True)
class Coming:
    """The server does not run, and somebody sees to it already."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """The server does not run, and has to be started."""

    reason: str


Sight = Running | Coming | Ended


class HttpBackend(Protocol):
    """Runs the processes of a server that speaks HTTP; raises as `StdioBackend` does."""

    async def look(self) -> Sight:
        """Say how the server is."""
        ...

    async def start(self) -> None:
        """Start it when it does not run."""
        ...


class Backend(StdioBackend, HttpBackend, Protocol):
    """Runs servers of every transport."""
