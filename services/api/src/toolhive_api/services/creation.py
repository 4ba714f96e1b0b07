"""Sees a new workload through until its image is there, whether or not the client stays."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from toolhive_api.decisions.outcome import NeverStarted, Outcome, Progressing, decide_outcome
from toolhive_api.errors import RejectedError, StillPreparingError
from toolhive_api.models.records import WorkloadRecord
from toolhive_api.services.observation import Observation
from toolhive_api.services.wishes import WishBook
from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.manager import Created, RunUpdate
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.progress import listen_for_progress
from toolhive_common.remote import parse_remote_url
from toolhive_common.schemas.commands import Progress, ProgressStage
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.state import ObservedPhase, ObservedWorkload, WorkloadKey
from toolhive_common.schemas.workload import CreatedWorkload

__all__ = ["Creation", "Failed", "Patience", "Step"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Failed:
    """The workload was not made."""

    error: ToolHiveError


Step = RunUpdate | Failed


@dataclass(frozen=True)
class Patience:
    """How long a creation is waited for."""

    image: timedelta = timedelta(minutes=10)
    """Until the image is there."""
    settling: timedelta = timedelta(seconds=3)
    """After that, for the engine to refuse the container: a taken name or port is the request's answer then."""
    withdrawal: timedelta = timedelta(seconds=5)
    """After a refusal, for the agent to remove what it had begun. It is removed later all the same."""


class Creation:
    """Makes workloads. Each `run` is a task of the process, not of the client's request."""

    def __init__(
        self, bus: Bus, wishes: WishBook, observation: Observation, *, port: int, patience: Patience
    ) -> None:
        self._bus = bus
        self._wishes = wishes
        self._observation = observation
        self._port = port
        self._patience = patience

    async def run(self, key: WorkloadKey, run_config: RunConfig, steps: "asyncio.Queue[Step]") -> None:
        """Declare a workload and tell each step, the last being `Created` or `Failed`."""
        try:
            # Listening begins before the wish is there, so that not even the first report is missed.
            with self._observation.following(key) as reports:
                async with listen_for_progress(self._bus, key) as progress:
                    record = await self._wishes.create(key, run_config)
                    steps.put_nowait(_first_step(record))
                    outcome = await self._outcome(record, reports, progress, steps)
                if isinstance(outcome, NeverStarted):
                    await self._withdraw(record, reports)
            steps.put_nowait(self._last_step(record, outcome))
        except ToolHiveError as error:
            steps.put_nowait(Failed(error))
        except Exception:  # noqa: BLE001  # the task's top: the other workloads of this process go on
            _log.exception("creating a workload failed", workload=key.name)
            steps.put_nowait(Failed(ToolHiveError(ErrorCode.INTERNAL, "the API failed; its log says why")))

    def _last_step(self, record: WorkloadRecord, outcome: Outcome) -> Step:
        if isinstance(outcome, NeverStarted):
            return Failed(RejectedError(outcome.rejection))
        if outcome is Progressing.WAIT:
            return Failed(StillPreparingError(record.key.name, self._patience.image.total_seconds()))
        return Created(CreatedWorkload(name=record.key.name, port=self._port))

    async def _outcome(
        self,
        record: WorkloadRecord,
        reports: "asyncio.Queue[ObservedWorkload]",
        progress: "asyncio.Queue[Progress]",
        steps: "asyncio.Queue[Step]",
    ) -> Outcome:
        # Nothing may be raised in this block on purpose: the group would wrap it, and nobody would know it again.
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(_tell(record, progress, steps))
            try:
                return await self._wait(record, reports)
            finally:
                telling.cancel()

    async def _wait(self, record: WorkloadRecord, reports: "asyncio.Queue[ObservedWorkload]") -> Outcome:
        """Follow the reports until they decide; `Progressing.WAIT` = the time is up and the image is not there."""
        loop = asyncio.get_running_loop()
        outcome: Outcome = Progressing.WAIT
        try:
            async with asyncio.timeout(self._patience.image.total_seconds()) as deadline:
                while outcome in {Progressing.WAIT, Progressing.SETTLING}:
                    before, outcome = outcome, decide_outcome(await reports.get(), record.revision)
                    if outcome is Progressing.SETTLING and before is not Progressing.SETTLING:
                        deadline.reschedule(loop.time() + self._patience.settling.total_seconds())
        except TimeoutError:
            return Progressing.MADE if outcome is Progressing.SETTLING else Progressing.WAIT
        return outcome

    async def _withdraw(self, record: WorkloadRecord, reports: "asyncio.Queue[ObservedWorkload]") -> None:
        """Take the wish back, and give the agent a moment: who hears of the refusal should find nothing left."""
        revision = await self._wishes.withdraw(record)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.withdrawal.total_seconds()):
                while revision is not None:
                    report = await reports.get()
                    if report.revision > revision or (report.revision, report.phase) == (
                        revision,
                        ObservedPhase.REMOVED,
                    ):
                        return


def _first_step(record: WorkloadRecord) -> Progress:
    config = record.run_config
    what = parse_remote_url(config.remote_url).shown if config.remote_url else config.image
    return Progress(
        key=record.key,
        revision=record.revision,
        stage=ProgressStage.STARTING,
        message=f"asking the agent {record.agent!r} to run {what}",
    )


async def _tell(record: WorkloadRecord, progress: "asyncio.Queue[Progress]", steps: "asyncio.Queue[Step]") -> None:
    while True:
        told = await progress.get()
        if told.revision == record.revision:
            steps.put_nowait(told)
