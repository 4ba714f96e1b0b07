from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_api.decisions.lifecycle import (
    Action,
    Changed,
    Forgotten,
    Unchanged,
    Wish,
    decide_action,
    decide_create,
    decide_observed,
)
from toolhive_api.models.records import WorkloadRecord
from toolhive_api.models.verdicts import Rejection
from toolhive_common.schemas.state import DesiredPhase, ObservedPhase, ObservedWorkload, WorkloadKey
from toolhive_common.schemas.workload import WorkloadStatus
from toolhive_common.testing.factories import a_run_config, an_observed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
KEY = WorkloadKey.default("time")
WISH = Wish(revision=7, agent="default", correlation_id="c", now=LATER)


def a_record(
    phase: DesiredPhase = DesiredPhase.RUNNING, status: WorkloadStatus = WorkloadStatus.RUNNING
) -> WorkloadRecord:
    return WorkloadRecord(
        key=KEY,
        revision=1,
        phase=phase,
        run_config=a_run_config(),
        agent="default",
        correlation_id="old",
        created_at=NOW,
        requested_at=NOW,
        status=status,
        status_context="as it was",
        started_at=NOW,
    )


@pytest.mark.parametrize("status", [None, *WorkloadStatus])
def test_a_name_is_free_when_its_workload_failed_or_is_going(status: WorkloadStatus | None) -> None:
    existing = a_record(status=status) if status else None
    decided = decide_create(existing, a_run_config(), key=KEY, wish=WISH)
    if status in {None, WorkloadStatus.ERROR, WorkloadStatus.REMOVING}:
        assert isinstance(decided, Changed)
        assert (decided.record.revision, decided.record.status) == (7, WorkloadStatus.STARTING)
    else:
        assert isinstance(decided, Rejection)


@pytest.mark.parametrize(
    ("wanted", "action", "expected"),
    [
        (DesiredPhase.RUNNING, Action.STOP, (DesiredPhase.STOPPED, WorkloadStatus.STOPPING)),
        (DesiredPhase.RUNNING, Action.RESTART, (DesiredPhase.RUNNING, WorkloadStatus.STARTING)),
        (DesiredPhase.RUNNING, Action.DELETE, (DesiredPhase.REMOVED, WorkloadStatus.REMOVING)),
        (DesiredPhase.STOPPED, Action.STOP, None),
        (DesiredPhase.STOPPED, Action.RESTART, (DesiredPhase.RUNNING, WorkloadStatus.STARTING)),
        (DesiredPhase.STOPPED, Action.DELETE, (DesiredPhase.REMOVED, WorkloadStatus.REMOVING)),
        (DesiredPhase.REMOVED, Action.STOP, None),
        (DesiredPhase.REMOVED, Action.DELETE, None),
    ],
)
def test_an_action_makes_a_new_revision_where_it_changes_something(
    wanted: DesiredPhase, action: Action, expected: tuple[DesiredPhase, WorkloadStatus] | None
) -> None:
    decided = decide_action(a_record(wanted), action, wish=WISH)
    if expected is None:
        assert decided == Unchanged()
    else:
        assert isinstance(decided, Changed)
        record = decided.record
        assert (record.phase, record.status) == expected
        assert (record.revision, record.correlation_id, record.requested_at) == (7, "c", LATER)
        assert (record.created_at, record.status_context) == (NOW, "")


def test_what_is_being_removed_cannot_be_restarted() -> None:
    assert isinstance(decide_action(a_record(DesiredPhase.REMOVED), Action.RESTART, wish=WISH), Rejection)


@pytest.mark.parametrize(
    ("wanted", "observed", "expected"),
    [
        (DesiredPhase.RUNNING, ObservedPhase.PREPARING, WorkloadStatus.STARTING),
        (DesiredPhase.RUNNING, ObservedPhase.STARTING, WorkloadStatus.STARTING),
        (DesiredPhase.RUNNING, ObservedPhase.RUNNING, WorkloadStatus.RUNNING),
        (DesiredPhase.RUNNING, ObservedPhase.UNHEALTHY, WorkloadStatus.UNHEALTHY),
        (DesiredPhase.RUNNING, ObservedPhase.ERROR, WorkloadStatus.ERROR),
        (DesiredPhase.RUNNING, ObservedPhase.STOPPED, WorkloadStatus.STOPPED),
        (DesiredPhase.RUNNING, ObservedPhase.REMOVED, WorkloadStatus.UNKNOWN),
        (DesiredPhase.STOPPED, ObservedPhase.RUNNING, WorkloadStatus.STOPPING),
        (DesiredPhase.STOPPED, ObservedPhase.UNHEALTHY, WorkloadStatus.STOPPING),
        (DesiredPhase.STOPPED, ObservedPhase.STARTING, WorkloadStatus.STOPPING),
        (DesiredPhase.STOPPED, ObservedPhase.STOPPED, WorkloadStatus.STOPPED),
        (DesiredPhase.STOPPED, ObservedPhase.ERROR, WorkloadStatus.ERROR),
        (DesiredPhase.REMOVED, ObservedPhase.RUNNING, WorkloadStatus.REMOVING),
        (DesiredPhase.REMOVED, ObservedPhase.ERROR, WorkloadStatus.REMOVING),
    ],
)
def test_a_report_becomes_a_status(wanted: DesiredPhase, observed: ObservedPhase, expected: WorkloadStatus) -> None:
    report = an_observed(phase=observed, reason="because", started_at=LATER)
    decided = decide_observed(a_record(wanted), report)
    assert isinstance(decided, Changed)
    assert decided.record == replace(a_record(wanted), status=expected, status_context="because", started_at=LATER)


def test_a_removal_that_was_wished_and_is_done_forgets_the_row() -> None:
    assert decide_observed(a_record(DesiredPhase.REMOVED), an_observed(phase=ObservedPhase.REMOVED)) == Forgotten()


_REPORTS = st.builds(
    an_observed,
    revision=st.integers(0, 3),
    phase=st.sampled_from(ObservedPhase),
    reason=st.sampled_from(["", "because"]),
)


@given(st.sampled_from(DesiredPhase), st.sampled_from(WorkloadStatus), _REPORTS)
def test_a_report_on_another_revision_changes_nothing(
    wanted: DesiredPhase, status: WorkloadStatus, report: ObservedWorkload
) -> None:
    if report.revision != 1:
        assert decide_observed(a_record(wanted, status), report) == Unchanged()


@given(st.sampled_from(DesiredPhase), st.sampled_from(WorkloadStatus), _REPORTS)
def test_a_report_taken_twice_changes_nothing_the_second_time(
    wanted: DesiredPhase, status: WorkloadStatus, report: ObservedWorkload
) -> None:
    first = decide_observed(a_record(wanted, status), report)
    if isinstance(first, Changed):
        assert decide_observed(first.record, report) == Unchanged()
        assert first.record.desired == a_record(wanted).desired
