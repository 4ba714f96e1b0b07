"""The list of tests that must fail because what they show is not built yet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["BadLineError", "Missing", "match_tests", "read_missing"]


@dataclass(frozen=True)
class Missing:
    """One line of the list."""

    test: str
    """``FILE::TEST``; ends in ``*`` for all that begin so."""
    reason: str

    def names(self, test: str) -> bool:
        """Whether the line is about a test."""
        return test.startswith(self.test[:-1]) if self.test.endswith("*") else test == self.test


class BadLineError(ValueError):
    """A line that says less than it must."""


def read_missing(text: str) -> tuple[Missing, ...]:
    """Read lines ``FILE::TEST  # reason``.

    Raises
    ------
    BadLineError
        A line without a test or a reason.
    """
    return tuple(_line(line) for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _line(line: str) -> Missing:
    test, _, reason = line.partition("  # ")
    if "::" not in test or not reason.strip():
        raise BadLineError(f"{line!r}: write FILE::TEST  # what is missing")
    return Missing(test.strip(), reason.strip())


def match_tests(lines: Sequence[Missing], tests: Iterable[str]) -> tuple[Mapping[str, str], tuple[Missing, ...]]:
    """Reasons by test, and lines that name none of the tests though their file was collected."""
    tests = tuple(tests)
    reasons = {test: line.reason for test in tests for line in lines if line.names(test)}
    collected = {test.partition("::")[0] for test in tests}
    ours = [line for line in lines if line.test.partition("::")[0] in collected]
    return reasons, tuple(line for line in ours if not any(line.names(test) for test in tests))
