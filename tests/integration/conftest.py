"""One stack for all integration tests, and workloads that are gone after each test."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from .support.engine import build_image, containers_of
from .support.not_built_yet import match_tests, read_missing
from .support.stack import Stack, until

ODD_SERVER = "toolhive-test-server:1"
TALKATIVE_SERVER = "toolhive-test-talkative:1"
_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is not built yet; before any test is deselected, so that each line finds its test."""
    ours = {item: f"{item.path.relative_to(_HERE)}::{item.name}" for item in items if _HERE in item.path.parents}
    reasons, stale = match_tests(read_missing((_HERE / "not-built-yet.txt").read_text()), ours.values())
    for item, name in ours.items():
        if name in reasons:
            item.add_marker(pytest.mark.xfail(reason=f"not built yet: {reasons[name]}", strict=True))
    if stale and not any("::" in argument for argument in config.args):
        raise pytest.UsageError("not-built-yet.txt names no test with " + ", ".join(line.test for line in stale))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    running = Stack()
    running.down()
    asyncio.run(running.up())
    yield running
    running.down()


@pytest.fixture(scope="session")
def odd_server() -> str:
    """An image of the server with bad habits."""
    return _built(ODD_SERVER, "odd_server.py")


@pytest.fixture(scope="session")
def talkative_server() -> str:
    """An image of the server that talks back."""
    return _built(TALKATIVE_SERVER, "talkative_server.py")


def _built(image: str, server: str) -> str:
    base = os.environ.get("BASE_IMAGE", "toolhive-base:bookworm")
    build_image(image, _HERE / "servers", BASE_IMAGE=base, SERVER=server)
    return image


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The API; after the test every workload is deleted, and nothing of them may be left."""
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=300) as client:
        yield client
        await stack.ready()
        listed = (await client.get("/api/v1beta/workloads", params={"all": "true"})).json()["workloads"] or []
        if listed:
            names = [workload["name"] for workload in listed]
            assert (await client.post("/api/v1beta/workloads/delete", json={"names": names})).status_code == 202

        async def gone() -> bool:
            return not (await client.get("/api/v1beta/workloads", params={"all": "true"})).json()["workloads"]

        await until("all workloads are gone", gone)
        assert containers_of(stack.agent) == []


@pytest.fixture(autouse=True)
def _explain_failures(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    report = getattr(request.node, "failed_report", None)
    stack = request.node.funcargs.get("stack") if hasattr(request.node, "funcargs") else None
    if report and stack:
        for service in ("api", "runtime-agent", "proxy", "nats"):
            request.node.add_report_section("call", f"{service} log", stack.logs(service)[-4000:])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call" and report.failed:
        item.failed_report = report  # type: ignore[attr-defined]
    return report  # type: ignore[return-value]
