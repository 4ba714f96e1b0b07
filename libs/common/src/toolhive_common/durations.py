"""Durations as Go writes them: ``2h``, ``1h30m``, ``250ms``."""

import re
from datetime import timedelta

__all__ = ["parse_duration"]

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_LONGEST = 64


def parse_duration(text: str) -> timedelta:
    """Read a duration that is not negative.

    Raises
    ------
    ValueError
        It is none.
    """
    if text == "0":
        return timedelta()
    if len(text) > _LONGEST or not _WHOLE.fullmatch(text):
        raise ValueError("not a duration such as 2h or 1h30m")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))
    except OverflowError as error:
        raise ValueError("too long a duration") from error
