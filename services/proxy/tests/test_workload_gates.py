"""Gates as they are made from a RunConfig, headers as they go on, and numbers as they are told."""

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from toolhive_common.middleware.parts import Part, PartName
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.testing.factories import a_run_config
from toolhive_proxy.decisions.method_kind import method_kind
from toolhive_proxy.decisions.proxy_headers import endpoint_url
from toolhive_proxy.middleware.workload_gates import GateSettings, WorkloadGates, oidc_of
from toolhive_proxy.models.gates import Gate, RequestContext
from toolhive_proxy.models.http import Header, Request, Response
from toolhive_proxy.models.routes import Route
from toolhive_proxy.services.metrics import Metrics

LABELS = ["server", "mcp_method", "status_code", "outcome", "trouble", "le", "version", "major", "minor"]
OIDC = {"Issuer": "https://issuer.example.com", "Audience": "mcp"}


def route_with(**changes: Any) -> Route:
    config = RunConfig.model_validate(a_run_config().model_dump() | changes)
    return Route(WorkloadKey.default("time"), 1, config.transport, config)


def gates_of(route: Route, **makers: Any) -> tuple[tuple[PartName, Gate], ...]:
    found = {PartName(name.replace("_", "-")): maker for name, maker in makers.items()}
    settings = GateSettings(lambda: 0.0, "ada", bytes, "hunter2")
    assert "hunter2" not in repr(settings)
    return WorkloadGates(
        settings, found, endpoint_of=lambda _route: "http://h/time/mcp", count_of=lambda _route: lambda _outcome: None
    ).of(route)


def passed(route: Route, headers: list[Header], *, query: str = "", body: bytes = b"") -> RequestContext | Response:
    request = Request("POST", "/time/mcp", query, headers, body, "")
    context = RequestContext(request, route, request.headers)
    for _, gate in gates_of(route):
        answer = gate(context)
        assert not inspect.isawaitable(answer)
        if answer is not None:
            return answer
    return context


def test_without_authentication_everybody_is_the_systems_user() -> None:
    context = passed(route_with(), [(b"authorization", b"Bearer x")])
    assert isinstance(context, RequestContext)
    assert context.identity is not None
    assert (context.identity.subject, dict(context.identity.claims)) == ("ada", {})
    assert context.headers == [(b"authorization", b"Bearer x")], "it may be meant for the server"


@pytest.mark.parametrize("headers", [[], [(b"authorization", b"Basic x")], [(b"authorization", b"Bearer a b")]])
def test_without_a_token_nobody_gets_anything_else_to_answer(headers: list[Header]) -> None:
    route = route_with(oidc_config=OIDC, tools_filter=["a"])
    answer = passed(route, headers)
    assert isinstance(answer, Response)
    assert answer.status == 401
    assert (
        b'resource_metadata="http://h/.well-known/oauth-protected-resource/time/mcp"'
        in dict(answer.headers)[b"www-authenticate"]
    )
    found = oidc_of(route)
    assert found is not None
    assert found.issuer == OIDC["Issuer"]
    assert oidc_of(route_with()) is None


def test_a_token_in_the_query_does_not_count() -> None:
    answer = passed(route_with(oidc_config=OIDC), [(b"authorization", b"Bearer a.b.c")], query="access_token=x")
    assert isinstance(answer, Response)
    assert (answer.status, b"in the query" in answer.body) == (401, True)


def test_gates_that_are_made_elsewhere_stand_where_the_plan_has_them() -> None:
    made: list[Part] = []

    def maker(_route: Route, part: Part) -> Gate:
        made.append(part)
        return lambda _context: None

    route = route_with(tools_filter=["a"], header_forward={"add_plaintext_headers": {"X-Key": "k"}})
    names = [name.value for name, _ in gates_of(route, origin=maker, mcp_parser=maker)]
    assert names == [
        "header-forward",  # drops what clients claim about who asks
        "origin",
        "auth",
        "mcp-parser",
        "tool-filter",
        "tool-call-filter",
        "header-forward",
    ]
    assert [part.name.value for part in made] == ["origin", "mcp-parser"]


@pytest.mark.parametrize("changes", [{"authz_config": {"version": "1.0"}}, {"oidc_config": {"Issuer": 3}}])
def test_a_workload_whose_gates_cannot_be_made_is_shut(changes: dict[str, Any]) -> None:
    route = route_with(**changes)
    answer = passed(route, [])
    assert isinstance(answer, Response)
    assert answer.status == 503
    assert next(iter(changes)).encode() in answer.body
    assert oidc_of(route) is None


def test_a_workloads_headers_replace_the_clients() -> None:
    route = route_with(header_forward={"add_plaintext_headers": {"X-Api-Key": "ours", "X-Forwarded-Prefix": "/p"}})
    context = passed(route, [(b"x-api-key", b"theirs"), (b"accept", b"*/*"), (b"x-forwarded-prefix", b"/evil")])
    assert isinstance(context, RequestContext)
    assert context.headers == [(b"accept", b"*/*"), (b"x-api-key", b"ours"), (b"x-forwarded-prefix", b"/p")]


def test_what_clients_say_about_who_asks_goes_on_only_when_it_is_trusted() -> None:
    said: list[Header] = [
        (b"forwarded", b"for=1.2.3.4"),
        (b"x-forwarded-for", b"1.2.3.4"),
        (b"x-real-ip", b"1.2.3.4"),
    ]
    kept: list[Header] = [(b"accept", b"*/*"), (b"x-forward", b"1")]
    plain = passed(route_with(), [*said, *kept])
    trusting = passed(route_with(trust_proxy_headers=True), [*said, *kept])
    assert isinstance(plain, RequestContext)
    assert isinstance(trusting, RequestContext)
    assert (plain.headers, trusting.headers) == (kept, [*said, *kept])


def test_credentials_stay_here_where_the_chain_says_so() -> None:
    route = route_with(middleware_configs=[{"type": "strip-auth", "parameters": {}}])
    context = passed(route, [(b"authorization", b"Bearer x"), (b"cookie", b"a=b"), (b"accept", b"*/*")])
    assert isinstance(context, RequestContext)
    assert context.headers == [(b"accept", b"*/*")]


def test_a_lower_body_limit_of_a_chain_holds() -> None:
    route = route_with(middleware_configs=[{"type": "bodylimit", "parameters": {"max_bytes": 4}}])
    assert isinstance(passed(route, [], body=b"1234"), RequestContext)
    answer = passed(route, [], body=b"12345")
    assert isinstance(answer, Response)
    assert answer.status == 413


FORWARDED: list[Header] = [
    (b"x-forwarded-prefix", b"/tools/, /other"),
    (b"x-forwarded-host", b"mcp.example.com"),
    (b"x-forwarded-proto", b"HTTPS"),
]


@pytest.mark.parametrize(
    ("prefix", "headers", "trust", "url"),
    [
        ("", FORWARDED, False, "/m?s=1"),
        ("", FORWARDED, True, "https://mcp.example.com/tools/m?s=1"),
        ("/own", FORWARDED[:1], True, "/own/m?s=1"),
        ("/own/", FORWARDED, False, "/own/m?s=1"),
        ("", [(b"x-forwarded-prefix", b"//evil.example.com")], True, "/m?s=1"),
        ("", [(b"x-forwarded-prefix", b"/a/../b")], True, "/m?s=1"),
        ("", [(b"x-forwarded-host", b"evil/x?"), (b"x-forwarded-proto", b"http")], True, "/m?s=1"),
        ("", [(b"x-forwarded-host", b"a"), (b"x-forwarded-proto", b"javascript")], True, "/m?s=1"),
    ],
)
def test_clients_of_the_older_transport_are_told_where_to_post(
    prefix: str, headers: list[Header], trust: bool, url: str
) -> None:
    assert endpoint_url("/m?s=1", endpoint_prefix=prefix, headers=headers, trust=trust) == url


@given(st.binary(max_size=40), st.binary(max_size=40), st.booleans())
def test_nothing_that_a_header_says_leaves_the_line(prefix: bytes, host: bytes, trust: bool) -> None:
    headers = [(b"x-forwarded-prefix", prefix), (b"x-forwarded-host", host), (b"x-forwarded-proto", b"http")]
    url = endpoint_url("/m", endpoint_prefix="", headers=headers, trust=trust)
    assert url.isprintable()
    assert url.startswith(("/", "http://"))
    assert not url.startswith("//")
    assert url.endswith("/m")


def test_the_page_of_numbers_says_what_happened() -> None:
    metrics = Metrics()
    time = metrics.of("time")
    assert metrics.of("time") is time
    for seconds in (0.0005, 0.3, 100):
        time.begin(10)
        time.finish("tools/call", 200, seconds=seconds, sent=20)
    time.begin(5)
    time.sessions += 2
    time.count_token("invalid_token")
    time.count_upstream_failure("silent")
    page = metrics.render().decode()
    found = {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels, key=LABELS.index))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    assert found["toolhive_mcp_requests_total", "time", "tools/call", "200"] == 3
    assert found["toolhive_mcp_request_duration_seconds_bucket", "time", "0.001"] == 1
    assert found["toolhive_mcp_request_duration_seconds_bucket", "time", "0.5"] == 2
    assert found["toolhive_mcp_request_duration_seconds_bucket", "time", "+Inf"] == 3
    assert found["toolhive_mcp_request_duration_seconds_sum", "time"] == pytest.approx(100.3005)
    assert found["toolhive_proxy_in_flight", "time"] == 1
    assert found["toolhive_proxy_sessions", "time"] == 2
    assert found["toolhive_proxy_bytes_in_total", "time"] == 35
    assert found["toolhive_proxy_bytes_out_total", "time"] == 60
    assert found["toolhive_proxy_token_verifications_total", "time", "invalid_token"] == 1
    assert found["toolhive_proxy_upstream_failures_total", "time", "silent"] == 1
    assert "process_resident_memory_bytes" in page
    metrics.keep_only(frozenset())
    assert b'server="time"' not in metrics.render()


@pytest.mark.parametrize(
    ("http", "mcp", "kind"),
    [
        ("POST", "tools/call", "tools/call"),
        ("POST", "made/up", "other"),
        ("POST", "notifications/progress", "notification"),
        ("POST", "", "response"),
        ("GET", "", "get"),
        ("BREW", "", "other"),
    ],
)
def test_clients_cannot_make_up_labels(http: str, mcp: str, kind: str) -> None:
    assert method_kind(http, mcp) == kind
