"""How the figures are told: Markdown tables that also read well on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.harness.settings import Settings
from bench.harness.sweeps.section import Section
from bench.harness.table import Row

__all__ = ["keep", "main_section", "section_text"]

_MIB = 1 << 20
NOTHING = "-"
"""Stands where there is no figure."""
_MARK = "<!-- What follows is written by `make bench`. -->"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table with columns of even width; the first column stands left, figures stand right."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    left = {column for column in range(len(head)) if any(not _is_figure(line[column]) for line in lines[1:])}

    def laid_out(line: Sequence[str]) -> str:
        cells = (
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return f"| {' | '.join(cells)} |"

    rule = [("-" * width) if column in left else ("-" * (width - 1) + ":") for column, width in enumerate(widths)]
    return "\n".join([laid_out(lines[0]), f"| {' | '.join(rule)} |", *(laid_out(line) for line in lines[1:])])


def _is_figure(cell: str) -> bool:
    return cell == NOTHING or cell.lstrip("-")[:1].isdigit()


def section_text(section: Section) -> str:
    """One part of the report: heading, text, table, and what the table says."""
    parts = [f"### {section.title}", section.text, markdown_table(section.head, section.rows) if section.rows else ""]
    parts.append("\n".join(f"- {sentence}" for sentence in section.says))
    return "\n\n".join(part for part in parts if part)


def main_section(rows: Sequence[Row], missing: Sequence[str], settings: Settings) -> Section:
    """All rows, with how they stand to nginx and to no proxy at all at the same number of connections."""
    rates: Mapping[tuple[str, str, int], float] = {
        (row.path, row.name.split(" (")[0], row.connections): row.measured.rate for row in rows
    }

    def ratio(row: Row, other: str) -> str:
        base = rates.get((row.path, other, row.connections))
        return f"{row.measured.rate / base:.2f}" if base else NOTHING

    def used(row: Row) -> tuple[str, str]:
        if not row.measured.rss:
            return NOTHING, NOTHING
        return f"{row.measured.rss / _MIB:.0f}", f"{row.measured.cpu * 1e6:.0f}"

    head = (
        *("path", "target", "connections", "calls/s", "p50 ms", "p99 ms", "errors", "÷ direct", "÷ nginx"),
        *("RSS MiB", "CPU µs/call"),
    )
    lines = [
        (
            row.path,
            row.name,
            str(row.connections),
            f"{row.measured.rate:.0f}",
            f"{row.measured.p50 * 1e3:.2f}",
            f"{row.measured.p99 * 1e3:.2f}",
            str(row.measured.errors),
            ratio(row, "direct"),
            ratio(row, "nginx"),
            *used(row),
        )
        for row in rows
    ]
    text = (
        f"Median of {settings.rounds} rounds of {settings.seconds:g} s each, targets in turns, "
        f"{settings.warm_up:g} s warm-up each time."
    )
    return Section("All targets on all paths", text, head, lines, [f"Not measured: {line}" for line in missing])


def keep(path: Path, text: str) -> None:
    """Put the text in place of what the last run wrote, and leave what stands before it."""
    before = path.read_text().partition(_MARK)[0].rstrip()
    path.write_text(f"{before}\n\n{_MARK}\n\n{text}\n")
