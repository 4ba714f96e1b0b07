"""The one table: every target on every path at every number of connections, interleaved."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.harness.load import Measured, measure
from bench.harness.progress import say
from bench.harness.settings import Settings
from bench.harness.targets.base import Target

__all__ = ["Row", "measured_rows"]


@dataclass(frozen=True)
class Row:
    """A target at a number of connections: medians of the rounds, and all errors of all of them."""

    path: str
    name: str
    connections: int
    measured: Measured


def measured_rows(targets: Sequence[Target], settings: Settings) -> Sequence[Row]:
    """Measure everything once a round; in each round the targets of a path follow each other, in another order."""
    seen: dict[tuple[Target, int], list[Measured]] = {}
    paths = list(dict.fromkeys(target.path for target in targets))
    for number in range(settings.rounds):
        for path in paths:
            on_it = [target for target in targets if target.path == path]
            turn = number % len(on_it)
            for connections in settings.connections:
                say(f"round {number + 1} of {settings.rounds}: {path}, {connections} connections")
                for target in on_it[turn:] + on_it[:turn]:
                    one = measure(target, connections=connections, seconds=settings.seconds, warm_up=settings.warm_up)
                    seen.setdefault((target, connections), []).append(one)
    return [
        Row(target.path, target.name, connections, _together(seen[target, connections]))
        for target in targets
        for connections in settings.connections
    ]


def _together(rounds: Sequence[Measured]) -> Measured:
    """The median of each figure."""
    return Measured(
        rate=median(one.rate for one in rounds),
        p50=median(one.p50 for one in rounds),
        p99=median(one.p99 for one in rounds),
        errors=sum(one.errors for one in rounds),
        first_error=next((one.first_error for one in rounds if one.first_error), ""),
        cpu=median(one.cpu for one in rounds),
        rss=int(median(one.rss for one in rounds)),
        rss_idle=int(median(one.rss_idle for one in rounds)),
    )
