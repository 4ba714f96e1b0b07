from pathlib import Path

from bench.harness.load import Measured
from bench.harness.report import keep, main_section, section_text
from bench.harness.settings import settings_from
from bench.harness.table import Row


def a_row(name: str, rate: float) -> Row:
    return Row("HTTP → HTTP", name, 16, Measured(rate, 0.001, 0.002, 0, "", 0.0001, 1 << 20, 1 << 20))


def test_each_row_stands_beside_no_proxy_and_nginx() -> None:
    rows = [a_row("direct", 40_000), a_row("nginx", 30_000), a_row("ours", 24_000)]
    table = section_text(main_section(rows, [], settings_from({})))
    ours = next(line for line in table.splitlines() if line.startswith("| HTTP → HTTP | ours"))
    assert [cell.strip() for cell in ours.split("|")[8:10]] == ["0.60", "0.80"]


def test_a_target_that_could_not_be_had_is_told() -> None:
    assert "Not measured: nginx is away" in section_text(main_section([], ["nginx is away"], settings_from({})))


def test_a_new_run_replaces_only_what_the_last_one_wrote(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text("# Measured\n\nby hand\n")
    keep(results, "first")
    keep(results, "second")
    kept = results.read_text()
    assert kept.startswith("# Measured\n\nby hand\n")
    assert kept.endswith("second\n")
    assert "first" not in kept
