"""The official conformance suite: what a server passes directly passes through the proxy, over every transport."""

from pathlib import Path

import httpx
import pytest

from ...cluster.support.scene import Scene
from .clustered import behind_a_proxyrunner
from .comparison import Scores, losses, read_allowances, unexplained
from .detached import behind_a_detached_proxy
from .paths import CASES, Case
from .report import Row
from .runs import behind_the_proxy, without_a_proxy
from .suite import run_suite

pytestmark = pytest.mark.timeout(600)

_ALLOWED = read_allowances((Path(__file__).parent / "expected-failures.txt").read_text())
_REQUIRED = {"2025-11-25": 30, "2026-07-28": 37}


@pytest.mark.stack
def test_each_line_of_the_expected_failures_names_a_case() -> None:
    assert {allowance.case for allowance in _ALLOWED} <= {str(case) for case in CASES}


def _at(place: str) -> list[Case]:
    return [case for case in CASES if case.place == place]


@pytest.mark.stack
@pytest.mark.parametrize("case", _at("compose"), ids=str)
async def test_what_the_server_passes_directly_it_passes_through_the_proxy(
    api: httpx.AsyncClient, case: Case, conformance_rows: list[Row], direct_scores: dict[tuple[str, str], Scores]
) -> None:
    url, image = await behind_the_proxy(api, case, "conformance")
    through = await run_suite(url, case.revision)
    _compare(case, await _direct(case, image, direct_scores), through, conformance_rows)


@pytest.mark.stack
@pytest.mark.parametrize("case", _at("detached"), ids=str)
async def test_what_the_server_passes_directly_it_passes_through_a_proxy_that_holds_its_container(
    case: Case, conformance_rows: list[Row], direct_scores: dict[tuple[str, str], Scores]
) -> None:
    async with behind_a_detached_proxy(case, "conformance-detached") as (url, image):
        through = await run_suite(url, case.revision)
    _compare(case, await _direct(case, image, direct_scores), through, conformance_rows)


@pytest.mark.cluster
@pytest.mark.parametrize("case", _at("cluster"), ids=str)
async def test_what_the_server_passes_directly_it_passes_through_a_proxyrunner_in_a_cluster(
    scene: Scene,
    case: Case,
    conformance_rows: list[Row],
    direct_scores: dict[tuple[str, str], Scores],
) -> None:
    async with behind_a_proxyrunner(scene, case) as (url, image):
        through = await run_suite(url, case.revision)
    _compare(case, await _direct(case, image, direct_scores), through, conformance_rows)


async def _direct(case: Case, image: str, known: dict[tuple[str, str], Scores]) -> Scores:
    measured = (case.server.name, case.revision)
    if measured not in known:
        async with without_a_proxy(image, case.direct, "toolhive-test-direct") as url:
            known[measured] = await run_suite(url, case.revision)
    return known[measured]


def _compare(case: Case, direct: Scores, through: Scores, rows: list[Row]) -> None:
    assert direct.passed_required == _REQUIRED[case.revision], "the measure itself is broken"
    lost = losses(direct, through)
    rows.append(Row(str(case), direct, through, lost))
    open_losses, stale = unexplained(str(case), lost, _ALLOWED)
    assert not open_losses, "lost through the proxy:\n" + "\n".join(f"{x.key}  {x.found}" for x in open_losses)
    assert not stale, f"expected failures that do not fail any more: {stale}"
