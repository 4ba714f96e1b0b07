"""``python -m bench.harness``; `make bench` prepares and runs it."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.harness.command_line import seconds_of
from bench.harness.generator import compare_with_wrk
from bench.harness.goals import compare_with_goals
from bench.harness.machine import conditions
from bench.harness.processes import BenchError, usage
from bench.harness.progress import say
from bench.harness.report import keep, main_section, section_text
from bench.harness.settings import ROOT, Settings, settings_from
from bench.harness.sweeps.half_load import sweep_half_load
from bench.harness.sweeps.middleware import sweep_middleware
from bench.harness.sweeps.section import Section, wrong
from bench.harness.sweeps.sessions import sweep_sessions
from bench.harness.sweeps.sizes import sweep_sizes
from bench.harness.table import Row, measured_rows
from bench.harness.targets import toolhive
from bench.harness.targets.base import NotHereError, Stage, Target
from bench.harness.targets.catalogue import CATALOGUE

HOW = """\
Every target answers the same `tools/call` of 200 bytes of text, of the same servers (`bench/backends`, Go), which run
in containers; the load (`bench/load`, Go) reads every answer whole and compares its id. Load, targets and servers
share the machine. Ours are the real services as plain processes with a real nats-server, so that no published port
stands between, with the default middleware and all settings but one as they come: it admits 20,000 sessions. nginx
forwards to the same containers. mcp-proxy and supergateway bridge from and to stdio only: between two of HTTP stand
two of them. supergateway starts its command once for each session, so its connections share 16 sessions. RSS and CPU
are of the target's own processes and of the containers that it bridges; the engine's share is not in them.

How to measure anew: `make bench`, on a machine that does nothing else."""


def main() -> int:
    """Run the benchmark."""
    settings = settings_from(os.environ)
    with tempfile.TemporaryDirectory(prefix="toolhive-bench-") as name, ExitStack() as stack:
        say("starting NATS, the services and the servers")
        product = stack.enter_context(toolhive.serving(settings, Path(name)))
        targets, missing = _started(settings, product.stage(), stack)
        rows = measured_rows(targets, settings)
        sections = [main_section(rows, missing, settings)]
        print(section_text(sections[0]), flush=True)
        for section in _sweeps(targets, rows, product, settings) if settings.sweeps else ():
            sections.append(section)
            print(f"\n{section_text(section)}", flush=True)
    body = "\n\n".join(section_text(section) for section in sections)
    problems = [line for row in rows for line in wrong(f"{row.path}, {row.name}, {row.connections}", row.measured)]
    problems += [line for section in sections for line in section.wrong]
    for line in problems:
        print(f"WRONG: {line}")
    if not settings.quick and not settings.only:
        head = "\n".join(f"- {line}" for line in conditions())
        keep(ROOT / "bench/RESULTS.md", f"## The proxy beside its peers\n\n{head}\n\n{HOW}\n\n{body}")
        say("written: bench/RESULTS.md")
    return 1 if problems else 0


def _started(settings: Settings, stage: Stage, stack: ExitStack) -> tuple[list[Target], list[str]]:
    """Start every target that is wanted; those that cannot be had are told of with the reason."""
    targets, missing = [], []
    for entry in CATALOGUE:
        title = f"{entry.path}, {entry.name}"
        if settings.only and not any(part in title for part in settings.only):
            continue
        try:
            targets.append(stack.enter_context(entry.start(stage)))
        except NotHereError as error:
            missing.append(f"{title}: {error}")
    return targets, missing


def _sweeps(
    targets: Sequence[Target], rows: Sequence[Row], product: toolhive.Product, settings: Settings
) -> Iterator[Section]:
    """All that is measured beside the table, each told as soon as it is there.

    The sweep of sessions comes last, for it leaves the most behind.
    """
    say("half load")
    half, added = sweep_half_load(targets, rows, settings)
    memory = {name: usage([pid]).rss for name, pid in product.pids.items()}
    say("commands")
    commands = {f"thv {name}": seconds_of(product, settings, name) for name in ("version", "list")}
    yield compare_with_goals(rows, added, memory, commands)
    yield half
    say("load program beside wrk")
    yield compare_with_wrk(targets, settings, product.folder)
    say("sizes")
    yield sweep_sizes(targets, settings)
    say("middleware")
    yield sweep_middleware(targets, product, settings)
    say("sessions")
    yield sweep_sessions(targets, settings)


def _end_in_order(_number: int, _frame: object) -> None:
    """Being told to end is no reason to leave processes and containers behind."""
    sys.exit("error: the benchmark was told to end")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end_in_order)
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"error: {error}")
