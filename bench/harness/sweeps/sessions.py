"""Sessions that are open and rest, from one to ten thousand, while a few are called."""

from collections.abc import Sequence

from bench.harness.growth import line_through
from bench.harness.load import measure
from bench.harness.progress import say
from bench.harness.settings import Settings
from bench.harness.sweeps.section import CONNECTIONS, Section, found, wrong
from bench.harness.targets import toolhive
from bench.harness.targets.base import HTTP_TO_HTTP, HTTP_TO_STDIO, Target

__all__ = ["sweep_sessions"]

_SESSIONS = (1, 10, 100, 1_000, 10_000)
_QUICK = (1, 50)


def sweep_sessions(targets: Sequence[Target], settings: Settings) -> Section:
    """Open ever more sessions; memory is read when they are open and before any call."""
    rows, says = [], []
    bad: list[str] = []
    for path in (HTTP_TO_HTTP, HTTP_TO_STDIO):
        for target in found(targets, path, toolhive.NAME):
            memory, rate = [], []
            for resting in _QUICK if settings.quick else _SESSIONS:
                say(f"{path}, {target.name}: {resting} sessions")
                one = measure(
                    target,
                    connections=CONNECTIONS,
                    seconds=settings.seconds,
                    warm_up=settings.warm_up,
                    extra=("-idle", str(resting)),
                )
                bad += wrong(f"{path}, {target.name}, {resting} sessions", one)
                memory.append((float(resting), one.rss_idle / 1024))
                rate.append((float(resting), one.rate))
                rows.append(
                    (path, target.name, str(resting), f"{one.rss_idle / (1 << 20):.1f}", f"{one.rate:.0f}",
                     f"{one.p50 * 1e3:.2f}", f"{one.p99 * 1e3:.2f}", str(one.errors))
                )  # fmt: skip
            each, last = line_through(memory), rate[-1][1] / rate[0][1] if rate[0][1] else 0
            says.append(
                f"{path}, {target.name}: each session holds {each.slope:.1f} KiB (fit {each.fit:.2f}); with the most "
                f"sessions open, calls/s are {last:.2f} of what they are with one."
            )
    head = ("path", "target", "resting sessions", "RSS MiB", "calls/s", "p50 ms", "p99 ms", "errors")
    text = (
        f"{CONNECTIONS} more sessions are called meanwhile. RSS is of all processes of the target, before the calls."
    )
    return Section("What grows with the number of sessions", text, head, rows, says, bad)
