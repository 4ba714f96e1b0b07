"""One measurement: the load program runs, and the target's processes are looked at before and after."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.harness.processes import BenchError, Usage, usage
from bench.harness.settings import CACHE
from bench.harness.targets.base import Target

__all__ = ["Measured", "measure", "median_of"]

_PATIENCE = 180
"""Seconds for the sessions to open: some peers start a container for each."""


@dataclass(frozen=True)
class Measured:
    """What one measurement saw.

    Attributes
    ----------
    rate : float
        Calls a second that were answered rightly.
    p50, p99 : float
        Seconds from call to answer.
    errors : int
        Calls that were not answered, or wrongly; ``first_error`` is one of them.
    cpu : float
        Seconds of processor time of the target's processes for each call.
    rss : int
        Bytes of resident memory of the target's processes, at the end of the load.
    rss_idle : int
        The same when the sessions were open and nothing was called yet.
    """

    rate: float
    p50: float
    p99: float
    errors: int
    first_error: str
    cpu: float
    rss: int
    rss_idle: int


def measure(
    target: Target,
    *,
    connections: int,
    seconds: float,
    warm_up: float,
    extra: Sequence[str] = (),
) -> Measured:
    """Put load on a target."""
    command = [
        *(str(CACHE / "load"), "-kind", target.kind, "-url", target.url, "-connections", str(connections)),
        *("-duration", f"{seconds}s", "-warm-up", f"{warm_up}s", "-sessions", str(target.sessions)),
        *(*extra, *(("--", *target.command) if target.command else ())),
    ]
    with tempfile.TemporaryFile("w+") as problems:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=problems, text=True, start_new_session=True
        )
        try:
            opened = _at(process, "open", target.pids)
            warm = _at(process, "warm", target.pids)
            result = _line(process)
            after = usage(target.pids())
            process.wait(_PATIENCE)
        except (json.JSONDecodeError, BrokenPipeError):
            process.wait(_PATIENCE)
            problems.seek(0)
            raise BenchError(f"{target.name}: {problems.read().strip()[-600:]}") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    calls = result["calls"]
    return Measured(
        rate=calls / result["seconds"],
        p50=result["p50"],
        p99=result["p99"],
        errors=result["errors"],
        first_error=result["first_error"],
        cpu=after.cpu_since(warm) / calls if calls else 0.0,
        rss=after.rss,
        rss_idle=opened.rss,
    )


def median_of(rounds: Sequence[Measured]) -> Measured:
    """The median of each figure of several rounds, and the errors of all."""
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


def _at(process: "subprocess.Popen[str]", phase: str, pids: Callable[[], Sequence[int]]) -> Usage:
    """Look at the target when the load program has come to a phase, and let it go on."""
    told = _line(process)
    if told.get("phase") != phase:
        raise BenchError(f"the load program tells {told}, and not that it is {phase}")
    used = usage(pids())
    assert process.stdin  # noqa: S101  # started with a pipe
    process.stdin.write("\n")
    process.stdin.flush()
    return used


def _line(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout  # noqa: S101  # started with a pipe
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told
