"""From what is wanted and what is there to what is to be done."""

from collections.abc import Sequence
from datetime import datetime

from toolhive_agent.decisions.backoff import next_attempt
from toolhive_agent.decisions.containers import firsts, further, newest, of_revision, revision_of, run_of
from toolhive_agent.models.commands import (
    Attach,
    AwaitReady,
    Command,
    CreateContainer,
    PrepareImage,
    RemoveContainer,
    RemoveFurther,
    StartContainer,
    StopContainer,
    WaitUntil,
)
from toolhive_agent.models.history import History, Policy
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import DesiredPhase, DesiredWorkload
from toolhive_runtime.runtime import ContainerState, ContainerStatus

__all__ = ["address_of", "plan"]

_ALIVE = frozenset({ContainerState.RUNNING, ContainerState.PAUSED})


def plan(
    desired: DesiredWorkload,
    containers: Sequence[ContainerStatus],
    history: History,
    now: datetime,
    policy: Policy,
) -> list[Command]:
    """Decide the next steps of one workload.

    After they are carried out it is asked again, with what is there then; when nothing is left to do, it says so.

    Parameters
    ----------
    containers
        Those of the workload, of any revision and slot.
    history
        Of the wanted revision.
    """
    there = [container for container in containers if container.state is not ContainerState.REMOVING]
    here, unwanted = firsts(there), _plan_further(desired, there)
    match desired.phase:
        case DesiredPhase.REMOVED:
            removals = [*unwanted, *(RemoveContainer(one.container_id) for one in here)]
            return _after_pause(removals, history, now, policy)
        case DesiredPhase.STOPPED:
            return _after_pause([*unwanted, *_plan_stopped(here)], history, now, policy)
        case DesiredPhase.RUNNING if desired.run_config.remote_url:
            # It runs elsewhere. What is here was left by an earlier wish of the same name.
            removals = [*unwanted, *(RemoveContainer(one.container_id) for one in here)]
            return _after_pause(removals, history, now, policy)
        case DesiredPhase.RUNNING:
            return [
                *_after_pause(unwanted, history, now, policy),
                *_plan_running(desired, here, history, now, policy),
            ]


def _plan_further(desired: DesiredWorkload, containers: Sequence[ContainerStatus]) -> list[Command]:
    """Take further containers away that stand beside nothing: they go with the container whose twins they are."""
    kept = set[int]()
    if desired.phase is DesiredPhase.RUNNING and not desired.run_config.remote_url:
        kept = {desired.revision, *(revision_of(one) for one in firsts(containers))}
    gone = tuple(one.container_id for one in further(containers) if revision_of(one) not in kept)
    return [RemoveFurther(gone)] if gone else []


def _after_pause(commands: list[Command], history: History, now: datetime, policy: Policy) -> list[Command]:
    """Hold back what is to be done until the pause after a failure is over.

    What was to be stopped or removed is tried for ever: giving up would leave something running that nobody wants.
    """
    time = next_attempt(history.retry_from, _tries(history), now, policy)
    return [WaitUntil(time)] if commands and history.failure and time > now else commands


def _plan_stopped(containers: Sequence[ContainerStatus]) -> list[Command]:
    kept = newest([container for container in containers if container.state is not ContainerState.CREATED])
    commands: list[Command] = []
    for container in containers:
        if container is not kept:
            commands.append(RemoveContainer(container.container_id))
        elif container.state in _ALIVE:
            commands.append(StopContainer(container.container_id))
    return commands


def _plan_running(
    desired: DesiredWorkload,
    containers: Sequence[ContainerStatus],
    history: History,
    now: datetime,
    policy: Policy,
) -> list[Command]:
    container = of_revision(containers, desired.revision)
    others = [other for other in containers if other is not container]
    remove_others: list[Command] = [RemoveContainer(other.container_id) for other in others]
    failure = history.failure
    if failure and failure.final:
        if container and container.state is ContainerState.CREATED:
            remove_others.append(RemoveContainer(container.container_id))
        return _after_pause(remove_others, history, now, policy)
    if failure and (time := next_attempt(history.retry_from, _tries(history), now, policy)) > now:
        return [WaitUntil(time)]
    if container is None:
        if not history.image:
            # What runs now goes on meanwhile: its successor may take minutes to build.
            return [PrepareImage(desired.run_config.image, desired.revision)]
        return [*remove_others, CreateContainer(history.image, desired.revision)]
    return [*remove_others, *_plan_container(desired, container, history, now, policy)]


def _tries(history: History) -> int:
    return max(history.attempts, history.troubles)


def _plan_container(
    desired: DesiredWorkload, container: ContainerStatus, history: History, now: datetime, policy: Policy
) -> list[Command]:
    stdio = desired.run_config.transport is Transport.STDIO
    match container.state:
        case ContainerState.CREATED:
            return [StartContainer(container.container_id, stdio)]
        case ContainerState.RUNNING:
            return _plan_alive(desired, container, history, stdio=stdio)
        case ContainerState.EXITED if history.attempts > policy.attempts:
            return []
        case ContainerState.EXITED:
            time = next_attempt(history.retry_from or container.finished_at, history.attempts, now, policy)
            return [WaitUntil(time)] if time > now else [StartContainer(container.container_id, stdio)]
        case _:  # paused by somebody, or in a state that the engine leaves by itself
            return []


def _plan_alive(
    desired: DesiredWorkload, container: ContainerStatus, history: History, *, stdio: bool
) -> list[Command]:
    run = run_of(container)
    commands: list[Command] = []
    if stdio and history.attached_run != run:
        commands.append(Attach(container.container_id, run))
    if history.ready_run != run:
        address = "" if stdio else address_of(desired, container)
        commands.append(AwaitReady(container.container_id, run, address))
    return commands


def address_of(desired: DesiredWorkload, container: ContainerStatus) -> str:
    """Where an HTTP server shall answer: ``host:port``; a container in the host's network has the host's address."""
    return f"{container.address or '127.0.0.1'}:{desired.run_config.target_port}"
