"""Stop, restart or remove many workloads at once, and wait until it is done."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from toolhive_cli.decisions.change import Change, Outcome, judge_change
from toolhive_common.errors import ToolHiveError
from toolhive_common.manager import Manager, Selection
from toolhive_common.schemas.workload import Workload, WorkloadStatus

__all__ = ["Changing", "Result"]

_POLL = 0.3


@dataclass(frozen=True)
class Result:
    """What became of one workload."""

    name: str
    problem: str = ""
    """Why it failed; empty when it is done."""
    unchanged: bool = False
    """It was as wanted before."""


@dataclass(frozen=True)
class Changing:
    """Changes workloads.

    Parameters
    ----------
    manager
        Does it.
    clock
        Seconds that only grow.
    """

    manager: Manager
    clock: Callable[[], float]

    async def names(self, *, group: str) -> Sequence[str]:
        """All workloads, or those of a group."""
        return [one.name for one in await self.manager.list_workloads(list_all=True, group=group)]

    async def apply(self, change: Change, names: Sequence[str], *, seconds: float) -> AsyncIterator[Result]:
        """Change all at the same time, and tell each as it is done.

        Parameters
        ----------
        seconds
            How long to wait for all of them.
        """
        before = {one.name: one for one in await self.manager.list_workloads(list_all=True)}
        waiting = list[str]()
        asked = await asyncio.gather(*(self._ask(change, name) for name in names))
        for name, problem in zip(names, asked, strict=True):
            if problem:
                yield Result(name, problem)
            elif change is Change.STOP and name in before and before[name].status is WorkloadStatus.STOPPED:
                yield Result(name, unchanged=True)
            else:
                waiting.append(name)
        end = self.clock() + seconds
        while waiting:
            now = {one.name: one for one in await self.manager.list_workloads(list_all=True)}
            for name in list(waiting):
                result = _result(change, name, now.get(name))
                if result is not None:
                    waiting.remove(name)
                    yield result
            if waiting and self.clock() >= end:
                break
            if waiting:
                await asyncio.sleep(_POLL)
        for name in waiting:
            yield Result(name, _too_late(change, name, seconds))

    async def _ask(self, change: Change, name: str) -> str:
        selection = Selection(names=(name,))
        try:
            match change:
                case Change.STOP:
                    await self.manager.stop_workloads(selection)
                case Change.RESTART:
                    await self.manager.restart_workloads(selection)
                case Change.REMOVE:
                    await self.manager.delete_workloads(selection)
        except ToolHiveError as error:
            return error.message
        return ""


def _result(change: Change, name: str, workload: Workload | None) -> Result | None:
    match judge_change(change, workload):
        case Outcome.GOING_ON:
            return None
        case Outcome.DONE:
            return Result(name)
        case Outcome.FAILED:
            if workload is None:
                return Result(name, f"'{name}' was removed meanwhile")
            reason = workload.status_context or "no reason is known"
            return Result(name, f"'{name}' does not run ({workload.status}): {reason}; see 'thv logs {name}'")


def _too_late(change: Change, name: str, seconds: float) -> str:
    return (
        f"'{name}' is not done after {seconds:.0f} s. It goes on; 'thv status {name}' tells how far it is. If "
        f"nothing moves, look whether the runtime agent and NATS are up, then {change} it again"
    )
