"""Progress that moves, drawn with rich."""

import time
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from toolhive_cli.presentation.stages import stage_title

__all__ = ["LiveNarrator"]

_WORTH_TELLING = 1.0
"""Seconds; shorter stages leave no line behind."""


class LiveNarrator:
    """For terminals: the current stage moves, those that took a while leave a line."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn("line"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn(
                "{task.fields[detail]}",
                markup=False,
                style="dim",
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            expand=True,
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._stage = ""
        self._task: TaskID | None = None
        self._since = 0.0

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Take away what moves."""
        self._leave_line()
        self._progress.stop()

    def stage(self, name: str, detail: str = "", fraction: float | None = None) -> None:
        """Draw the stage, its detail and its bar."""
        if name != self._stage or self._task is None:
            self._leave_line()
            self._stage, self._since = name, time.monotonic()
            self._task = self._progress.add_task(stage_title(name), total=None, detail="")
        self._progress.update(
            self._task,
            detail=" ".join(detail.split()),
            total=None if fraction is None else 1.0,
            completed=fraction or 0.0,
        )

    def result(self, text: str, *, failed: bool = False) -> None:
        """Print a line above what moves."""
        self._progress.stop()
        click.echo(text, err=failed)
        self._progress.start()

    def _leave_line(self) -> None:
        if self._task is None:
            return
        took = time.monotonic() - self._since
        self._progress.remove_task(self._task)
        self._task = None
        if took >= _WORTH_TELLING:
            self._progress.console.print(Text(f"{stage_title(self._stage)}: {took:.0f} s", style="dim"))
