"""Which events lie between two states."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.events import (
    ContainerDiedData,
    ContainerStartedData,
    EventData,
    EventType,
    ImageData,
    LifecycleEvent,
    ProblemData,
)
from toolhive_common.schemas.state import DeathReason, ObservedPhase, ObservedWorkload, WorkloadKey

__all__ = ["event_source", "events_between", "image_event"]

_UP = (EventType.WORKLOAD_STARTING, EventType.CONTAINER_STARTED, EventType.WORKLOAD_RUNNING)


def event_source(agent: str) -> str:
    """Name an agent as the source of events."""
    return f"/toolhive/agent/{agent}"


def events_between(
    previous: ObservedWorkload | None, current: ObservedWorkload, *, now: datetime
) -> list[LifecycleEvent]:
    """Tell what happened, steps that nobody saw included.

    Ids are made from the facts alone: telling the same step again gives the same id, by which it is
    known for a repetition.

    Parameters
    ----------
    previous
        What was told last, of any revision.
    """
    steps = _steps(previous, current)
    if not current.container_id:  # a server that runs elsewhere starts without one
        steps = [step for step in steps if step is not EventType.CONTAINER_STARTED]
    return [_event(event_type, current, now) for event_type in steps]


def _steps(previous: ObservedWorkload | None, current: ObservedWorkload) -> Sequence[EventType]:
    same = previous if previous and _one_wish(previous, current) else None
    steps: list[EventType] = []
    before = same.phase if same else None
    started_anew = current.started_at is not None and (same is None or same.started_at != current.started_at)
    died = current.last_death is not None and (same is None or same.last_death != current.last_death)
    # A death that is told with the state of a later run came before that run; else it ended the run.
    death_first = died and current.phase in {ObservedPhase.STARTING, ObservedPhase.RUNNING}
    if died and death_first:
        steps += _death_steps(current)
    match current.phase:
        case ObservedPhase.STARTING if started_anew or before is not ObservedPhase.STARTING:
            steps += _UP[: 1 + started_anew]
        case ObservedPhase.RUNNING if started_anew:
            steps += _UP
        case ObservedPhase.RUNNING if before is not ObservedPhase.RUNNING:
            steps += _UP[-1:]
        case ObservedPhase.UNHEALTHY | ObservedPhase.ERROR:
            steps += _trouble_steps(before, current, started_anew=started_anew, died=died)
        case ObservedPhase.STOPPING | ObservedPhase.STOPPED | ObservedPhase.REMOVING | ObservedPhase.REMOVED:
            steps += _down_steps(previous, current)
    return steps


def _one_wish(previous: ObservedWorkload, current: ObservedWorkload) -> bool:
    return (previous.revision, previous.correlation_id) == (current.revision, current.correlation_id)


def _death_steps(current: ObservedWorkload) -> list[EventType]:
    oom = current.last_death is not None and current.last_death.reason is DeathReason.OOM
    return [*([EventType.CONTAINER_OOM] if oom else []), EventType.CONTAINER_DIED]


def _trouble_steps(
    before: ObservedPhase | None, current: ObservedWorkload, *, started_anew: bool, died: bool
) -> list[EventType]:
    steps = [*_UP[:2]] if started_anew else []
    if died:
        steps += _death_steps(current)
    new = died or before is not current.phase
    if current.phase is ObservedPhase.ERROR:
        return [*steps, EventType.WORKLOAD_FAILED] if new else steps
    return [*steps, EventType.WORKLOAD_UNHEALTHY] if new else steps


def _down_steps(previous: ObservedWorkload | None, current: ObservedWorkload) -> list[EventType]:
    order = (ObservedPhase.STOPPING, ObservedPhase.STOPPED)
    before = previous.phase if previous else None
    if before is current.phase and previous and _one_wish(previous, current):
        return []
    was_down = before in {ObservedPhase.STOPPED, ObservedPhase.REMOVING, ObservedPhase.REMOVED}
    stopping = [] if was_down or before is order[0] else [EventType.WORKLOAD_STOPPING]
    match current.phase:
        case ObservedPhase.STOPPING | ObservedPhase.REMOVING:
            return stopping
        case ObservedPhase.STOPPED:
            return [*stopping, EventType.WORKLOAD_STOPPED]
        case _:
            return [*stopping, EventType.WORKLOAD_REMOVED]


def _event(event_type: EventType, current: ObservedWorkload, now: datetime) -> LifecycleEvent:
    return LifecycleEvent.about(
        event_type,
        _data(event_type, current),
        event_id=_event_id(event_type, current),
        source=event_source(current.agent),
        time=_time(event_type, current, now),
        correlation_id=current.correlation_id,
    )


def _time(event_type: EventType, current: ObservedWorkload, now: datetime) -> datetime:
    if event_type in {EventType.CONTAINER_DIED, EventType.CONTAINER_OOM} and current.last_death:
        return current.last_death.at
    if event_type is EventType.CONTAINER_STARTED and current.started_at:
        return current.started_at
    return now


def _data(event_type: EventType, current: ObservedWorkload) -> EventData:
    namespace, workload, revision = current.key.namespace, current.key.name, current.revision
    match event_type:
        case EventType.CONTAINER_STARTED:
            return ContainerStartedData(
                namespace=namespace,
                workload=workload,
                revision=revision,
                container_id=current.container_id,
                image=current.image,
                restarts=current.restarts,
            )
        case EventType.CONTAINER_DIED | EventType.CONTAINER_OOM if current.last_death:
            return ContainerDiedData(
                namespace=namespace,
                workload=workload,
                revision=revision,
                container_id=current.container_id,
                reason=current.last_death.reason,
                exit_code=current.last_death.exit_code,
                last_log_lines=current.last_death.last_log_lines,
            )
        case EventType.WORKLOAD_UNHEALTHY | EventType.WORKLOAD_FAILED:
            return ProblemData(
                namespace=namespace,
                workload=workload,
                revision=revision,
                code=current.code or ErrorCode.INTERNAL,
                reason=current.reason,
            )
        case _:
            return EventData(namespace=namespace, workload=workload, revision=revision)


def _event_id(event_type: EventType, current: ObservedWorkload) -> str:
    death = current.last_death.at.isoformat() if current.last_death else ""
    facts: list[object] = [
        current.key.namespace,
        current.key.name,
        current.revision,
        current.correlation_id,
        event_type,
        current.container_id,
    ]
    match event_type:
        case EventType.CONTAINER_DIED | EventType.CONTAINER_OOM:
            facts.append(death)
        case EventType.WORKLOAD_UNHEALTHY | EventType.WORKLOAD_FAILED:
            facts += [current.restarts, death, current.code]
        case EventType.WORKLOAD_STARTING | EventType.WORKLOAD_RUNNING | EventType.CONTAINER_STARTED:
            facts.append(current.started_at.isoformat() if current.started_at else "")
        case _:  # once for each revision, whatever became of its container
            facts.pop()
    return _digest(facts)


def image_event(  # the facts of the event
    key: WorkloadKey, *, revision: int, image: str, built: bool, agent: str, correlation_id: str, now: datetime
) -> LifecycleEvent:
    """Tell that an image was pulled or built."""
    event_type = EventType.IMAGE_BUILT if built else EventType.IMAGE_PULLED
    data = ImageData(namespace=key.namespace, workload=key.name, revision=revision, image=image)
    return LifecycleEvent.about(
        event_type,
        data,
        event_id=_digest([key.namespace, key.name, revision, correlation_id, event_type, image]),
        source=event_source(agent),
        time=now,
        correlation_id=correlation_id,
    )


def _digest(facts: Sequence[object]) -> str:
    return hashlib.sha256("\0".join(map(str, facts)).encode()).hexdigest()[:32]
