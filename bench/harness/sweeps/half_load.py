"""Latency at half of the load that a target can bear: what a user feels, where the table shows what breaks first."""

from collections.abc import Mapping, Sequence
from functools import partial

from bench.harness.load import Measured, measure
from bench.harness.settings import Settings
from bench.harness.sweeps.section import CONNECTIONS, Section, found, interleaved, wrong
from bench.harness.table import Row
from bench.harness.targets import toolhive
from bench.harness.targets.base import HTTP_TO_HTTP, HTTP_TO_SSE, HTTP_TO_STDIO, Target

__all__ = ["sweep_half_load"]

_PATHS = (HTTP_TO_HTTP, HTTP_TO_SSE, HTTP_TO_STDIO)


def sweep_half_load(
    targets: Sequence[Target], table: Sequence[Row], settings: Settings
) -> tuple[Section, Mapping[Target, float]]:
    """Call at a fixed rate, half of what ours bears over as many connections, whatever the answers take.

    Parameters
    ----------
    table : sequence of Row
        Tells what each target bears.

    Returns
    -------
    Section
        Of the report.
    mapping of Target to float
        Seconds that ours adds to the 99th percentile of no proxy at the same rate.
    """
    rows, added = [], {}
    bad: list[str] = []
    for path in _PATHS:
        for ours in found(targets, path, toolhive.NAME):
            rate = _most(ours, table) / 2
            others = found(targets, path, "direct", "nginx")
            seen = interleaved([*others, ours], settings.rounds, partial(_measure, rate=rate, settings=settings))
            direct = next((one for target, one in seen.items() if target.name.startswith("direct")), None)
            for target, one in seen.items():
                bad += wrong(f"{path}, {target.name}, {rate:.0f} calls/s", one)
                more = one.p99 - direct.p99 if direct else 0.0
                if target is ours and direct:
                    added[target] = more
                rows.append(
                    (path, target.name, f"{rate:.0f}", f"{one.rate:.0f}", f"{one.p50 * 1e3:.2f}",
                     f"{one.p99 * 1e3:.2f}", f"{more * 1e3:.2f}", str(one.errors))
                )  # fmt: skip
    head = ("path", "target", "calls/s due", "calls/s", "p50 ms", "p99 ms", "p99 added ms", "errors")
    text = (
        f"{CONNECTIONS} connections. A call that waits for the one before it counts from when it was due, so that a "
        "stall is not measured as fewer calls."
    )
    return Section("Latency at half of the load", text, head, rows, (), bad), added


def _most(target: Target, table: Sequence[Row]) -> float:
    """Calls a second over the connections of this sweep, or over the most that were measured below them."""
    rates = {
        row.connections: row.measured.rate for row in table if (row.path, row.name) == (target.path, target.name)
    }
    return rates[max((count for count in rates if count <= CONNECTIONS), default=min(rates))]


def _measure(target: Target, *, rate: float, settings: Settings) -> Measured:
    return measure(
        target,
        connections=CONNECTIONS,
        seconds=settings.seconds,
        warm_up=settings.warm_up,
        extra=("-rate", f"{rate:.1f}"),
    )
