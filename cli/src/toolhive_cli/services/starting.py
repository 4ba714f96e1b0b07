"""Make a workload, and wait until clients can use it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from toolhive_cli.decisions.health_url import health_url
from toolhive_cli.errors import ApiUnreachableError, NotReadyError, UnexpectedAnswerError
from toolhive_common.manager import Created, Manager
from toolhive_common.schemas.commands import Progress
from toolhive_common.schemas.workload import CreateRequest, Workload, WorkloadStatus

__all__ = ["Health", "Narrator", "Starting"]

_POLL = 0.3
_STEADY = 2.0
"""Seconds that a server must hold out: one that lacks an argument or a key starts, says so and exits."""
_BROKEN = frozenset({WorkloadStatus.ERROR, WorkloadStatus.UNHEALTHY, WorkloadStatus.POLICY_STOPPED})
_ENDING = frozenset({WorkloadStatus.STOPPING, WorkloadStatus.STOPPED, WorkloadStatus.REMOVING})
_GOES_ON = "It goes on being made as soon as all services are there: see 'thv list --all' and 'thv events'"
_RUNNING = frozenset({WorkloadStatus.RUNNING})


class Narrator(Protocol):
    """Tells the user what is going on, one line at a time; a new one takes the place of the last."""

    def stage(self, name: str, detail: str = "", fraction: float | None = None) -> None:
        """Say what is being done: a stage, the step in it, and the share (0 to 1) that is done, if known."""


class Health(Protocol):
    """Whether a workload's front answers."""

    async def problem(self, health: str) -> str:
        """Say why it does not; empty when it does."""


@dataclass(frozen=True)
class Starting:
    """Starts workloads.

    Parameters
    ----------
    manager
        Makes them.
    health
        Tells whether they serve.
    narrator
        Is told how it goes.
    clock
        Seconds that only grow.
    """

    manager: Manager
    health: Health
    narrator: Narrator
    clock: Callable[[], float]

    async def make(self, request: CreateRequest, *, patience: float) -> str:
        """Make the workload; its image is there at the end. Gives its name.

        Parameters
        ----------
        patience
            Seconds without a sign of life after which it is no longer waited for; 0 = for ever.

        Raises
        ------
        NotReadyError
            It was asked for, but nothing more is heard of it. It goes on being made.
        """
        self.narrator.stage("requested", f"asking for '{request.name}'")
        updates = self.manager.run_workload_detached(request)
        name, asked = request.name, False
        while True:
            try:
                async with asyncio.timeout(patience or None):
                    update = await anext(updates)
            except StopAsyncIteration:
                return name
            except TimeoutError:
                raise NotReadyError(name, f"is not heard of for {patience:.0f} s", _GOES_ON) from None
            except (ApiUnreachableError, UnexpectedAnswerError) as error:
                if not asked:
                    raise
                raise NotReadyError(name, "was asked for, and then the API went away", _GOES_ON) from error
            asked = True
            match update:
                case Progress():
                    self.narrator.stage(update.stage, update.message, update.fraction)
                case Created():
                    name = update.workload.name

    async def wait_until_ready(self, name: str, *, seconds: float) -> Workload:
        """Wait until the workload runs and its proxy answers.

        Raises
        ------
        NotReadyError
            It ended, was stopped, or is not ready in time.
        """
        self.narrator.stage("waiting", f"until '{name}' answers")
        end, steady_since = self.clock() + seconds, None
        while True:
            workload = await self.manager.get_workload(name)
            _refuse_broken(workload)
            problem = f"its status is {workload.status}"
            if workload.status in _RUNNING:
                problem = await self.health.problem(health_url(workload.url, name))
            now = self.clock()
            steady_since = None if problem else steady_since or now
            if steady_since is not None and now - steady_since >= _STEADY:
                return workload
            if now >= end and problem:
                raise NotReadyError(
                    name,
                    f"is not ready after {seconds:.0f} s: {problem}",
                    f"It goes on starting. Look at 'thv logs {name}' and 'thv status {name}', or remove it with "
                    f"'thv rm {name}'",
                )
            await asyncio.sleep(_POLL)


def _refuse_broken(workload: Workload) -> None:
    name = workload.name
    if workload.status in _ENDING:
        raise NotReadyError(
            name, f"is {workload.status}", f"Somebody stopped it meanwhile; 'thv start {name}' starts it"
        )
    if workload.status in _BROKEN:
        raise NotReadyError(
            name,
            f"does not run ({workload.status}): {workload.status_context or 'no reason is known'}",
            f"'thv logs {name}' shows all it wrote. Put right what it needs (arguments, --env, --transport), then "
            f"'thv rm {name}' and run it again",
        )
