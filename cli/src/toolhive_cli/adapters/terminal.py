"""The terminal: results on standard output, everything else on standard error."""

import os
import sys
from types import TracebackType
from typing import Protocol, Self

import click

from toolhive_cli.presentation.stages import stage_title

__all__ = ["PlainNarrator", "Screen", "debug_line", "notice", "open_screen"]


class Screen(Protocol):
    """Shows how a long step goes, and its results."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take away what shall not stay."""

    def stage(self, name: str, detail: str = "", fraction: float | None = None) -> None:
        """Say what is being done: a stage, the step in it, and the share (0 to 1) that is done, if known."""

    def result(self, text: str, *, failed: bool = False) -> None:
        """Print a line that stays."""


class PlainNarrator:
    """For logs and pipes: one line for each stage, no more."""

    def __init__(self) -> None:
        self._stage = ""

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Nothing to take away."""

    def stage(self, name: str, detail: str = "", fraction: float | None = None) -> None:  # noqa: ARG002
        """Print the stage when it is a new one."""
        if name != self._stage:
            self._stage = name
            notice(f"{stage_title(name)}: {detail}" if detail else stage_title(name))

    def result(self, text: str, *, failed: bool = False) -> None:
        """Print a line: a failure among the errors."""
        click.echo(text, err=failed)


def open_screen(*, debug: bool) -> Screen:
    """Choose how to show progress: moving on a terminal, else in plain lines."""
    if debug or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return PlainNarrator()
    from toolhive_cli.adapters.live_narrator import LiveNarrator  # noqa: PLC0415  # rich takes 60 ms to import

    return LiveNarrator()


def notice(text: str) -> None:
    """Tell something that is no result."""
    click.echo(text, err=True)


def debug_line(text: str) -> None:
    """Tell what is being done, for ``--debug``."""
    click.echo(f"debug: {text}", err=True)
