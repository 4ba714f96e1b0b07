import pytest

from toolhive_common.mcp.eras import MODERN_VERSIONS, SUPPORTED_VERSIONS, speaks_modern

KEY = "io.modelcontextprotocol/protocolVersion"


@pytest.mark.parametrize("method", ["server/discover", "subscriptions/listen"])
def test_some_methods_are_of_the_newer_era_by_themselves(method: str) -> None:
    assert speaks_modern(method, {})


@pytest.mark.parametrize("version", [*MODERN_VERSIONS, "2999-01-01", ["no text"]])
def test_a_message_that_names_a_newer_version_is_of_the_newer_era(version: object) -> None:
    assert speaks_modern("tools/list", {KEY: version})


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_a_message_that_names_an_older_version_is_of_the_older_era(version: str) -> None:
    assert not speaks_modern("tools/list", {KEY: version})
    assert not speaks_modern("tools/list", {})


def test_initialize_is_of_the_older_era_whatever_it_carries() -> None:
    assert not speaks_modern("initialize", {KEY: MODERN_VERSIONS[0]})
