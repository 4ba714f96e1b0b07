import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.harness.processes import running, usage

BUSY = (
    "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint('done', flush=True)\n"
)


def test_what_a_child_used_counts_though_it_has_ended(tmp_path: Path) -> None:
    script = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\ntime.sleep(60)\n"
    log = tmp_path / "log"
    with running([sys.executable, "-c", script], log) as pid:
        before = usage([pid])
        _until_done(log)
        used = usage([pid])
        while used.cpu_since(before) < 0.3 and usage([pid]).rss:
            used = usage([pid])  # until its parent has waited for it
    assert used.cpu_since(before) >= 0.3
    assert used.rss > 0


def test_a_program_takes_its_children_along_when_it_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["sh", "-c", "sleep 300 & echo $!; echo done; exec sleep 300"]
    with running(command, log):
        _until_done(log)
        child = int(log.read_text().split()[0])
        assert _lives(child)
    _until(lambda: not _lives(child))  # a signal is sent at once, and acted on a moment later


def _until_done(log: Path) -> None:
    _until(lambda: "done" in (log.read_text() if log.exists() else ""))


def _until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
