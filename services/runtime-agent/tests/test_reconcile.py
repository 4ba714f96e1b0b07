"""What is done next, and that it comes to an end."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhive_agent.decisions.backoff import delay, next_attempt
from toolhive_agent.decisions.containers import owner_labels, run_of
from toolhive_agent.decisions.memory import failed, newly_dead, noticed, recalled
from toolhive_agent.decisions.observation import observe
from toolhive_agent.decisions.orphans import leftovers, orphans, taken_back
from toolhive_agent.decisions.reconcile import plan
from toolhive_agent.decisions.transitions import events_between
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
from toolhive_agent.models.history import Failure, History, Policy
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import DesiredPhase, ObservedWorkload, WorkloadKey
from toolhive_common.testing.factories import a_desired, a_run_config, an_observed
from toolhive_runtime.decisions.further_containers import SLOT_LABEL
from toolhive_runtime.runtime import ContainerState, ContainerStatus

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICY = Policy()
KEY = WorkloadKey.default("time")


def a_container(
    revision: int = 1,
    state: ContainerState = ContainerState.RUNNING,
    container_id: str = "c1",
    age: int = 60,
    slot: str = "",
) -> ContainerStatus:
    started = None if state is ContainerState.CREATED else NOW - timedelta(seconds=age)
    return ContainerStatus(
        container_id=container_id,
        name=f"time-{slot}" if slot else "time",
        image="image",
        state=state,
        labels={**owner_labels("default", KEY, revision), **({SLOT_LABEL: slot} if slot else {})},
        created_at=NOW - timedelta(seconds=age + revision),
        started_at=started,
        finished_at=NOW if state is ContainerState.EXITED else None,
        exit_code=1 if state is ContainerState.EXITED else None,
    )


RUN = run_of(a_container())
HELD = History(1, "test", image="image", ready_run=RUN, attached_run=RUN)
DIED = replace(HELD, dead_run=RUN, attempts=1, retry_from=NOW)
CREATED, EXITED, PAUSED = ContainerState.CREATED, ContainerState.EXITED, ContainerState.PAUSED
FINAL = Failure(ErrorCode.PORT_TAKEN, "taken", final=True)
PASSING = Failure(ErrorCode.ENGINE_ERROR, "hm", final=False)

TWIN = a_container(container_id="t1", slot="s-0a1b2c3d", age=1)
REFUSED = replace(HELD, failure=PASSING, troubles=2, retry_from=NOW)


@pytest.mark.parametrize(
    ("phase", "containers", "history", "commands"),
    [
        pytest.param("running", [], History(1), [PrepareImage("uvx://mcp-server-time", 1)], id="nothing there"),
        pytest.param("running", [], HELD, [CreateContainer("image", 1)], id="the image is there"),
        pytest.param("running", [a_container(state=CREATED)], HELD, [StartContainer("c1", stdio=True)], id="made"),
        pytest.param("running", [a_container()], HELD, [], id="all is well"),
        pytest.param(
            "running",
            [a_container()],
            History(1),
            [Attach("c1", RUN), AwaitReady("c1", RUN, "")],
            id="after a restart",
        ),
        pytest.param("running", [a_container(0)], History(1), [PrepareImage("uvx://mcp-server-time", 1)], id="old"),
        pytest.param(
            "running", [a_container(0)], HELD, [RemoveContainer("c1"), CreateContainer("image", 1)], id="replaced"
        ),
        pytest.param(
            "running", [a_container(state=EXITED)], DIED, [WaitUntil(NOW + timedelta(seconds=5))], id="just died"
        ),
        pytest.param(
            "running",
            [a_container(state=EXITED)],
            replace(DIED, retry_from=NOW - timedelta(seconds=5)),
            [StartContainer("c1", stdio=True)],
            id="died a pause ago",
        ),
        pytest.param("running", [a_container(state=EXITED)], replace(DIED, attempts=11), [], id="given up"),
        pytest.param("running", [], replace(HELD, failure=FINAL), [], id="cannot be"),
        pytest.param(
            "running",
            [a_container(state=CREATED)],
            replace(HELD, failure=FINAL),
            [RemoveContainer("c1")],
            id="cannot be started",
        ),
        pytest.param(
            "running",
            [],
            replace(HELD, failure=PASSING, troubles=1, retry_from=NOW),
            [WaitUntil(NOW + timedelta(seconds=5))],
            id="the engine hiccups",
        ),
        pytest.param("running", [a_container(state=PAUSED)], HELD, [], id="paused by somebody"),
        pytest.param("stopped", [a_container()], HELD, [StopContainer("c1")], id="stop"),
        pytest.param("stopped", [a_container(state=EXITED)], HELD, [], id="stopped"),
        pytest.param(
            "stopped", [a_container(state=CREATED)], HELD, [RemoveContainer("c1")], id="stop before a start"
        ),
        pytest.param("removed", [a_container()], HELD, [RemoveContainer("c1")], id="remove"),
        pytest.param("removed", [], HELD, [], id="removed"),
        *(
            pytest.param(
                phase, [a_container()], REFUSED, [WaitUntil(NOW + timedelta(seconds=10))], id=f"{phase} in vain"
            )
            for phase in ("stopped", "removed")
        ),
        pytest.param(
            "running",
            [a_container(0)],
            replace(REFUSED, failure=FINAL),
            [WaitUntil(NOW + timedelta(seconds=10))],
            id="given up, and what was there before cannot be removed",
        ),
        pytest.param("removed", [], REFUSED, [], id="removed at last"),
        pytest.param("running", [a_container(), TWIN], HELD, [], id="with a twin"),
        pytest.param("running", [TWIN], HELD, [CreateContainer("image", 1)], id="only the twin is left"),
        pytest.param(
            "running",
            [a_container(state=EXITED), TWIN],
            DIED,
            [WaitUntil(NOW + timedelta(seconds=5))],
            id="twin lives",
        ),
        pytest.param(
            "running",
            [a_container(0), a_container(0, container_id="t0", slot="modern")],
            History(1),
            [PrepareImage("uvx://mcp-server-time", 1)],
            id="the twin of an old one goes when the old one does",
        ),
        pytest.param(
            "running",
            [a_container(), a_container(0, container_id="t0", slot="modern")],
            HELD,
            [RemoveFurther(("t0",))],
            id="the old one is gone, and its twin goes",
        ),
        pytest.param(
            "stopped", [a_container(), TWIN], HELD, [RemoveFurther(("t1",)), StopContainer("c1")], id="stop both"
        ),
        pytest.param(
            "removed", [a_container(), TWIN], HELD, [RemoveFurther(("t1",)), RemoveContainer("c1")], id="remove both"
        ),
    ],
)
def test_the_plan(phase: str, containers: list[ContainerStatus], history: History, commands: list[Command]) -> None:
    assert plan(a_desired(phase=DesiredPhase(phase)), containers, history, NOW, POLICY) == commands


def carried_out(
    commands: Sequence[Command], containers: list[ContainerStatus], history: History, now: datetime
) -> tuple[list[ContainerStatus], History, datetime]:
    """Play an engine that does all it is asked."""
    for command in commands:
        match command:
            case PrepareImage():
                history = replace(history, image="image")
            case CreateContainer(_, revision):
                made = a_container(revision, CREATED, f"new{len(containers)}{now.timestamp()}")
                containers = [*containers, replace(made, created_at=now)]
            case StartContainer(container_id):
                containers = [
                    replace(one, state=ContainerState.RUNNING, started_at=now, finished_at=None)
                    if one.container_id == container_id
                    else one
                    for one in containers
                ]
            case StopContainer(container_id):
                containers = [
                    replace(one, state=EXITED, finished_at=now) if one.container_id == container_id else one
                    for one in containers
                ]
            case RemoveContainer(container_id):
                containers = [one for one in containers if one.container_id != container_id]
            case Attach(_, run):
                history = replace(history, attached_run=run)
            case AwaitReady(_, run):
                history = replace(history, ready_run=run)
            case WaitUntil(time):
                now = max(now, time)
    return containers, history, now + timedelta(seconds=1)


CONTAINERS = st.lists(
    st.builds(
        a_container,
        st.integers(0, 3),
        st.sampled_from([CREATED, EXITED, ContainerState.RUNNING]),
        st.uuids().map(str),
        st.integers(1, 100),
    ),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(DesiredPhase),
    CONTAINERS,
    st.sampled_from([Transport.STDIO, Transport.STREAMABLE_HTTP]),
    st.integers(0, 10),
)
def test_a_plan_comes_to_an_end_and_then_asks_for_nothing(
    phase: DesiredPhase, containers: list[ContainerStatus], transport: Transport, attempts: int
) -> None:
    desired = a_desired(phase=phase, run_config=a_run_config(transport=transport))
    history, now = History(1, "test", attempts=attempts), NOW
    for _ in range(12):
        if not (commands := plan(desired, containers, history, now, POLICY)):
            break
        assert all(isinstance(c, RemoveContainer | StopContainer) for c in commands) or phase is DesiredPhase.RUNNING
        containers, history, now = carried_out(commands, containers, history, now)
    assert plan(desired, containers, history, now, POLICY) == []
    observed = observe(desired, containers, history, None, now, POLICY)
    assert observed.phase.value == phase.value
    states = [one.state for one in containers]
    assert (
        states == [ContainerState.RUNNING] if phase is DesiredPhase.RUNNING else ContainerState.RUNNING not in states
    )


def test_the_pause_doubles_up_to_its_limit() -> None:
    assert [delay(attempts, POLICY).total_seconds() for attempts in range(7)] == [0, 5, 10, 20, 40, 60, 60]
    assert delay(10_000, POLICY) == timedelta(seconds=60)


def test_an_engine_whose_clock_is_ahead_delays_by_one_pause_only() -> None:
    assert next_attempt(NOW + timedelta(days=1), 1, NOW, POLICY) == NOW + timedelta(seconds=5)


def test_a_good_run_forgives_earlier_deaths() -> None:
    bad = noticed(DIED, a_container(state=EXITED, age=3), (), NOW, POLICY)
    good = noticed(DIED, a_container(state=EXITED, age=30), (), NOW, POLICY)
    assert (bad.attempts, good.attempts) == (2, 1)


def test_a_death_is_noticed_once() -> None:
    dead = a_container(state=EXITED)
    assert newly_dead(HELD, [dead]) is dead
    assert newly_dead(noticed(HELD, dead, (), NOW, POLICY), [dead]) is None


@pytest.mark.parametrize(
    ("code", "ran_before", "final"),
    [
        (ErrorCode.IMAGE_NOT_FOUND, False, True),
        (ErrorCode.PORT_TAKEN, False, True),
        (ErrorCode.PORT_TAKEN, True, False),
        (ErrorCode.ENGINE_UNREACHABLE, False, False),
        (ErrorCode.ENGINE_ERROR, False, False),
    ],
)
def test_which_failures_are_final(code: ErrorCode, ran_before: bool, final: bool) -> None:
    history = failed(HELD, code, "why", NOW, ran_before=ran_before, policy=POLICY)
    assert history.failure == Failure(code, "why", final=final)


@pytest.mark.parametrize("code", [ErrorCode.PORT_TAKEN, ErrorCode.ENGINE_ERROR, ErrorCode.ENGINE_UNREACHABLE])
@pytest.mark.parametrize("ran_before", [True, False])
@pytest.mark.parametrize("phase", ["stopped", "removed"])
def test_after_each_failure_there_is_a_pause(code: ErrorCode, ran_before: bool, phase: str) -> None:
    history = HELD
    for _ in range(20):
        history = failed(history, code, "why", NOW, ran_before=ran_before, policy=POLICY)
        [wait] = plan(a_desired(phase=DesiredPhase(phase)), [a_container()], history, NOW, POLICY)
        assert isinstance(wait, WaitUntil)
        assert wait.time >= NOW + POLICY.restart_delay


def test_an_engine_away_is_waited_for_without_end_and_its_faults_are_not() -> None:
    away = faulty = HELD
    for _ in range(20):
        away = failed(away, ErrorCode.ENGINE_UNREACHABLE, "", NOW, ran_before=False, policy=POLICY)
        faulty = failed(faulty, ErrorCode.ENGINE_ERROR, "", NOW, ran_before=False, policy=POLICY)
    assert away.failure is not None
    assert not away.failure.final
    assert faulty.failure is not None
    assert faulty.failure.final


def test_memory_of_another_wish_is_not_used() -> None:
    known = an_observed(image="image", correlation_id="test", container_id="c1", started_at=NOW)
    assert recalled(a_desired(), known).image == "image"
    assert recalled(a_desired(correlation_id="other"), known).image == ""
    assert recalled(a_desired(revision=2), known).image == ""


def test_orphans_are_ours_undeclared_and_certain() -> None:
    ours = [a_container(container_id="a")]
    assert orphans(ours, set(), synced=True) == ["a"]
    assert orphans(ours, {KEY}, synced=True) == []
    assert orphans(ours, set(), synced=False) == []


def test_further_containers_that_nobody_holds_are_left_over() -> None:
    assert leftovers([a_container(), TWIN], frozenset()) == ["t1"]
    assert leftovers([a_container(), TWIN], {"time-s-0a1b2c3d"}) == []


@pytest.mark.parametrize(
    ("phase", "containers", "told"),
    [
        ("running", [a_container(), TWIN], "running"),
        ("stopped", [a_container(state=EXITED), TWIN], "stopping"),
        ("stopped", [a_container(state=EXITED)], "stopped"),
        ("removed", [TWIN], "removing"),
        ("removed", [], "removed"),
    ],
)
def test_what_is_told_is_about_the_first_container_and_waits_for_the_others(
    phase: str, containers: list[ContainerStatus], told: str
) -> None:
    state = observe(a_desired(phase=DesiredPhase(phase)), containers, HELD, None, NOW, POLICY)
    assert state.phase == told
    assert state.container_id in {"c1", ""}


ELSEWHERE = a_run_config(
    image="", remote_url="https://example.com/v2/mcp?key=secret", transport=Transport.STREAMABLE_HTTP
)


def test_a_server_that_runs_elsewhere_is_there_at_once_and_leaves_nothing_here() -> None:
    desired = a_desired(run_config=ELSEWHERE)
    assert plan(desired, [], History(1), NOW, POLICY) == []
    assert plan(desired, [a_container(0), TWIN], History(1), NOW, POLICY) == [
        RemoveFurther(("t1",)),
        RemoveContainer("c1"),
    ]
    state = observe(desired, [], History(1), None, NOW, POLICY)
    assert (state.phase, state.endpoint) == ("running", "https://example.com/v2/mcp")
    assert state.started_at == desired.requested_at
    assert "secret" not in state.to_json().decode()
    assert [str(event.type) for event in events_between(None, state, now=NOW)] == [
        "workload.starting",
        "workload.running",
    ]
    assert events_between(state, observe(desired, [], History(1), state, NOW, POLICY), now=NOW) == []


def test_a_server_elsewhere_without_a_usable_url_is_an_error() -> None:
    desired = a_desired(run_config=a_run_config(remote_url="ftp://x", transport=Transport.SSE))
    state = observe(desired, [], History(1), None, NOW, POLICY)
    assert (state.phase, state.code) == ("error", ErrorCode.INVALID_REQUEST)


@pytest.mark.parametrize("phase", ["stopped", "removed"])
def test_a_server_elsewhere_is_stopped_and_removed_at_once(phase: str) -> None:
    state = observe(a_desired(phase=DesiredPhase(phase), run_config=ELSEWHERE), [], History(1), None, NOW, POLICY)
    assert (state.phase, state.endpoint) == (phase, "")


def test_workloads_are_taken_back_only_when_that_is_certain() -> None:
    assert taken_back({KEY}, set(), synced=True) == {KEY}
    assert taken_back({KEY}, {KEY}, synced=True) == set()
    assert taken_back({KEY}, set(), synced=False) == set()


def a_state(phase: str, **changes: Any) -> ObservedWorkload:
    return an_observed(phase=phase, container_id="c1", correlation_id="test", **changes)


STARTED = {"started_at": NOW, "image": "image"}
DEATH = observe(a_desired(), [a_container(state=EXITED)], DIED, None, NOW, POLICY).last_death


@pytest.mark.parametrize(
    ("previous", "current", "types"),
    [
        pytest.param(None, a_state("preparing"), [], id="preparing is no fact"),
        pytest.param(
            None,
            a_state("running", **STARTED),
            ["workload.starting", "container.started", "workload.running"],
            id="skipped",
        ),
        pytest.param(a_state("starting", **STARTED), a_state("running", **STARTED), ["workload.running"], id="up"),
        pytest.param(
            a_state("running", **STARTED),
            a_state("unhealthy", **STARTED, last_death=DEATH, code="server_exited"),
            ["container.died", "workload.unhealthy"],
            id="died",
        ),
        pytest.param(
            a_state("running", **STARTED),
            a_state("running", started_at=NOW + timedelta(seconds=9), image="image", last_death=DEATH, restarts=1),
            ["container.died", "workload.starting", "container.started", "workload.running"],
            id="died and came back unseen",
        ),
        pytest.param(
            a_state("running", **STARTED), a_state("stopped", revision=2), ["workload.stopping", "workload.stopped"]
        ),
        pytest.param(a_state("stopped"), a_state("removed", revision=2), ["workload.removed"], id="remove a stopped"),
        pytest.param(a_state("removing"), a_state("removed"), ["workload.removed"], id="removed"),
        pytest.param(None, a_state("error", code="port_taken"), ["workload.failed"], id="failed"),
    ],
)
def test_the_events_between(previous: ObservedWorkload | None, current: ObservedWorkload, types: list[str]) -> None:
    assert [str(event.type) for event in events_between(previous, current, now=NOW)] == types


STATES = [
    a_state("preparing"),
    a_state("starting", **STARTED),
    a_state("running", **STARTED),
    a_state("unhealthy", **STARTED, last_death=DEATH, code="server_exited"),
    a_state("error", **STARTED, last_death=DEATH, code="server_exited"),
    a_state("stopping", revision=2),
    a_state("stopped", revision=2),
    a_state("removed", revision=3),
]


@given(st.sampled_from([None, *STATES]), st.sampled_from(STATES))
def test_telling_again_gives_the_same_ids_and_no_change_gives_no_event(
    previous: ObservedWorkload | None, current: ObservedWorkload
) -> None:
    first = events_between(previous, current, now=NOW)
    later = events_between(previous, current, now=NOW + timedelta(hours=1))
    assert [event.id for event in first] == [event.id for event in later]
    assert len({event.id for event in first}) == len(first)
    assert events_between(current, current, now=NOW) == []


@given(st.lists(st.sampled_from(range(len(STATES))), min_size=1, max_size=6))
def test_a_crash_before_the_state_is_stored_repeats_ids_and_misses_none(path: list[int]) -> None:
    states = [STATES[index] for index in sorted(set(path))]
    told: set[str] = set()
    stored: ObservedWorkload | None = None
    for state in states:  # each step is told twice, as after a crash between the event and the state
        told |= {event.id for event in events_between(stored, state, now=NOW)}
        repeated = {event.id for event in events_between(stored, state, now=NOW)}
        assert repeated <= told
        stored = state
