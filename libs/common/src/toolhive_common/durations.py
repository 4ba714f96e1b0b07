"""Durations as Go writes them, which ToolHive's files hold: ``300ms``, ``1.5h``, ``2h45m``."""

import re

__all__ = ["parse_duration"]

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Read a duration.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    ValueError
        The text is no duration; the message says what one looks like.
    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text[:40]!r} is no duration; write it as in '30s', '15m' or '2h30m'")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
