"""What a proxy loses of what a server passes directly. Pure: results in, losses out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Allowance", "BadAllowanceError", "Check", "Loss", "Scores", "losses", "read_allowances", "unexplained"]

_PASSED = "SUCCESS"
_FAILED = "FAILURE"
_SILENT = frozenset({"INFO", "SKIPPED"})
"""Notes of the suite, and checks that it did not make."""


@dataclass(frozen=True)
class Check:
    """One verdict of the suite."""

    name: str
    """Its id, the same in every run."""
    status: str
    """SUCCESS, FAILURE, WARNING, SKIPPED or INFO."""
    message: str = ""
    """Why it is not SUCCESS, where the suite says so."""


@dataclass(frozen=True)
class Scores:
    """One run of the suite: what was checked in each scenario."""

    scenarios: Mapping[str, tuple[Check, ...]]
    unscored: frozenset[str] = frozenset()
    """Scenarios that the suite runs and does not count."""

    def passed(self, scenario: str) -> bool:
        """Whether something succeeded in it and nothing failed."""
        statuses = {check.status for check in self.scenarios.get(scenario, ())}
        return _PASSED in statuses and _FAILED not in statuses

    def passed_checks(self, scenario: str) -> frozenset[str]:
        """Names of its checks that succeeded each time they were made."""
        checks = [check for check in self.scenarios.get(scenario, ()) if check.status not in _SILENT]
        spoiled = {check.name for check in checks if check.status != _PASSED}
        return frozenset(check.name for check in checks) - spoiled

    @property
    def required(self) -> tuple[str, ...]:
        """Scenarios that count."""
        return tuple(name for name in self.scenarios if name not in self.unscored)

    @property
    def passed_required(self) -> int:
        """How many of them pass."""
        return sum(self.passed(name) for name in self.required)

    @property
    def passed_unscored(self) -> int:
        """How many pass of those that do not count."""
        return sum(self.passed(name) for name in self.unscored)


@dataclass(frozen=True, order=True)
class Loss:
    """One thing that a server passes directly and not through the proxy."""

    scenario: str
    check: str = ""
    """Empty = the scenario as a whole."""
    found: str = ""
    """What the suite said through the proxy."""

    @property
    def key(self) -> str:
        """As a line of the list of expected failures spells it."""
        return f"{self.scenario}:{self.check}" if self.check else self.scenario


def losses(direct: Scores, through: Scores) -> tuple[Loss, ...]:
    """All that is lost, sorted; unscored scenarios count like the others, for their users rely on them as well."""
    whole = [
        Loss(scenario, found=_verdict(through, scenario))
        for scenario in direct.scenarios
        if direct.passed(scenario) and not through.passed(scenario)
    ]
    parts = [
        Loss(scenario, check, _said(through, scenario, check))
        for scenario in direct.scenarios
        for check in direct.passed_checks(scenario) - through.passed_checks(scenario)
    ]
    return tuple(sorted([*whole, *parts]))


def _verdict(scores: Scores, scenario: str) -> str:
    if scenario not in scores.scenarios:
        return "not run"
    failed = [check for check in scores.scenarios[scenario] if check.status == _FAILED]
    return f"{len(failed)} failed" if failed else "no verdict"


def _said(scores: Scores, scenario: str, name: str) -> str:
    found = [check for check in scores.scenarios.get(scenario, ()) if check.name == name and check.status != _PASSED]
    return f"{found[0].status}: {found[0].message}" if found else "not checked"


@dataclass(frozen=True)
class Allowance:
    """One line of the list of expected failures."""

    case: str
    """Which run, as its test is named."""
    loss: str
    """`Loss.key`."""
    reason: str


class BadAllowanceError(ValueError):
    """A line of the list that says less than it must."""


def read_allowances(text: str) -> tuple[Allowance, ...]:
    """Read lines ``CASE LOSS  # reason``; empty lines and lines of comment only do not count.

    Raises
    ------
    BadAllowanceError
        A line without a reason, or without one of the other parts.
    """
    return tuple(_allowance(line) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def _allowance(line: str) -> Allowance:
    facts, _, reason = line.partition("#")
    parts = facts.split()
    if len(parts) != 2 or not reason.strip():  # case and loss
        raise BadAllowanceError(f"{line!r}: write CASE SCENARIO[:CHECK]  # and why the server itself fails it")
    case, loss = parts
    return Allowance(case, loss, reason.strip())


def unexplained(
    case: str, lost: Iterable[Loss], allowances: Iterable[Allowance]
) -> tuple[tuple[Loss, ...], tuple[Allowance, ...]]:
    """Losses that no line explains, and lines of this case that explain nothing any more."""
    lost = tuple(lost)
    ours = [allowance for allowance in allowances if allowance.case == case]
    explained = {allowance.loss for allowance in ours}
    keys = {loss.key for loss in lost}
    open_losses = tuple(loss for loss in lost if loss.key not in explained)
    return open_losses, tuple(allowance for allowance in ours if allowance.loss not in keys)
