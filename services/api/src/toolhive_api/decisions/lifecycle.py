"""How a workload's row changes: by what a user asks for, and by what its agent reports."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from toolhive_api.models.records import WorkloadRecord
from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.state import DesiredPhase, ObservedPhase, ObservedWorkload, WorkloadKey
from toolhive_common.schemas.workload import WorkloadStatus

__all__ = [
    "Action",
    "Changed",
    "Forgotten",
    "Unchanged",
    "Wish",
    "decide_action",
    "decide_create",
    "decide_observed",
]


class Action(StrEnum):
    """What a user does with a workload that is there. The values are those of the ``requested`` event."""

    STOP = "stop"
    RESTART = "restart"
    DELETE = "delete"


@dataclass(frozen=True)
class Wish:
    """What is known about a new revision."""

    revision: int
    agent: str
    correlation_id: str
    now: datetime


@dataclass(frozen=True)
class Changed:
    """The row is to become this."""

    record: WorkloadRecord


@dataclass(frozen=True)
class Unchanged:
    """Nothing is to be done."""


@dataclass(frozen=True)
class Forgotten:
    """The workload is gone: the row and what stands in the buckets go too."""


def decide_create(
    existing: WorkloadRecord | None, run_config: RunConfig, *, key: WorkloadKey, wish: Wish
) -> Changed | Rejection:
    """Make a workload, unless there is one of the name.

    One that could not be started, or that is being removed, does not count: its name is free for a new wish, and
    the agent removes what is left of it on the way to the new revision.
    """
    if existing and existing.status not in {WorkloadStatus.ERROR, WorkloadStatus.REMOVING}:
        return Rejection(
            ErrorCode.WORKLOAD_EXISTS,
            f"workload with name {key.name!r} already exists; take another name, "
            f"or remove it first with `thv rm {key.name}`",
        )
    return Changed(
        WorkloadRecord(
            key=key,
            revision=wish.revision,
            phase=DesiredPhase.RUNNING,
            run_config=run_config,
            agent=wish.agent,
            correlation_id=wish.correlation_id,
            created_at=wish.now,
            requested_at=wish.now,
            status=WorkloadStatus.STARTING,
        )
    )


def decide_action(record: WorkloadRecord, action: Action, *, wish: Wish) -> Changed | Unchanged | Rejection:
    """Carry out a user's action, where it changes something."""
    removing = record.phase is DesiredPhase.REMOVED
    match action:
        case Action.RESTART if removing:
            return Rejection(
                ErrorCode.INVALID_REQUEST,
                f"workload {record.key.name!r} is being removed and cannot be started; create it again instead",
            )
        case Action.RESTART:
            return Changed(_renewed(record, DesiredPhase.RUNNING, WorkloadStatus.STARTING, wish))
        case Action.STOP if removing or record.phase is DesiredPhase.STOPPED:
            return Unchanged()
        case Action.STOP:
            return Changed(_renewed(record, DesiredPhase.STOPPED, WorkloadStatus.STOPPING, wish))
        case Action.DELETE if removing:
            return Unchanged()
        case Action.DELETE:
            return Changed(_renewed(record, DesiredPhase.REMOVED, WorkloadStatus.REMOVING, wish))


def _renewed(record: WorkloadRecord, phase: DesiredPhase, status: WorkloadStatus, wish: Wish) -> WorkloadRecord:
    return replace(
        record,
        revision=wish.revision,
        phase=phase,
        correlation_id=wish.correlation_id,
        requested_at=wish.now,
        status=status,
        status_context="",
        started_at=None if phase is DesiredPhase.RUNNING else record.started_at,
    )


def decide_observed(record: WorkloadRecord, observed: ObservedWorkload) -> Changed | Unchanged | Forgotten:
    """Take over what an agent reports.

    A report on another revision is about an earlier wish, or about a row that another database held: it says
    nothing about this one.
    """
    if observed.revision != record.revision:
        return Unchanged()
    if record.phase is DesiredPhase.REMOVED and observed.phase is ObservedPhase.REMOVED:
        return Forgotten()
    changed = replace(
        record,
        status=_status(record.phase, observed.phase),
        status_context=observed.reason,
        started_at=observed.started_at or record.started_at,
    )
    return Unchanged() if changed == record else Changed(changed)


_STATUS = {
    ObservedPhase.PREPARING: WorkloadStatus.STARTING,
    ObservedPhase.STARTING: WorkloadStatus.STARTING,
    ObservedPhase.RUNNING: WorkloadStatus.RUNNING,
    ObservedPhase.UNHEALTHY: WorkloadStatus.UNHEALTHY,
    ObservedPhase.ERROR: WorkloadStatus.ERROR,
    ObservedPhase.STOPPING: WorkloadStatus.STOPPING,
    ObservedPhase.STOPPED: WorkloadStatus.STOPPED,
    ObservedPhase.REMOVING: WorkloadStatus.REMOVING,
    ObservedPhase.REMOVED: WorkloadStatus.UNKNOWN,
}


def _status(wanted: DesiredPhase, observed: ObservedPhase) -> WorkloadStatus:
    """Name the state; until a stop or a removal is done it is under way, whatever the container still does."""
    match wanted:
        case DesiredPhase.REMOVED:
            return WorkloadStatus.REMOVING
        case DesiredPhase.STOPPED if observed in {ObservedPhase.PREPARING, ObservedPhase.STARTING}:
            return WorkloadStatus.STOPPING
        case DesiredPhase.STOPPED if observed in {ObservedPhase.RUNNING, ObservedPhase.UNHEALTHY}:
            return WorkloadStatus.STOPPING
        case _:
            return _STATUS[observed]
