"""The rule by which the proxy is judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .comparison import (
    Allowance,
    BadAllowanceError,
    Check,
    Loss,
    Scores,
    losses,
    read_allowances,
    unexplained,
)


def a_run(unscored: frozenset[str] = frozenset(), **scenarios: str) -> Scores:
    """Scenarios by name; ``a+ b-`` are checks that succeeded and failed, ``~`` warned, ``i`` said something."""
    signs = {"+": "SUCCESS", "-": "FAILURE", "~": "WARNING", "i": "INFO", "s": "SKIPPED"}
    return Scores(
        {
            name: tuple(Check(word[:-1], signs[word[-1]]) for word in checks.split())
            for name, checks in scenarios.items()
        },
        unscored,
    )


@pytest.mark.parametrize(
    ("direct", "through", "lost"),
    [
        pytest.param(a_run(ping="a+"), a_run(ping="a+"), [], id="the same"),
        pytest.param(a_run(ping="a+"), a_run(ping="a-"), ["ping", "ping:a"], id="a check fails"),
        pytest.param(a_run(ping="a+"), a_run(), ["ping", "ping:a"], id="a scenario was not run"),
        pytest.param(a_run(ping="a+"), a_run(ping="ai"), ["ping", "ping:a"], id="no verdict is no pass"),
        pytest.param(a_run(ping="a+"), a_run(ping="a+ b-"), ["ping"], id="a failure that the server does not have"),
        pytest.param(a_run(ping="a+ b+"), a_run(ping="a+"), ["ping:b"], id="a check is left out"),
        pytest.param(a_run(ping="a+ b+"), a_run(ping="a+ b~"), ["ping:b"], id="a warning instead of a success"),
        pytest.param(
            a_run(ping="a+ b-"), a_run(ping="a- b-"), ["ping:a"], id="worse in a scenario that fails anyway"
        ),
        pytest.param(a_run(ping="a-"), a_run(ping="a-"), [], id="the server fails by itself"),
        pytest.param(a_run(ping="a-"), a_run(ping="a+"), [], id="the proxy makes it better"),
        pytest.param(a_run(ping="a+ a+"), a_run(ping="a+ a-"), ["ping", "ping:a"], id="twice made, once failed"),
        pytest.param(
            a_run(frozenset({"ping"}), ping="a+"), a_run(ping="a-"), ["ping", "ping:a"], id="unscored ones count too"
        ),
        pytest.param(a_run(ping="as a+"), a_run(ping="a+ as"), [], id="skipped checks say nothing"),
    ],
)
def test_everything_that_the_server_passes_directly_must_pass_through(
    direct: Scores, through: Scores, lost: list[str]
) -> None:
    assert [loss.key for loss in losses(direct, through)] == lost


def test_a_loss_says_what_the_suite_found() -> None:
    through = Scores({"ping": (Check("a", "FAILURE", "no answer"),)})
    assert losses(a_run(ping="a+"), through) == (
        Loss("ping", "", "1 failed"),
        Loss("ping", "a", "FAILURE: no answer"),
    )


_runs = st.dictionaries(
    st.sampled_from(["one", "two", "three"]),
    st.lists(st.builds(Check, st.sampled_from("abc"), st.sampled_from(["SUCCESS", "FAILURE", "INFO"]))).map(tuple),
).map(Scores)


@given(_runs)
def test_a_run_loses_nothing_against_itself(run: Scores) -> None:
    assert losses(run, run) == ()


@given(_runs, _runs)
def test_no_loss_means_no_smaller_score(direct: Scores, through: Scores) -> None:
    if not losses(direct, through):
        assert all(through.passed(name) for name in direct.scenarios if direct.passed(name))


def test_only_required_scenarios_are_counted() -> None:
    run = a_run(frozenset({"extra"}), ping="a+", tools="a-", extra="a+")
    assert (run.passed_required, len(run.required), run.passed_unscored) == (1, 2, 1)


def test_a_line_of_expected_failures_needs_a_reason() -> None:
    text = "# head\n\ngo-stdio ping:a  # the server sends no id\n"
    assert read_allowances(text) == (Allowance("go-stdio", "ping:a", "the server sends no id"),)
    for wrong in ("go-stdio ping", "go-stdio ping #", "ping # why", "a b c # why"):
        with pytest.raises(BadAllowanceError):
            read_allowances(wrong)


def test_expected_failures_explain_losses_of_their_own_case_and_are_not_kept_for_ever() -> None:
    lost = [Loss("ping"), Loss("tools", "a")]
    lines = [Allowance("go", "ping", "why"), Allowance("go", "gone", "why"), Allowance("py", "tools:a", "why")]
    assert unexplained("go", lost, lines) == ((Loss("tools", "a"),), (lines[1],))
