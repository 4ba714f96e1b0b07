"""Sizes of answers and of calls, from 200 bytes to a mebibyte."""

from collections.abc import Sequence
from functools import partial

from bench.harness.growth import line_through
from bench.harness.load import Measured, measure
from bench.harness.settings import Settings
from bench.harness.sweeps.section import CONNECTIONS, Section, found, interleaved, wrong
from bench.harness.targets import toolhive
from bench.harness.targets.base import HTTP_TO_HTTP, HTTP_TO_STDIO, Target

__all__ = ["sweep_sizes"]

_SIZES = (200, 1 << 10, 10 << 10, 100 << 10, 1 << 20)
_QUICK = (200, 100 << 10)
_FLAGS = {"answer": "-answer", "call": "-argument"}
_KIB = 1 << 10


def sweep_sizes(targets: Sequence[Target], settings: Settings) -> Section:
    """Vary the text of the answer, then the text of the call; the other stays as in the table."""
    chosen = [
        *found(targets, HTTP_TO_HTTP, "direct", "nginx", toolhive.NAME),
        *found(targets, HTTP_TO_STDIO, toolhive.NAME),
    ]
    sizes = _QUICK if settings.quick else _SIZES
    rows, says = [], []
    bad: list[str] = []
    for what in _FLAGS:
        points: dict[Target, list[tuple[float, float]]] = {target: [] for target in chosen}
        for size in sizes:
            seen = interleaved(chosen, settings.rounds, partial(_measure, what=what, size=size, settings=settings))
            for target, one in seen.items():
                title = f"{target.path}, {target.name}, {what} of {size} bytes"
                bad += wrong(title, one)
                if one.rate:
                    points[target].append((size / _KIB, 1e6 / one.rate))
                rate = f"{one.rate:.0f}", f"{one.rate * size / (1 << 20):.0f}"
                times = f"{one.p50 * 1e3:.2f}", f"{one.p99 * 1e3:.2f}"
                rows.append((what, _size(size), target.path, target.name, *rate, *times, str(one.errors)))
        for target, seen_points in points.items():
            if len(seen_points) > 1:
                line = line_through(seen_points)
                says.append(
                    f"{target.path}, {target.name}: a call takes {max(line.start, 0):.0f} µs of the machine, "
                    f"and {line.slope:.2f} µs more for each KiB of the {what} (fit {line.fit:.2f})."
                )
    head = ("of the", "size", "path", "target", "calls/s", "MiB/s", "p50 ms", "p99 ms", "errors")
    text = f"{CONNECTIONS} connections. What a call takes of the machine is one second by calls/s."
    return Section("What grows with the size of messages", text, head, rows, says, bad)


def _measure(target: Target, *, what: str, size: int, settings: Settings) -> Measured:
    return measure(
        target,
        connections=CONNECTIONS,
        seconds=settings.seconds,
        warm_up=settings.warm_up,
        extra=(_FLAGS[what], str(size)),
    )


def _size(size: int) -> str:
    return f"{size} B" if size < _KIB else f"{size // _KIB} KiB"
