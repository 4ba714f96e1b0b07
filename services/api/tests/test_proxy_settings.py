"""What a request may say about the proxy, and about servers that run elsewhere."""

from typing import Any

import pytest

from toolhive_api.decisions.run_config import Surroundings, plan_run_config
from toolhive_api.decisions.to_workload import public_url
from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode
from toolhive_common.requests import to_create_request
from toolhive_common.schemas.runconfig import ProxyMode, RunConfig, StdioProcess, Transport
from toolhive_common.schemas.workload import CreateRequest

AROUND = Surroundings(groups=frozenset({"default"}), proxy_port=8081, free_target_port=23456)
PROXY = "http://127.0.0.1:8081"


def plan(**changes: Any) -> RunConfig | Rejection:
    source = {} if "url" in changes else {"image": "uvx://x"}
    return plan_run_config(CreateRequest.model_validate({"name": "time", **source, **changes}), AROUND)


def planned(**changes: Any) -> RunConfig:
    found = plan(**changes)
    assert isinstance(found, RunConfig), found
    return found


SETTINGS: dict[str, Any] = {
    "proxy_mode": "sse",
    "stdio_process": "per-session",
    "tools": ["now", "zone"],
    "tools_override": {"get_time": {"name": "now"}, "other": {"description": "other words"}},
    "header_forward": {"add_plaintext_headers": {"X-Tenant": "a"}},
    "trust_proxy_headers": True,
    "strict_protocol_validation": True,
    "session_ttl": "1h30m",
    "endpoint_prefix": "/tools",
    "allowed_origins": ["https://app.example.com", "http://localhost:5173"],
    "oidc": {
        "issuer": "https://issuer",
        "audience": "mcp",
        "client_id": "c",
        "jwks_url": "https://issuer/keys",
        "introspection_url": "https://issuer/introspect",
        "scopes": ["openid"],
        "resource_url": "https://me/mcp",
        "allow_private_ip": True,
        "required_scopes": ["tools"],
    },
    "middleware_configs": [{"type": "mcp-parser", "parameters": {}}, {"type": "recovery", "parameters": None}],
    "additional_middleware_configs": [{"type": "strip-auth", "parameters": {}}],
}


def test_the_settings_of_the_proxy_become_the_run_config() -> None:
    found = planned(**SETTINGS)
    assert (found.proxy_mode, found.stdio_process) == (ProxyMode.SSE, StdioProcess.PER_SESSION)
    assert found.tools_filter == ("now", "zone")
    assert found.tools_override["get_time"].name == "now"
    assert found.header_forward is not None
    assert found.header_forward.add_plaintext_headers == {"X-Tenant": "a"}
    assert found.trust_proxy_headers
    assert found.strict_protocol_validation
    assert (found.session_ttl, found.endpoint_prefix) == ("1h30m", "/tools")
    assert found.allowed_origins == ("https://app.example.com", "http://localhost:5173")
    assert [link.type for link in found.middleware_configs] == ["mcp-parser", "recovery"]
    assert [link.type for link in found.additional_middleware_configs] == ["strip-auth"]
    assert planned(stateless=True).stateless


def test_authentication_is_spelled_as_in_toolhives_files() -> None:
    assert planned(**SETTINGS).oidc_config == {
        "Issuer": "https://issuer",
        "Audience": "mcp",
        "JWKSURL": "https://issuer/keys",
        "IntrospectionURL": "https://issuer/introspect",
        "ClientID": "c",
        "ClientSecret": "",
        "CACertPath": "",
        "AuthTokenFile": "",
        "ResourceURL": "https://me/mcp",
        "AllowPrivateIP": True,
        "InsecureAllowHTTP": False,
        "Scopes": ["openid"],
        "RequiredScopes": ["tools"],
    }


@pytest.mark.parametrize(
    "request_",
    [SETTINGS, {"url": "https://example.com/v2/mcp?a=b", "tools": ["x"]}, {"transport": "sse", "stateless": False}],
    ids=["all", "remote", "sse"],
)
def test_a_workload_asked_for_again_becomes_the_same(request_: dict[str, Any]) -> None:
    first = planned(**request_)
    assert plan_run_config(to_create_request(first), AROUND) == first


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"proxy_mode": "pigeon"}, "proxy_mode 'pigeon'"),
        ({"stdio_process": "many"}, "stdio_process 'many'"),
        ({"stdio_process": "shared", "transport": "sse"}, "stdio_process is for servers with the transport stdio"),
        ({"stdio_process": "shared", "url": "https://x/mcp"}, "stdio_process is for"),
        ({"stateless": True, "proxy_mode": "sse"}, "stateless"),
        ({"session_ttl": "-2h"}, "session_ttl '-2h'"),
        ({"session_ttl": "soon"}, "session_ttl 'soon'"),
        ({"session_ttl": "0s"}, "session_ttl '0s' is out of range"),
        ({"session_ttl": "9" * 400 + "h"}, "is out of range"),
        ({"endpoint_prefix": "tools"}, "endpoint_prefix 'tools'"),
        ({"endpoint_prefix": "//evil.example"}, "endpoint_prefix"),
        ({"allowed_origins": ["*"]}, "allowed_origins: '*'"),
        ({"allowed_origins": ["https://a/b"]}, "'https://a/b'"),
        ({"allowed_origins": ["https://a:99999"]}, "99999"),
        ({"tools": [""]}, "a tool's name is empty"),
        ({"tools_override": {"a": {}}}, "tools_override: 'a' gets neither"),
        ({"tools_override": {"a": {"name": "c"}, "b": {"name": "c"}}}, "would both be called 'c'"),
        ({"tools_override": {"a": {"name": "b"}, "b": {"description": "x"}}}, "would both be called 'b'"),
        ({"header_forward": {"add_plaintext_headers": {"Host": "x"}}}, "the header host is set by"),
        (
            {"header_forward": {"add_plaintext_headers": {"mcp-session-id": "x"}}},
            "the header mcp-session-id is set by",
        ),
        ({"header_forward": {"add_plaintext_headers": {"a b": "x"}}}, "'a b' cannot be"),
        ({"header_forward": {"add_plaintext_headers": {"A": "x\r\nB: y"}}}, "the value of a"),
        ({"header_forward": {"add_plaintext_headers": {"A": "x", "a": "y"}}}, "given twice"),
        (
            {"middleware_configs": [{"type": "tool-filter", "parameters": {"filter_tools": ["a"]}}], "tools": ["b"]},
            "something else than the RunConfig's own setting",
        ),
        ({"oidc": {"audience": "a"}}, "oidc: nothing says who issues"),
        ({"oidc": {"issuer": "http://issuer"}}, "oidc.issuer is a http:// URL"),
        ({"oidc": {"issuer": "issuer"}}, "oidc.issuer 'issuer' is no URL"),
        ({"oidc": {"issuer": "https://i", "jwks_url": "file:///keys"}}, "oidc.jwks_url"),
        ({"oidc": {"issuer": "https://i", "scopes": ["a b"]}}, "oidc.scopes"),
        ({"oidc": {"issuer": "https://i", "required_scopes": [""]}}, "a scope is empty"),
        ({"image": "uvx://x", "url": "https://x/mcp"}, "both image and url"),
        ({"image": "https://x/mcp"}, "give the address of a remote server as url"),
        ({"url": "ftp://x"}, "url: the URL of the remote server begins with neither"),
        ({"url": "https://me:secret@x/mcp"}, "user name or password"),
        ({"url": "https://x/mcp", "transport": "stdio"}, "cannot reach a remote server"),
        ({"url": "https://x/mcp", "volumes": ["/a:/b"]}, "volumes no effect"),
        ({"url": "https://x/mcp", "env_vars": {"A": "1"}, "publish": ["80"]}, "publish, env_vars no effect"),
        ({"url": "https://x/mcp", "permission_profile": {}}, None),
    ],
)
def test_a_mistake_is_refused_with_its_place(request_: dict[str, Any], sentence: str | None) -> None:
    rejection = plan(**request_)
    assert isinstance(rejection, Rejection)
    assert rejection.code is ErrorCode.INVALID_REQUEST
    assert (sentence or "permission_profile no effect") in rejection.message


def test_a_plain_issuer_is_taken_on_request_only() -> None:
    assert not isinstance(plan(oidc={"issuer": "http://127.0.0.1:9000"}), RunConfig)
    assert isinstance(plan(oidc={"issuer": "http://keycloak:9000", "insecure_allow_http": True}), RunConfig)


def test_a_remote_server_has_a_url_and_nothing_of_a_container() -> None:
    found = planned(url="https://example.com/v2/mcp?key=1", labels={"team": "a"})
    assert (found.remote_url, found.image, found.transport) == (
        "https://example.com/v2/mcp?key=1",
        "",
        Transport.STREAMABLE_HTTP,
    )
    assert (found.env_vars, found.target_port, found.permission_profile) == ({}, 0, None)
    assert found.container_labels["team"] == "a"
    assert planned(url="https://example.com/sse", transport="sse").proxy_mode is ProxyMode.SSE


@pytest.mark.parametrize(
    ("request_", "url"),
    [
        ({}, "/time/mcp"),
        ({"transport": "sse"}, "/time/mcp"),
        ({"proxy_mode": "sse"}, "/time/sse#time"),
        ({"url": "https://example.com/v2/mcp?key=1"}, "/time/v2/mcp"),
        ({"url": "https://example.com"}, "/time"),
        ({"url": "https://example.com/"}, "/time"),
        ({"url": "https://example.com/health"}, "/time/mcp"),
        ({"url": "https://example.com", "transport": "sse"}, "/time/sse#time"),
        ({"url": "https://example.com/events", "transport": "sse"}, "/time/events#time"),
        ({"url": "https://example.com/messages", "transport": "sse"}, "/time/sse#time"),
    ],
)
def test_clients_are_told_the_address_by_toolhives_rules(request_: dict[str, Any], url: str) -> None:
    assert public_url(PROXY, planned(**request_)) == PROXY + url
