import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.origin import OriginRule, refuse_host, refuse_origin

API = OriginRule.for_hosts(["api", " Box.Example:8080 ", ""])
PROXY = OriginRule.for_public_url("http://127.0.0.1:8081")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]", "[::1]:8080", "api", "api:8080", "box.example"]
)
def test_a_service_answers_to_loopback_and_to_its_names_on_any_port(host: str) -> None:
    assert refuse_host(API, host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8080",
        "::1",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        ":8080",
        "0",
    ],
)
def test_any_other_host_is_refused_and_named(host: str) -> None:
    assert refuse_host(API, host) == f"Host not allowed: {host!r}"


@pytest.mark.parametrize("origin", ["", "http://localhost:5173", "http://[::1]:1", "https://API", "http://127.0.0.1"])
def test_pages_of_the_allowed_hosts_may_call(origin: str) -> None:
    assert refuse_origin(API, origin) == ""


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example", "http://[", "http://localhost.evil.example", "file://", "localhost"]
)
def test_any_other_page_is_refused_and_named(origin: str) -> None:
    assert refuse_origin(API, origin) == f"Origin not allowed: {origin!r}"


def test_behind_a_loopback_address_only_pages_of_that_address_may_call() -> None:
    assert refuse_origin(PROXY, "http://localhost:8081") == ""
    assert refuse_origin(PROXY, "http://localhost:5173")
    assert refuse_origin(PROXY, "http://localhost")
    assert refuse_origin(OriginRule.for_public_url("http://localhost"), "http://[::1]") == ""
    assert refuse_host(PROXY, "evil.example")
    assert refuse_host(PROXY, "localhost:9999") == ""


def test_a_list_of_origins_replaces_the_rules_own() -> None:
    also = ["https://app.example"]
    assert refuse_origin(PROXY, "https://app.example", also=also) == ""
    assert refuse_origin(PROXY, "http://localhost:8081", also=also)


def test_a_public_address_needs_a_list() -> None:
    public = OriginRule.for_public_url("https://mcp.example")
    assert refuse_host(public, "mcp.example") == refuse_origin(public, "https://evil.example") == ""
    assert refuse_origin(public, "https://evil.example", also=["https://app.example"])


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    assert isinstance(refuse_host(API, text), str)
    assert isinstance(refuse_origin(API, text), str)
