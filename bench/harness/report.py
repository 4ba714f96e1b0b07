"""How the figures are told: Markdown tables that also read well on a terminal."""

from collections.abc import Iterable, Mapping, Sequence

from bench.harness.table import Row
from bench.harness.targets.base import HTTP_TO_HTTP

__all__ = ["main_table", "markdown_table"]

_MIB = 1 << 20
NOTHING = "-"
"""Stands where there is no figure."""


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
    return cell == NOTHING or cell[:1].isdigit()


def main_table(rows: Sequence[Row]) -> str:
    """All rows, with how they stand to nginx and to no proxy at all at the same number of connections."""
    rates: Mapping[tuple[str, str, int], float] = {
        (row.path, row.name.split(" (")[0], row.connections): row.measured.rate for row in rows
    }

    def ratio(row: Row, other: str) -> str:
        base = rates.get((row.path, other, row.connections))
        return f"{row.measured.rate / base:.2f}" if base else NOTHING

    head = (
        "path", "target", "connections", "calls/s", "p50 ms", "p99 ms", "errors", "÷ direct", "÷ nginx",
        "RSS MiB", "CPU µs/call",
    )  # fmt: skip
    return markdown_table(head, (
        (
            row.path,
            row.name,
            str(row.connections),
            f"{row.measured.rate:.0f}",
            f"{row.measured.p50 * 1e3:.2f}",
            f"{row.measured.p99 * 1e3:.2f}",
            str(row.measured.errors),
            ratio(row, "direct"),
            ratio(row, "nginx") if row.path == HTTP_TO_HTTP else NOTHING,
            f"{row.measured.rss / _MIB:.0f}" if row.measured.rss else NOTHING,
            f"{row.measured.cpu * 1e6:.0f}" if row.measured.rss else NOTHING,
        )
        for row in rows
    ))  # fmt: skip
