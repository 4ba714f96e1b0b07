"""Columns as Go's tabwriter sets them, which the original ``thv`` prints with."""

from collections.abc import Sequence

__all__ = ["GAP", "columns"]

GAP = 3
"""Spaces between columns."""


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Line up cells in columns. The last cell of a row is not padded.

    Parameters
    ----------
    rows
        At least one row; all of the same length.
    """
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]) - 1)]
    return "\n".join(
        "".join(cell.ljust(width + GAP) for cell, width in zip(row, widths, strict=False)) + row[-1] for row in rows
    )
