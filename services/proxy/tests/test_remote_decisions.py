"""Where requests for remote servers go."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.schemas.runconfig import Transport
from toolhive_common.testing.factories import a_desired, a_run_config, an_observed
from toolhive_proxy.decisions.fronts import Front, front_of, server_path
from toolhive_proxy.decisions.redirects import Follow, Refuse, judge_redirect
from toolhive_proxy.decisions.routing_table import lookup
from toolhive_proxy.models.routes import Origin, Route, Target, Unavailable

MCP, SSE, MESSAGES = Front.STREAMABLE_HTTP, Front.SSE, Front.SSE_MESSAGES


def found(url: str, transport: Transport = Transport.STREAMABLE_HTTP, **observed: Any) -> Any:
    config = a_run_config(image="", remote_url=url, transport=transport)
    return lookup("time", a_desired(run_config=config), an_observed(**observed))


def a_route(url: str, transport: Transport = Transport.STREAMABLE_HTTP) -> Route:
    route = found(url, transport)
    assert isinstance(route, Route)
    return route


def a_container(transport: Transport) -> Route:
    desired = a_desired(run_config=a_run_config(transport=transport))
    route = lookup("time", desired, an_observed(endpoint="http://10.0.0.2:8000"))
    assert isinstance(route, Route)
    return route


@pytest.mark.parametrize(
    ("url", "transport", "origin", "target"),
    [
        (
            "https://x.example/v2/mcp?key=1",
            "streamable-http",
            Origin("x.example", 443, "https"),
            Target("/v2/mcp", "key=1"),
        ),
        ("http://x.example:8000", "streamable-http", Origin("x.example", 8000), Target()),
        ("https://x.example/", "sse", Origin("x.example", 443, "https"), Target("/sse")),
        ("https://[::1]:9/events", "sse", Origin("::1", 9, "https"), Target("/events")),
    ],
)
def test_a_remote_server_is_reached_at_its_url(url: str, transport: str, origin: Origin, target: Target) -> None:
    route = a_route(url, Transport(transport))
    assert (route.origin, route.target, route.remote) == (origin, target, True)


def test_no_agent_changes_the_address_of_a_remote_server() -> None:
    route = found("https://x.example/mcp", endpoint="http://evil.example:80")
    assert route.origin == Origin("x.example", 443, "https")


def test_a_remote_server_that_cannot_be_is_told_without_its_url() -> None:
    for broken in (found("https://me:hunter2@x.example"), found("https://x.example?k=hunter2", Transport.STDIO)):
        assert isinstance(broken, Unavailable)
        assert "hunter2" not in broken.reason


def test_servers_in_containers_speak_at_the_usual_paths() -> None:
    assert a_container(Transport.STREAMABLE_HTTP).target == Target("/mcp")
    assert a_container(Transport.SSE).target == Target("/sse")
    assert server_path(a_container(Transport.STREAMABLE_HTTP), "/mcp", "a=b") == "/mcp?a=b"


@pytest.mark.parametrize(
    ("route", "rest", "front", "asked"),
    [
        (a_route("https://x/v2/mcp?key=1"), "/v2/mcp", MCP, "/v2/mcp?key=1&a=b"),
        (a_route("https://x/v2/mcp?key=1"), "/mcp", MCP, "/v2/mcp?key=1&a=b"),
        (a_route("https://x/v2/mcp"), "/sse", SSE, "/v2/mcp?a=b"),
        (a_route("https://x/v2/mcp"), "/messages", MESSAGES, "/v2/mcp?a=b"),
        (a_route("https://x/v2/mcp"), "/v2", None, ""),
        (a_route("https://x/v2/mcp"), "", None, ""),
        (a_route("https://x"), "", MCP, "/?a=b"),
        (a_route("https://x"), "/", MCP, "/?a=b"),
        (a_route("https://x"), "/mcp", MCP, "/mcp?a=b"),
        (a_route("https://x"), "/any/thing", MCP, "/any/thing?a=b"),
        (a_route("https://x/sse"), "/sse", MCP, "/sse?a=b"),
        (a_route("https://x/events", Transport.SSE), "/events", SSE, "/events?a=b"),
        (a_route("https://x/mcp", Transport.SSE), "/mcp", SSE, "/mcp?a=b"),
        (a_route("https://x", Transport.SSE), "/sse", SSE, "/sse?a=b"),
        (a_route("https://x", Transport.SSE), "/mcp", MCP, "/sse?a=b"),
        (a_container(Transport.STREAMABLE_HTTP), "/mcp", MCP, "/mcp?a=b"),
        (a_container(Transport.STREAMABLE_HTTP), "", None, ""),
        (a_container(Transport.STREAMABLE_HTTP), "/v2/mcp", None, ""),
    ],
)
def test_a_path_has_a_front_and_leads_somewhere(route: Route, rest: str, front: Front | None, asked: str) -> None:
    assert front_of(route, rest) is front
    if front is not None:
        assert server_path(route, rest, "a=b") == asked


SECURE = Origin("x.example", 443, "https")
PLAIN = Origin("x.example", 8000)


@pytest.mark.parametrize(
    ("origin", "status", "location", "verdict"),
    [
        (SECURE, 200, "/other", None),
        (SECURE, 303, "", None),
        (SECURE, 307, "", None),
        (SECURE, 303, "/other", "elsewhere"),
        (SECURE, 307, "/mcp/", Follow(SECURE, "/mcp/")),
        (SECURE, 308, "other?a=b", Follow(SECURE, "/v2/other?a=b")),
        (SECURE, 301, "https://X.example", Follow(SECURE, "/")),
        (SECURE, 302, "https://x.example:8443/mcp", Follow(Origin("x.example", 8443, "https"), "/mcp")),
        (PLAIN, 307, "https://x.example/mcp", Follow(SECURE, "/mcp")),
        (SECURE, 307, "http://x.example/mcp", "from https to http"),
        (SECURE, 307, "https://evil.example/mcp", "another host"),
        (SECURE, 307, "//evil.example/mcp", "another host"),
        (SECURE, 307, "ftp://x.example/", "an address that is none"),
        (SECURE, 307, "https://x.example:99999/", "an address that is none"),
        (SECURE, 307, "/a b", "an address that is none"),
        (SECURE, 307, "/ü", "an address that is none"),
    ],
)
def test_a_redirect_stays_with_its_host_and_its_encryption(
    origin: Origin, status: int, location: str, verdict: Follow | str | None
) -> None:
    judged = judge_redirect(origin, "/v2/mcp", status, location, followed=0)
    if isinstance(verdict, str):
        assert isinstance(judged, Refuse)
        assert verdict in judged.reason
    else:
        assert judged == verdict


def test_the_eleventh_redirect_is_one_too_many() -> None:
    assert isinstance(judge_redirect(SECURE, "/", 307, "/a", followed=9), Follow)
    assert isinstance(judge_redirect(SECURE, "/", 307, "/a", followed=10), Refuse)


@given(st.text(max_size=60))
def test_no_location_leads_to_another_host(location: str) -> None:
    judged = judge_redirect(SECURE, "/v2/mcp", 307, location, followed=0)
    if isinstance(judged, Follow):
        assert (judged.origin.host, judged.origin.scheme) == ("x.example", "https")
        assert judged.path.startswith("/")
        assert not any(character <= " " for character in judged.path)
