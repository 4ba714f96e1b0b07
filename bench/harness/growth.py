"""How one figure grows with another: the straight line through the points, told in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Line", "line_through"]


@dataclass(frozen=True)
class Line:
    """``start + slope * x``; ``fit`` is the share of the spread that the line explains, 1 for points on a line."""

    start: float
    slope: float
    fit: float


def line_through(points: Sequence[tuple[float, float]]) -> Line:
    """Find the line of least squares.

    Parameters
    ----------
    points : sequence of (float, float)
        Two at least, with different first figures.
    """
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        raise ValueError("a line needs points that differ in their first figure")
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    start = mean_y - slope * mean_x
    total = sum((y - mean_y) ** 2 for _, y in points)
    missed = sum((y - start - slope * x) ** 2 for x, y in points)
    return Line(start, slope, 1 - missed / total if total else 1.0)
