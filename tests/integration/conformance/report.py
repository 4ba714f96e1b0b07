"""The scores as a person reads them, and as a program does."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .comparison import Loss, Scores

__all__ = ["Row", "as_table", "write_results"]

_HEAD = ("case", "direct", "through", "unscored direct", "through", "lost checks")


@dataclass(frozen=True)
class Row:
    """One case with both scores."""

    case: str
    direct: Scores
    through: Scores
    lost: tuple[Loss, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table shows."""
        return (
            self.case,
            f"{self.direct.passed_required}/{len(self.direct.required)}",
            f"{self.through.passed_required}/{len(self.direct.required)}",
            f"{self.direct.passed_unscored}/{len(self.direct.unscored)}",
            f"{self.through.passed_unscored}/{len(self.direct.unscored)}",
            str(sum(bool(loss.check) for loss in self.lost)),
        )


def as_table(rows: Sequence[Row]) -> list[str]:
    """Lines of one width, with a head."""
    cells = [_HEAD, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def write_results(file: Path, rows: Sequence[Row]) -> None:
    """Keep everything that was checked."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([_as_data(row) for row in rows], indent=1))


def _as_data(row: Row) -> dict[str, object]:
    return {
        "case": row.case,
        "lost": [asdict(loss) for loss in row.lost],
        **{
            name: {scenario: [asdict(check) for check in checks] for scenario, checks in scores.scenarios.items()}
            for name, scores in (("direct", row.direct), ("through", row.through))
        },
    }
