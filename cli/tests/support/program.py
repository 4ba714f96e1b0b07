"""The real ``thv``, started as a user starts it."""

import os
import pty
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

THV = str(Path(sys.executable).with_name("thv"))


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Done:
    """What a run of the program left."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Thv:
    """Runs ``thv`` against one API."""

    api_url: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("TOOLHIVE_", "NO_COLOR", "PYTHON"))
        }
        return {**kept, "TOOLHIVE_API_URL": self.api_url, "TZ": "UTC", "TERM": "xterm-256color", **self.more}

    def __call__(self, *arguments: str) -> Done:
        result = subprocess.run(
            [THV, *arguments], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return Done(result.returncode, result.stdout, result.stderr)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [THV, *arguments],
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A shell that runs the tests in the background lets them, and what they start, ignore Ctrl-C.
            preexec_fn=_heed_ctrl_c,  # noqa: PLW1509  # this process has no threads that hold locks here
        )

    def interrupt(self, process: "subprocess.Popen[str]") -> Done:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        return Done(process.returncode, out, err)

    def on_terminal(self, *arguments: str) -> Done:
        """Run it with a terminal as its standard output and error; all it wrote is in ``out``."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [THV, *arguments], env=self.environment, stdout=theirs, stderr=theirs, stdin=theirs
        )
        os.close(theirs)
        written = b""
        with suppress(OSError):  # the kernel's way to say that the other side is closed
            while select.select([ours], [], [], 30)[0] and (data := os.read(ours, 65536)):
                written += data
        os.close(ours)
        return Done(process.wait(timeout=30), written.decode(), "")
