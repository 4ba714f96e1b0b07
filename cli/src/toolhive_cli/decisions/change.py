"""Which states mean that a change of a workload is done, goes on, or came to nothing."""

from enum import StrEnum

from toolhive_common.schemas.workload import Workload, WorkloadStatus

__all__ = ["Change", "Outcome", "judge_change"]


class Change(StrEnum):
    """What is done to workloads that are there; the value is the verb."""

    STOP = "stop"
    RESTART = "restart"
    REMOVE = "remove"

    @property
    def done(self) -> str:
        """The word for a workload that it was done to."""
        return {Change.STOP: "Stopped", Change.RESTART: "Restarted", Change.REMOVE: "Removed"}[self]

    @property
    def going_on(self) -> str:
        """The word while it is being done."""
        return {Change.STOP: "Stopping", Change.RESTART: "Restarting", Change.REMOVE: "Removing"}[self]


class Outcome(StrEnum):
    """How far a change is."""

    GOING_ON = "going on"
    DONE = "done"
    FAILED = "failed"


_FAILED = frozenset({WorkloadStatus.ERROR, WorkloadStatus.UNHEALTHY, WorkloadStatus.POLICY_STOPPED})


def judge_change(change: Change, workload: Workload | None) -> Outcome:
    """Judge the state of a workload after a change was accepted; ``None`` = it is gone."""
    match change:
        case Change.REMOVE:
            return Outcome.DONE if workload is None else Outcome.GOING_ON
        case Change.STOP:
            stopped = workload is None or workload.status is WorkloadStatus.STOPPED
            return Outcome.DONE if stopped else Outcome.GOING_ON
        case Change.RESTART:
            if workload is None or workload.status in _FAILED:
                return Outcome.FAILED
            return Outcome.DONE if workload.status is WorkloadStatus.RUNNING else Outcome.GOING_ON
