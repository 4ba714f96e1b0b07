"""The one table: every target on every path at every number of connections, interleaved."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.harness.load import Measured, measure, median_of
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
        Row(target.path, target.name, connections, median_of(seen[target, connections]))
        for target in targets
        for connections in settings.connections
    ]
