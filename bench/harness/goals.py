"""What we want to reach, beside what was measured. A goal that is missed is told, and fails nothing."""

from collections.abc import Mapping, Sequence

from bench.harness.sweeps.section import Section
from bench.harness.table import Row
from bench.harness.targets import toolhive
from bench.harness.targets.base import HTTP_TO_HTTP, HTTP_TO_STDIO, Target

__all__ = ["compare_with_goals"]

_AT = 16


def compare_with_goals(
    rows: Sequence[Row], added: Mapping[Target, float], memory: Mapping[str, int], commands: Mapping[str, float]
) -> Section:
    """Join the goals with the figures of this run.

    Parameters
    ----------
    rows : sequence of Row
        The table.
    added : mapping of Target to float
        Seconds that ours adds to the 99th percentile at half of the load.
    memory : mapping of str to int
        Bytes of resident memory of our processes, after all load.
    commands : mapping of str to float
        Seconds by command line.
    """
    lines: list[Sequence[str]] = []

    def at_least(what: str, goal: float, measured: float | None, unit: str) -> None:
        lines.append(_line(what, f"≥ {goal:g} {unit}", measured, unit, ratio=measured / goal if measured else None))

    def at_most(what: str, goal: float, measured: float | None, unit: str) -> None:
        lines.append(_line(what, f"≤ {goal:g} {unit}", measured, unit, ratio=measured / goal if measured else None))

    ours, nginx = (_rate(rows, HTTP_TO_HTTP, name) for name in (toolhive.NAME, "nginx"))
    at_least(f"HTTP → HTTP at {_AT} connections", 0.8, ours / nginx if ours and nginx else None, "of nginx")
    at_least(f"stdio at {_AT}, attached", 12_000, _rate(rows, HTTP_TO_STDIO, f"{toolhive.NAME}, attached"), "calls/s")
    at_least(
        f"stdio at {_AT}, over NATS", 8_000, _rate(rows, HTTP_TO_STDIO, f"{toolhive.NAME}, over NATS"), "calls/s"
    )
    for target, seconds in added.items():
        at_most(f"p99 added at half load, {target.path}", 1, seconds * 1e3, "ms")
    at_most("memory of the proxy's process, after all load", 45, memory.get("proxy", 0) / 1e6, "MB")
    for command, goal in (("thv version", 100), ("thv list", 200)):
        at_most(command, goal, commands[command] * 1e3 if command in commands else None, "ms")
    others = ", ".join(f"{name} {held / 1e6:.0f} MB" for name, held in memory.items() if name != "proxy")
    head = ("what", "goal", "measured", "measured ÷ goal")
    return Section("Goals", f"Memory of our other processes, after all load: {others}.", head, lines)


def _line(what: str, goal: str, measured: float | None, unit: str, *, ratio: float | None) -> Sequence[str]:
    if measured is None or ratio is None:
        return (what, goal, "not measured", "-")
    return (
        what,
        goal,
        f"{measured:.2f} {unit}" if measured < 10 else f"{measured:.0f} {unit}",
        f"{max(ratio, 0):.2f}",
    )


def _rate(rows: Sequence[Row], path: str, name: str) -> float | None:
    found = (row.measured.rate for row in rows if (row.path, row.name, row.connections) == (path, name, _AT))
    return next(found, None)
