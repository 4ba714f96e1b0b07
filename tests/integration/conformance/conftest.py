"""Scores of one run, shown as a table at its end."""

from collections.abc import Iterator

import pytest

from ..support.stack import ROOT
from .comparison import Scores
from .report import Row, as_table, write_results

_ROWS = pytest.StashKey[list[Row]]()


@pytest.fixture(scope="session")
def conformance_rows(pytestconfig: pytest.Config) -> Iterator[list[Row]]:
    """Where each case puts its scores."""
    rows: list[Row] = []
    pytestconfig.stash[_ROWS] = rows
    yield rows
    write_results(ROOT / ".cache/conformance/results.json", rows)


@pytest.fixture(scope="session")
def direct_scores() -> dict[tuple[str, str], Scores]:
    """What each server scores without a proxy, by server and revision; measured once."""
    return {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(_ROWS, [])
    if rows:
        terminalreporter.section("conformance: required scenarios passed directly and through the proxy")
        for line in as_table(rows):
            terminalreporter.write_line(line)
