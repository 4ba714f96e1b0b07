"""What a sweep gives to the report, and what all sweeps share."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.harness.load import Measured, median_of
from bench.harness.targets.base import Target

__all__ = ["CONNECTIONS", "Section", "found", "interleaved", "wrong"]

CONNECTIONS = 16
"""Clients at once in all sweeps."""

_T = TypeVar("_T", bound=Hashable)


@dataclass(frozen=True)
class Section:
    """A part of the report: a table, and under it what it says. ``wrong`` are rows without right answers."""

    title: str
    text: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    says: Sequence[str] = ()
    wrong: Sequence[str] = ()


def found(targets: Sequence[Target], path: str, *names: str) -> Sequence[Target]:
    """Targets of a path whose names begin so, in the order of the names; those that do not run are left out."""
    return [
        target
        for name in names
        for target in targets
        if target.path == path
        and (target.name == name or target.name.startswith((f"{name} (", f"{name}, over", f"{name}, attached")))
    ]


def interleaved(things: Sequence[_T], rounds: int, measure: Callable[[_T], Measured]) -> dict[_T, Measured]:
    """Measure all things once a round, and give the medians."""
    seen: dict[_T, list[Measured]] = {thing: [] for thing in things}
    for number in range(rounds):
        turn = number % len(things)
        for thing in [*things[turn:], *things[:turn]]:
            seen[thing].append(measure(thing))
    return {thing: median_of(measured) for thing, measured in seen.items()}


def wrong(title: str, measured: Measured) -> Sequence[str]:
    """Say what is wrong with a row, if anything is."""
    if not measured.errors and measured.rate:
        return ()
    return (f"{title}: {measured.errors} errors, such as: {measured.first_error}",)
