"""The one interface that commands and routes are written against, whatever runs the workloads."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from toolhive_common.schemas.commands import Progress
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.workload import CreatedWorkload, CreateRequest, Workload

__all__ = ["Created", "Manager", "RunUpdate", "Selection"]


@dataclass(frozen=True)
class Created:
    """The workload is declared and its image is there."""

    workload: CreatedWorkload


RunUpdate = Progress | Created
"""What ``run_workload_detached`` tells: progress, then once that it is made."""


@dataclass(frozen=True)
class Selection:
    """Workloads by name, or all of a group. Exactly one of the two is set."""

    names: Sequence[str] = ()
    group: str = ""


class Manager(Protocol):
    """Runs and looks after workloads.

    Every method raises `toolhive_common.errors.ToolHiveError` with a code and a sentence for the user.
    """

    def run_workload_detached(self, request: CreateRequest) -> AsyncIterator[RunUpdate]:
        """Make a workload and tell how that goes; ends with `Created`."""
        ...

    async def stop_workloads(self, selection: Selection) -> None:
        """Stop workloads. Stopping a stopped one is no error."""
        ...

    async def restart_workloads(self, selection: Selection) -> None:
        """Start workloads anew, stopped ones too."""
        ...

    async def delete_workloads(self, selection: Selection) -> None:
        """Stop workloads and forget them."""
        ...

    async def list_workloads(
        self, *, list_all: bool = False, labels: Mapping[str, str] | None = None, group: str = ""
    ) -> Sequence[Workload]:
        """Workloads that run, or all of them; by label and group. Sorted by name."""
        ...

    async def get_workload(self, name: str) -> Workload:
        """One workload."""
        ...

    async def logs(self, name: str, *, lines: int = 1000) -> str:
        """The end of what the server wrote."""
        ...

    async def export(self, name: str) -> RunConfig:
        """The workload's RunConfig."""
        ...
