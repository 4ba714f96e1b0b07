"""Fixtures of the command line's tests."""

from collections.abc import Iterator

import pytest

from .support.played_api import PlayedApi
from .support.program import Thv


@pytest.fixture
def api() -> Iterator[PlayedApi]:
    with PlayedApi() as played:
        yield played


@pytest.fixture
def thv(api: PlayedApi) -> Thv:
    return Thv(api.url)
