"""What can be chosen about a run, from the environment."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CACHE", "LABEL", "ROOT", "Settings", "backend_image", "settings_from"]

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache/bench"
"""Where `bench/prepare` puts programs."""
LABEL = "toolhive-bench"
"""Of every container of the benchmark, and the name of its agent."""


@dataclass(frozen=True)
class Settings:
    """One run.

    Attributes
    ----------
    quick : bool
        Only whether everything answers; the figures mean nothing, and nothing is kept.
    first_port : int
        The first of about twenty ports that are used.
    connections : sequence of int
        Clients at once, a row of the table each.
    rounds : int
        Times that everything is measured; the median counts.
    seconds, warm_up : float
        Length of one measurement, and of what is called before it.
    only : sequence of str
        Parts of names; with them only the rows whose path or target holds one are measured.
    sweeps : bool
        Whether to sweep sizes, sessions and middleware too.
    """

    quick: bool
    first_port: int
    connections: Sequence[int]
    rounds: int
    seconds: float
    warm_up: float
    only: Sequence[str]
    sweeps: bool


def backend_image() -> str:
    """Name of the image that `bench/prepare` built from this checkout; its tag is the fingerprint of its source."""
    return f"toolhive-bench-backend:{(CACHE / 'backend.done').read_text().strip()}"


def settings_from(environment: "os._Environ[str] | dict[str, str]") -> Settings:
    """Read ``QUICK`` and the variables ``BENCH_<NAME>``."""
    quick = environment.get("QUICK", "") not in ("", "0")
    connections = environment.get("BENCH_CONNECTIONS", "1,4" if quick else "1,16,256")
    return Settings(
        quick=quick,
        first_port=int(environment.get("BENCH_PORT", "21800")),
        connections=tuple(int(count) for count in connections.split(",")),
        rounds=int(environment.get("BENCH_ROUNDS", "1" if quick else "3")),
        seconds=float(environment.get("BENCH_SECONDS", "0.3" if quick else "3")),
        warm_up=float(environment.get("BENCH_WARM_UP", "0.1" if quick else "0.5")),
        only=tuple(filter(None, environment.get("BENCH_ONLY", "").split(","))),
        sweeps=environment.get("BENCH_SWEEPS", "1") not in ("", "0"),
    )
