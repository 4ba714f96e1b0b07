import os
import subprocess
import sys

import pytest
from bench.harness.settings import ROOT
from bench.harness.targets.catalogue import CATALOGUE

HEADINGS = (
    "All targets",
    "Goals",
    "Latency at half",
    "size of messages",
    "number of sessions",
    "middlewares",
    "limit",
)


@pytest.mark.engine
@pytest.mark.wire
@pytest.mark.timeout(400)
def test_every_target_answers_rightly_on_every_path() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.harness"],
        cwd=ROOT,
        env={**os.environ, "QUICK": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=380,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    for heading in HEADINGS:
        assert heading in done.stdout
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in _first_table(done.stdout)]
    for entry in CATALOGUE:
        own = [row for row in rows if row[0] == entry.path and row[1].startswith(entry.name)]
        assert own, f"no row of {entry.path}, {entry.name}"
        for row in own:
            assert float(row[3]) > 0, row
            assert row[6] == "0", row


def _first_table(text: str) -> list[str]:
    table = text.partition("### Goals")[0]
    return [line for line in table.splitlines() if line.startswith("|")][2:]
