"""Programs that the benchmark starts and ends, and what processes use, read from ``/proc``."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

__all__ = ["BenchError", "Usage", "running", "until", "usage", "wait_for_port"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_GRACE = 10


class BenchError(Exception):
    """Something of the benchmark does not work; the text says what and where to look."""


@dataclass(frozen=True)
class Usage:
    """What processes hold and have used: bytes of resident memory, and seconds of processor time by process id."""

    rss: int
    cpu: Mapping[int, float]

    def cpu_since(self, before: "Usage") -> float:
        """Seconds used between the two; a process that is gone since counts through the parent that waited for it."""
        return sum(max(0.0, now - before.cpu.get(pid, 0.0)) for pid, now in self.cpu.items())


@contextmanager
def running(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run a program for the length of the block, in a process group of its own; gives its id."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a program and what it started: politely, then not."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Children that outlive it are still in its group.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def until(what: str, holds: Callable[[], bool], *, seconds: float = 60, log: Path | None = None) -> None:
    """Ask again until the answer is true."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            told = f"; its log ends:\n{log.read_text(errors='replace')[-2000:]}" if log else ""
            raise BenchError(f"{what}: not within {seconds:.0f} s{told}")
        time.sleep(0.05)


def wait_for_port(port: int, log: Path, host: str = "127.0.0.1") -> None:
    """Return when a program listens."""

    def listens() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((host, port)) == 0

    until(f"{log.stem} listens on {host}:{port}", listens, log=log)


def usage(roots: Iterable[int]) -> Usage:
    """What processes and all their descendants use together."""
    children: dict[int, list[int]] = {}
    seen: dict[int, _Seen] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (read := _read(folder)):
            children.setdefault(read.parent, []).append(int(folder.name))
            seen[int(folder.name)] = read
    waiting, counted = list(roots), set[int]()
    while waiting:
        pid = waiting.pop()
        if pid in seen and pid not in counted:
            counted.add(pid)
            waiting += children.get(pid, [])
    return Usage(sum(seen[pid].rss for pid in counted), {pid: seen[pid].cpu for pid in counted})


class _Seen(NamedTuple):
    parent: int
    rss: int
    cpu: float


def _read(folder: Path) -> _Seen | None:
    """Look at one process; nothing when it has just ended."""
    try:
        # The name in brackets may hold anything, brackets too.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    own_and_waited_for = sum(int(ticks) for ticks in fields[11:15])
    return _Seen(int(fields[1]), int(fields[21]) * _PAGE, own_and_waited_for / _TICKS)
