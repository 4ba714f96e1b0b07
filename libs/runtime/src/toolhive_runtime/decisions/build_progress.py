"""Reading what an engine tells while it builds an image."""

import re
from collections.abc import Mapping
from typing import Any

from toolhive_runtime.runtime import ImageProgress

__all__ = ["BuildLog"]

_STEP = re.compile(r"\s*step (\d+)/(\d+)\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"RUN : '([^']+)'")
"""Our Dockerfiles open each command with its title as the argument of the shell's empty command."""
_VARIABLE = re.compile(r"(ENV|ARG)\s+\w+")
"""Told without its value, which may be a secret."""
_NOISE = re.compile(r"\s*(--->|Removing intermediate container|Successfully (built|tagged))|\s*$")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_KEPT_LINES = 200
_LONGEST_MESSAGE = 160


class BuildLog:
    """The story of one build so far. Feed it the engine's messages in order.

    Docker writes ``Step 2/7 : RUN …`` and Podman ``STEP 2/7: RUN …``; both are read.
    """

    def __init__(self) -> None:
        self.error = ""
        """The engine's last word when the build failed."""
        self._lines: list[str] = []
        self._step = 0
        self._steps = 0
        self._title = ""
        self._unfinished = ""

    @property
    def output(self) -> tuple[str, ...]:
        """What the build's commands wrote, oldest line first, as far as it is kept: the last 200 lines."""
        rest = self._unfinished.rstrip()
        return (*self._lines, rest) if rest and not _NOISE.match(rest) else tuple(self._lines)

    def feed(self, message: Mapping[str, Any]) -> ImageProgress | None:
        """Take one message in; returns what there is to tell, if anything."""
        error = message.get("error")
        if error:
            self.error = str(error)
            return None
        stream = message.get("stream")
        if isinstance(stream, str):
            return self._feed_text(_COLOURS.sub("", stream))
        status = message.get("status")
        return self._progress(f"base image: {status}") if isinstance(status, str) and status.strip() else None

    def _feed_text(self, text: str) -> ImageProgress | None:
        step = _STEP.fullmatch(text)
        if step is not None:
            self._step, self._steps = int(step[1]), int(step[2])
            self._unfinished = ""
            title = _TITLE.search(step[3])
            variable = _VARIABLE.match(step[3])
            self._title = title[1] if title else variable[0] if variable else " ".join(step[3].split())
            return self._progress("")
        # Commands are heard in pieces of any length.
        *whole, self._unfinished = re.split(r"[\r\n]", self._unfinished + text)
        lines = [line.rstrip() for line in whole if not _NOISE.match(line)]
        self._lines = (self._lines + lines)[-_KEPT_LINES:]
        return self._progress(lines[-1].strip()) if lines else None

    def _progress(self, detail: str) -> ImageProgress:
        message = f"step {self._step}/{self._steps}: {self._title}" if self._steps else "build"
        if detail:
            message += f": {detail}"
        # The step that runs now is not done yet.
        fraction = (self._step - 1) / self._steps if 0 < self._step <= self._steps else None
        return ImageProgress(building=True, message=" ".join(message.split())[:_LONGEST_MESSAGE], fraction=fraction)
