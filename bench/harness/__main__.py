"""``python -m bench.harness``; `make bench` prepares and runs it."""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.harness.processes import BenchError
from bench.harness.progress import say
from bench.harness.report import main_table
from bench.harness.settings import Settings, settings_from
from bench.harness.table import measured_rows
from bench.harness.targets import toolhive
from bench.harness.targets.base import NotHereError, Stage, Target
from bench.harness.targets.catalogue import CATALOGUE


def main() -> int:
    """Run the benchmark."""
    settings = settings_from(os.environ)
    with tempfile.TemporaryDirectory(prefix="toolhive-bench-") as name, ExitStack() as stack:
        say("starting NATS, the services and the servers")
        product = stack.enter_context(toolhive.serving(settings, Path(name)))
        targets, missing = _started(settings, product.stage(), stack)
        rows = measured_rows(targets, settings)
        print(main_table(rows))
        for line in missing:
            print(f"not measured: {line}")
    wrong = [row for row in rows if row.measured.errors or not row.measured.rate]
    for row in wrong:
        title = f"{row.path}, {row.name}, {row.connections} connections"
        print(f"{title}: {row.measured.errors} errors, such as {row.measured.first_error}")
    return 1 if wrong else 0


def _started(settings: Settings, stage: Stage, stack: ExitStack) -> tuple[list[Target], list[str]]:
    """Start every target that is wanted; those that cannot be had are told of with the reason."""
    targets, missing = [], []
    for entry in CATALOGUE:
        title = f"{entry.path}, {entry.name}"
        if settings.only and not any(part in title for part in settings.only):
            continue
        try:
            targets.append(stack.enter_context(entry.start(stage)))
            say(f"started {title}")
        except NotHereError as error:
            missing.append(f"{title}: {error}")
    return targets, missing


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"error: {error}")
