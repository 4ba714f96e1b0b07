"""What the agent's tests stand on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from toolhive_runtime.testing.fake_runtime import FakeRuntime

from .support.stage import Stage, staged  # type: ignore[import-not-found]  # mypy stops at the dash


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


@pytest.fixture
def fake() -> FakeRuntime:
    return FakeRuntime()
