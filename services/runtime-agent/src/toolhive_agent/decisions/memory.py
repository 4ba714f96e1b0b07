"""How memory of a revision begins, and what it learns."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from toolhive_agent.decisions.containers import of_revision, run_of
from toolhive_agent.models.history import Failure, History, Policy
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.state import DesiredWorkload, ObservedPhase, ObservedWorkload
from toolhive_runtime.runtime import ContainerState, ContainerStatus

__all__ = ["answers", "failed", "newly_dead", "noticed", "recalled"]

_ENGINE_AWAY = frozenset(
    {ErrorCode.ENGINE_UNREACHABLE, ErrorCode.ENGINE_PERMISSION_DENIED, ErrorCode.BUS_UNREACHABLE}
)
_PASSING = _ENGINE_AWAY | {ErrorCode.ENGINE_ERROR, ErrorCode.INTERNAL}
_MAX_TROUBLES = 5
"""Errors of the engine in a row that nobody foresaw, until the workload is given up."""


def recalled(desired: DesiredWorkload, observed: ObservedWorkload | None) -> History:
    """Begin a revision: with what an earlier life of this agent reported of it, or with nothing."""
    if observed is None or not answers(observed, desired):
        return History(desired.revision, desired.correlation_id)
    failure = None
    if observed.phase is ObservedPhase.ERROR and observed.code and observed.code not in _PASSING:
        failure = Failure(observed.code, observed.reason, final=True)
    running = observed.phase is ObservedPhase.RUNNING and observed.started_at is not None
    run = f"{observed.container_id}@{observed.started_at.isoformat()}" if running and observed.started_at else ""
    return History(desired.revision, desired.correlation_id, image=observed.image, failure=failure, ready_run=run)


def answers(observed: ObservedWorkload, desired: DesiredWorkload) -> bool:
    """Whether a report is about this very wish."""
    return (observed.revision, observed.correlation_id) == (desired.revision, desired.correlation_id)


def newly_dead(history: History, containers: Sequence[ContainerStatus]) -> ContainerStatus | None:
    """The revision's container, when it has ended since it was last looked at."""
    container = of_revision(containers, history.revision)
    if container is None or container.state is not ContainerState.EXITED or run_of(container) == history.dead_run:
        return None
    return container


def noticed(
    history: History, container: ContainerStatus, last_log_lines: tuple[str, ...], now: datetime, policy: Policy
) -> History:
    """Remember a death; a good run before it makes it the first one."""
    ended = container.finished_at or now
    lasted_well = container.started_at is not None and ended - container.started_at >= policy.good_run
    return replace(
        history,
        attempts=1 if lasted_well else history.attempts + 1,
        retry_from=ended,
        dead_run=run_of(container),
        last_log_lines=last_log_lines,
    )


def failed(
    history: History, code: ErrorCode, reason: str, now: datetime, *, ran_before: bool, policy: Policy
) -> History:
    """Remember a step that did not work.

    Parameters
    ----------
    ran_before
        Whether the revision's container ever ran: then a failed start is one more attempt, not the end.
    """
    if code in _PASSING:
        troubles = history.troubles + 1
        final = code not in _ENGINE_AWAY and troubles >= _MAX_TROUBLES
        return replace(history, troubles=troubles, retry_from=now, failure=Failure(code, reason, final=final))
    if ran_before:
        attempts = history.attempts + 1
        return replace(
            history,
            attempts=attempts,
            retry_from=now,
            failure=Failure(code, reason, final=attempts > policy.attempts),
        )
    return replace(history, troubles=history.troubles + 1, retry_from=now, failure=Failure(code, reason, final=True))
