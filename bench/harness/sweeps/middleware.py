"""Ever more middleware on one server, switched on as users do: by flags of ``thv run``."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bench.harness.growth import line_through
from bench.harness.load import Measured, measure
from bench.harness.processes import BenchError
from bench.harness.settings import Settings
from bench.harness.sweeps.section import CONNECTIONS, Section, found, interleaved, wrong
from bench.harness.targets import toolhive
from bench.harness.targets.base import HTTP_TO_HTTP, Target

__all__ = ["STEPS", "sweep_middleware"]

STEPS: Sequence[tuple[str, Sequence[str]]] = (
    ("default chain", ()),
    ("tool filter", ("--tools", "answer")),
    ("header forward", ("--remote-forward-headers", "X-Bench=1")),
    ("list of origins", ("--allowed-origins", "https://bench.example")),
    ("strict protocol validation", ("--strict-protocol-validation",)),
)
"""What is switched on one after the other, each with all before it. A flag that this version refuses ends up in the
report as missing; a new gate gets a line here."""


def sweep_middleware(targets: Sequence[Target], product: toolhive.Product, settings: Settings) -> Section:
    """Run one server for each step, and call them in turns."""
    ours = found(targets, HTTP_TO_HTTP, toolhive.NAME)
    steps: list[tuple[str, Target]] = []
    flags: list[str] = []
    says = []
    for name, more in STEPS if ours else ():
        workload = f"bench-gates-{len(steps)}"
        try:
            product.run(workload, "streamable-http", *flags, *more)
        except BenchError as refusal:
            says.append(f"Not measured: {name}. {str(refusal).splitlines()[0].removeprefix('thv run ')}")
            continue
        flags += more
        steps.append((name, replace(ours[0], name=workload, url=product.url(workload))))
    seen = interleaved([target for _, target in steps], settings.rounds, partial(_measure, settings=settings))
    rows = []
    bad: list[str] = []
    for number, (name, target) in enumerate(steps):
        one = seen[target]
        bad += wrong(f"middleware: {name}", one)
        rows.append(
            (str(number), ("+ " if number else "") + name, f"{one.rate:.0f}", f"{one.p50 * 1e3:.3f}",
             f"{one.p99 * 1e3:.2f}", f"{one.cpu * 1e6:.0f}", str(one.errors))
        )  # fmt: skip
    if len(steps) > 1:
        line = line_through([(float(number), seen[target].cpu * 1e6) for number, (_, target) in enumerate(steps)])
        says.insert(0, f"Each one more takes {line.slope:.1f} µs of processor time for a call (fit {line.fit:.2f}).")
    head = ("switched on", "the last of them", "calls/s", "p50 ms", "p99 ms", "CPU µs/call", "errors")
    text = (
        f"{CONNECTIONS} connections, HTTP → HTTP. Each row has all that the rows before it have; the first is what a "
        "user gets who asks for nothing."
    )
    return Section("What grows with the number of middlewares", text, head, rows, says, bad)


def _measure(target: Target, *, settings: Settings) -> Measured:
    return measure(target, connections=CONNECTIONS, seconds=settings.seconds, warm_up=settings.warm_up)
