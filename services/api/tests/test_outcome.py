import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_api.decisions.outcome import NEVER_STARTED, NeverStarted, Progressing, decide_outcome
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.state import ObservedPhase
from toolhive_common.testing.factories import an_observed


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (ObservedPhase.PREPARING, Progressing.WAIT),
        (ObservedPhase.STARTING, Progressing.SETTLING),
        *((phase, Progressing.MADE) for phase in list(ObservedPhase)[2:]),
    ],
)
def test_each_phase_has_its_outcome(phase: ObservedPhase, expected: Progressing) -> None:
    assert decide_outcome(an_observed(phase=phase), 1) is expected


@pytest.mark.parametrize("code", [ErrorCode.INVALID_REQUEST, ErrorCode.UNSUPPORTED_SETTING])
def test_what_the_agent_finds_wrong_in_a_request_refuses_it(code: ErrorCode) -> None:
    assert isinstance(decide_outcome(an_observed(phase=ObservedPhase.ERROR, code=code), 1), NeverStarted)


@pytest.mark.parametrize("code", [None, *ErrorCode])
def test_only_causes_that_leave_nothing_behind_refuse_a_workload(code: ErrorCode | None) -> None:
    outcome = decide_outcome(an_observed(phase=ObservedPhase.ERROR, code=code, reason="so"), 1)
    assert isinstance(outcome, NeverStarted) == (code in NEVER_STARTED)


def test_nothing_known_means_wait() -> None:
    assert decide_outcome(None, 1) is Progressing.WAIT


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(ObservedPhase))
def test_reports_on_other_revisions_never_refuse(revision: int, observed: int, phase: ObservedPhase) -> None:
    outcome = decide_outcome(an_observed(revision=observed, phase=phase, code=ErrorCode.IMAGE_NOT_FOUND), revision)
    if observed < revision:
        assert outcome is Progressing.WAIT
    if observed > revision:
        assert outcome is Progressing.MADE
