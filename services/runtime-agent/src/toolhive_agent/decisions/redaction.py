"""Keep what users put into a server's environment out of what is told about the server."""

from collections.abc import Iterable, Sequence

__all__ = ["redacted"]

_SHORTEST = 6
"""A shorter value is no secret, and would blot out common words."""


def redacted(lines: Sequence[str], values: Iterable[str]) -> tuple[str, ...]:
    """Replace each value of the environment that a line repeats."""
    hidden = sorted({value for value in values if len(value) >= _SHORTEST}, key=len, reverse=True)
    told = []
    for line in lines:
        for value in hidden:
            line = line.replace(value, "***")  # noqa: PLW2901  # one replacement after the other
        told.append(line)
    return tuple(told)
