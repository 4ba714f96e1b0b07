"""Keep what users put into a server's settings out of what is told about the server."""

import re
from collections.abc import Iterable, Iterator, Sequence

from toolhive_common.schemas.runconfig import RunConfig

__all__ = ["hidden_values", "redacted"]

_SHORTEST = 6
"""A shorter value is no secret, and would blot out common words."""
_SHORTEST_ARGUMENT = 8
_SPEAKS_OF_SECRETS = re.compile(r"token|key|secret|passw|pwd|auth|bearer|credential", re.IGNORECASE)


def hidden_values(run_config: RunConfig) -> frozenset[str]:
    """Values of a workload that may be secrets: of its environments, and arguments that look like it."""
    values = [*run_config.env_vars.values(), *_secret_arguments(run_config.cmd_args)]
    if run_config.runtime_config is not None:
        values += run_config.runtime_config.runtime_env.values()
    # A value of several lines is told line by line.
    pieces = {piece.strip() for value in values for piece in (value, *value.splitlines())}
    return frozenset(piece for piece in pieces if len(piece) >= _SHORTEST)


def _secret_arguments(arguments: Sequence[str]) -> Iterator[str]:
    before = ""
    for argument in arguments:
        name, sign, value = argument.partition("=")
        option = argument.startswith("-")
        if _SPEAKS_OF_SECRETS.search(argument) and not (option and not sign):
            said = value if sign and _SPEAKS_OF_SECRETS.search(name) else argument
            # "Authorization: Bearer x" may be told whole or by its last word.
            yield from (one for one in (said, *said.split()[-1:]) if len(one) >= _SHORTEST_ARGUMENT)
        if _SPEAKS_OF_SECRETS.search(before) and not option and len(argument) >= _SHORTEST_ARGUMENT:
            yield argument
        before = argument if option and not sign else ""


def redacted(lines: Sequence[str], values: Iterable[str]) -> tuple[str, ...]:
    """Replace each of the values that a line repeats, also one that the line's end cuts off."""
    hidden = sorted(values, key=len, reverse=True)
    told = []
    for line in lines:
        for value in hidden:
            line = line.replace(value, "***")  # noqa: PLW2901  # one replacement after the other
        told.append(_without_cut_value(line, hidden))
    return tuple(told)


def _without_cut_value(line: str, hidden: Sequence[str]) -> str:
    for value in hidden:
        for length in range(len(value) - 1, _SHORTEST - 1, -1):
            if line.endswith(value[:length]):
                return line[:-length] + "***"
    return line
