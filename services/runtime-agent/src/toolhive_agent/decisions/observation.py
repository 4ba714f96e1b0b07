"""What a workload is, told from what is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from toolhive_agent.decisions.containers import firsts, newest, of_revision, run_of
from toolhive_agent.decisions.death import death_of, death_sentence
from toolhive_agent.decisions.memory import answers
from toolhive_agent.decisions.reconcile import address_of
from toolhive_agent.models.history import History, Policy
from toolhive_common.errors import ErrorCode
from toolhive_common.remote import InvalidRemoteUrlError, parse_remote_url
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import (
    DesiredPhase,
    DesiredWorkload,
    LastDeath,
    ObservedPhase,
    ObservedWorkload,
)
from toolhive_runtime.runtime import ContainerState, ContainerStatus

__all__ = ["observe"]

_ALIVE = frozenset({ContainerState.RUNNING, ContainerState.PAUSED})


@dataclass(frozen=True)
class _Verdict:
    phase: ObservedPhase
    code: ErrorCode | None = None
    reason: str = ""


def observe(
    desired: DesiredWorkload,
    containers: Sequence[ContainerStatus],
    history: History,
    previous: ObservedWorkload | None,
    now: datetime,
    policy: Policy,
) -> ObservedWorkload:
    """Describe a workload for all others.

    Parameters
    ----------
    containers
        Those of the workload, of any revision and slot.
    previous
        What was told last, of any revision.
    """
    if desired.run_config.remote_url and desired.phase is DesiredPhase.RUNNING:
        return _observe_remote(desired, now)
    everything, containers = containers, firsts(containers)
    same = previous if previous and answers(previous, desired) else None
    wanted = desired.phase is DesiredPhase.RUNNING
    container = of_revision(containers, desired.revision) if wanted else newest(containers)
    ended = wanted and container is not None and container.state is ContainerState.EXITED
    death = death_of(container, history.last_log_lines, now) if ended and container else None
    last_death = death or (same.last_death if same else None)
    verdict = _verdict(desired, everything, container, history, same, last_death, policy)
    started = container is not None and container.state not in {ContainerState.CREATED, ContainerState.REMOVING}
    run = run_of(container) if container else ""
    alive = container is not None and container.state is ContainerState.RUNNING
    ready = alive and verdict.phase is ObservedPhase.RUNNING
    http = desired.run_config.transport is not Transport.STDIO
    started_at = container.started_at if container and started else (same.started_at if same else None)
    return ObservedWorkload(
        key=desired.key,
        revision=desired.revision,
        phase=verdict.phase,
        agent=desired.agent,
        code=verdict.code,
        reason=verdict.reason,
        image=container.image if container and started else (same.image if same else ""),
        container_id=container.container_id if container else "",
        endpoint=f"http://{address_of(desired, container)}" if container and ready and http else "",
        attachment=history.attachment if alive and wanted and run == history.attached_run else "",
        restarts=_restarts(same, started_at),
        last_death=last_death,
        started_at=started_at,
        updated_at=now,
        correlation_id=desired.correlation_id,
    )


def _observe_remote(desired: DesiredWorkload, now: datetime) -> ObservedWorkload:
    """Tell of a server that runs elsewhere: nothing has to be started, and whether it answers its callers see.

    It runs since it was asked for, which is the same after a restart of this agent.
    """
    state = ObservedWorkload(
        key=desired.key,
        revision=desired.revision,
        phase=ObservedPhase.RUNNING,
        agent=desired.agent,
        started_at=desired.requested_at,
        updated_at=now,
        correlation_id=desired.correlation_id,
    )
    try:
        # Without its query, which may hold a key: the proxy has it from what is declared.
        return state.model_copy(update={"endpoint": parse_remote_url(desired.run_config.remote_url).shown})
    except InvalidRemoteUrlError as error:
        wrong = {"phase": ObservedPhase.ERROR, "code": error.code, "reason": error.message, "started_at": None}
        return state.model_copy(update=wrong)


def _restarts(same: ObservedWorkload | None, started_at: datetime | None) -> int:
    if same is None:
        return 0
    return same.restarts + int(same.started_at is not None and started_at != same.started_at)


def _verdict(  # all facts that a phase depends on
    desired: DesiredWorkload,
    containers: Sequence[ContainerStatus],
    container: ContainerStatus | None,
    history: History,
    same: ObservedWorkload | None,
    last_death: LastDeath | None,
    policy: Policy,
) -> _Verdict:
    failure = history.failure
    why = (failure.code, failure.reason) if failure else (None, "")
    if desired.phase is DesiredPhase.REMOVED:
        return _Verdict(ObservedPhase.REMOVING, *why) if containers else _Verdict(ObservedPhase.REMOVED)
    if desired.phase is DesiredPhase.STOPPED:
        alive = any(other.state in _ALIVE for other in containers)
        return _Verdict(ObservedPhase.STOPPING, *why) if alive else _Verdict(ObservedPhase.STOPPED)
    if failure and (failure.final or container is None):
        return _Verdict(ObservedPhase.ERROR, failure.code, failure.reason)
    if container is None or container.state in {ContainerState.CREATED, ContainerState.REMOVING}:
        return _Verdict(ObservedPhase.STARTING if same and same.started_at else ObservedPhase.PREPARING)
    return _verdict_of_started(desired.key.name, container, history, last_death, policy)


def _verdict_of_started(
    name: str, container: ContainerStatus, history: History, death: LastDeath | None, policy: Policy
) -> _Verdict:
    run = run_of(container)
    match container.state:
        case ContainerState.RUNNING if history.ready_run == run:
            return _Verdict(ObservedPhase.RUNNING)
        case ContainerState.RUNNING if history.deaf_run == run:
            reason = (
                "the container runs, but nothing answers on the server's port; check that it listens on all "
                f"addresses (0.0.0.0) and on the target port, see `thv logs {name}`"
            )
            return _Verdict(ObservedPhase.UNHEALTHY, ErrorCode.SERVER_NOT_READY, reason)
        case ContainerState.RUNNING:
            return _Verdict(ObservedPhase.STARTING)
        case ContainerState.EXITED if death:
            reason = death_sentence(name, death)
            if history.attempts > policy.attempts:
                reason = f"given up after {policy.attempts} restarts: {reason}; then `thv restart {name}`"
                return _Verdict(ObservedPhase.ERROR, ErrorCode.SERVER_EXITED, reason)
            return _Verdict(ObservedPhase.UNHEALTHY, ErrorCode.SERVER_EXITED, reason)
        case _:
            reason = (
                f"the container is {container.state}, which somebody else did; `thv restart {name}` makes a new one"
            )
            return _Verdict(ObservedPhase.UNHEALTHY, ErrorCode.CONTAINER_START_FAILED, reason)
