from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_api.decisions.run_config import Surroundings, plan_run_config
from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.permissions import BUILTIN_PROFILES, PermissionProfile
from toolhive_common.schemas.runconfig import ProxyMode, RunConfig, Transport
from toolhive_common.schemas.workload import CreateRequest

AROUND = Surroundings(groups={"default"}, proxy_port=8081, free_target_port=23456)


def plan(**request: Any) -> RunConfig | Rejection:
    return plan_run_config(CreateRequest.model_validate({"name": "time", "image": "a:1"} | request), AROUND)


def test_the_least_request_gets_toolhives_defaults() -> None:
    assert plan() == RunConfig(
        image="a:1",
        name="time",
        container_name="time",
        base_name="time",
        transport=Transport.STDIO,
        port=8081,
        env_vars={"MCP_TRANSPORT": "stdio"},
        permission_profile=BUILTIN_PROFILES["network"],
        isolate_network=True,
        container_labels={
            "toolhive": "true",
            "toolhive-name": "time",
            "toolhive-basename": "time",
            "toolhive-transport": "stdio",
            "toolhive-port": "8081",
        },
        proxy_mode=ProxyMode.STREAMABLE_HTTP,
        group="default",
    )


@pytest.mark.parametrize(("given", "port"), [(0, 23456), (9000, 9000)])
@pytest.mark.parametrize("transport", ["sse", "streamable-http"])
def test_an_http_server_is_told_its_port(transport: str, given: int, port: int) -> None:
    planned = plan(transport=transport, target_port=given, env_vars={"MCP_PORT": "1", "MCP_HOST": "::", "TZ": "UTC"})
    assert isinstance(planned, RunConfig)
    assert planned.target_port == port
    assert planned.env_vars == {
        "TZ": "UTC",
        "MCP_TRANSPORT": transport,
        "MCP_PORT": str(port),
        "FASTMCP_PORT": str(port),
    }


def test_the_port_of_a_stdio_server_is_its_users_business() -> None:
    planned = plan(env_vars={"MCP_PORT": "1", "MCP_HOST": "::", "MCP_TRANSPORT": "x"})
    assert isinstance(planned, RunConfig)
    assert planned.env_vars == {"MCP_PORT": "1", "MCP_HOST": "::", "MCP_TRANSPORT": "stdio"}


def test_what_the_user_gives_is_taken_over() -> None:
    profile = {"read": ["/data"], "network": {"outbound": {}}}
    planned = plan(
        image="uvx://x@1.2",
        cmd_arguments=["--a"],
        volumes=["/here:/there:ro"],
        publish=["8000:80", "192.0.2.1:8001:81", "82"],
        labels={"team": "a"},
        network_isolation=False,
        permission_profile=profile,
        runtime_config={"build_with": ["y"], "additional_packages": ["git"], "runtime_env": {"A": "1"}},
    )
    assert isinstance(planned, RunConfig)
    assert planned.cmd_args == ("--a",)
    assert planned.volumes == ("/here:/there:ro",)
    assert planned.publish == ("8000:80", "192.0.2.1:8001:81", "82")
    assert planned.container_labels["team"] == "a"
    assert planned.isolate_network is False
    assert planned.permission_profile == PermissionProfile.model_validate(profile)
    assert planned.runtime_config is not None
    assert planned.runtime_config.build_with == ("y",)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("registry", "default"),
        ("server", "fetch"),
        ("secrets", [{"name": "a", "target": "B"}]),
        ("oidc.client_secret", {"oidc": {"issuer": "https://issuer", "client_secret": "hunter2"}}),
        ("oidc.ca_cert_path", {"oidc": {"issuer": "https://issuer", "ca_cert_path": "/ca"}}),
        ("oidc.auth_token_file", {"oidc": {"issuer": "https://issuer", "auth_token_file": "/t"}}),
        ("oauth_config", {"issuer": "https://issuer"}),
        ("authz_config", "/authz.json"),
        ("headers", [{"name": "X"}]),
        ("add_headers_from_secret", {"header_forward": {"add_headers_from_secret": {"X": "key"}}}),
        ("middleware_configs: 'usagemetrics'", {"middleware_configs": [{"type": "usagemetrics", "parameters": {}}]}),
        (
            "the middleware 'auth' with ClientSecret",
            {
                "middleware_configs": [
                    {"type": "auth", "parameters": {"oidc_config": {"Issuer": "x", "ClientSecret": "hunter2"}}}
                ]
            },
        ),
        ("allow_docker_gateway", True),
        ("host", "0.0.0.0"),  # noqa: S104  # refused
        ("proxy_port", 9999),
        ("transport", "inspector"),
        ("permission_profile", {"network": {"outbound": {"allow_host": ["a"]}}}),
        ("permission_profile", {"network": {"outbound": {"allow_port": [443]}}}),
        ("permission_profile", {"network": {"inbound": {"allow_host": ["a"]}}}),
        ("permission_profile", {"network": {"mode": "my-network"}}),
    ],
)
def test_a_setting_without_effect_is_refused_by_name(setting: str, value: Any) -> None:
    nested = isinstance(value, dict) and setting not in CreateRequest.model_fields
    rejection = plan(**(value if nested else {setting: value}))
    assert isinstance(rejection, Rejection)
    assert rejection.code is ErrorCode.UNSUPPORTED_SETTING
    assert setting in rejection.message
    assert "hunter2" not in rejection.message


def test_an_isolated_http_server_without_outbound_is_refused() -> None:
    profile: dict[str, Any] = {"network": {"outbound": {}}}
    assert isinstance(plan(transport="sse", permission_profile=profile), Rejection)
    assert isinstance(plan(transport="stdio", permission_profile=profile), RunConfig)
    assert isinstance(plan(transport="sse", permission_profile=profile, network_isolation=False), RunConfig)


@pytest.mark.parametrize(
    ("request_", "code", "sentence"),
    [
        ({"name": ""}, ErrorCode.INVALID_NAME, "it is empty"),
        ({"name": "a b"}, ErrorCode.INVALID_NAME, "'a b'"),
        ({"name": "Nats"}, ErrorCode.INVALID_NAME, "a service of the stack"),
        ({"name": "a" * 101}, ErrorCode.INVALID_NAME, "101 characters"),
        ({"image": ""}, ErrorCode.INVALID_REQUEST, "image is missing"),
        ({"image": "a b"}, ErrorCode.INVALID_REQUEST, "'a b'"),
        ({"image": "uvx://"}, ErrorCode.INVALID_REQUEST, "uvx://"),
        ({"image": "ftp://x"}, ErrorCode.INVALID_REQUEST, "packages begin with"),
        ({"image": "--privileged"}, ErrorCode.INVALID_REQUEST, "--privileged"),
        ({"transport": "pigeon"}, ErrorCode.INVALID_REQUEST, "pigeon"),
        ({"proxy_mode": "pigeon"}, ErrorCode.INVALID_REQUEST, "pigeon"),
        ({"group": "other"}, ErrorCode.INVALID_REQUEST, "group not found: other"),
        ({"env_vars": {"A=B": "1"}}, ErrorCode.INVALID_REQUEST, "A=B"),
        ({"env_vars": {"A": "\x00"}}, ErrorCode.INVALID_REQUEST, "'A'"),
        ({"cmd_arguments": ["\x00"]}, ErrorCode.INVALID_REQUEST, "NUL"),
        ({"labels": {"toolhive-name": "x"}}, ErrorCode.INVALID_REQUEST, "toolhive-name"),
        ({"labels": {"a": "no spaces"}}, ErrorCode.INVALID_REQUEST, "'a'"),
        ({"publish": ["99999"]}, ErrorCode.INVALID_REQUEST, "99999"),
        ({"publish": ["a:b"]}, ErrorCode.INVALID_REQUEST, "a:b"),
        ({"volumes": ["/a"]}, ErrorCode.INVALID_MOUNT, "'/a'"),
        ({"runtime_config": {"build_with": ["x"]}}, ErrorCode.INVALID_REQUEST, "packages only"),
        (
            {"image": "npx://a", "runtime_config": {"build_with": ["x"]}},
            ErrorCode.INVALID_REQUEST,
            "uvx:// packages only",
        ),
        (
            {"image": "uvx://a", "runtime_config": {"additional_packages": ["a;b"]}},
            ErrorCode.INVALID_REQUEST,
            "a;b",
        ),
        ({"image": "uvx://a", "runtime_config": {"runtime_env": {"a": "b"}}}, ErrorCode.INVALID_REQUEST, "'a'"),
        (
            {"image": "uvx://a", "runtime_config": {"build_with": ["a\nUSER root"]}},
            ErrorCode.INVALID_REQUEST,
            "USER root",
        ),
        ({"image": "go://a", "runtime_config": {"builder_image": "a b"}}, ErrorCode.INVALID_REQUEST, "'a b'"),
        (
            {"image": "go://a", "runtime_config": {"runtime_env": {"A": "\n"}}},
            ErrorCode.INVALID_REQUEST,
            "line breaks",
        ),
        ({"env_vars": {"A": "x" * 800_000}}, ErrorCode.INVALID_REQUEST, "too large"),
    ],
)
def test_a_mistake_is_refused_with_its_place(request_: dict[str, Any], code: ErrorCode, sentence: str) -> None:
    rejection = plan(**request_)
    assert isinstance(rejection, Rejection)
    assert (rejection.code, sentence in rejection.message) == (code, True), rejection.message


_TEXT = st.text(max_size=12)


@given(
    st.builds(
        CreateRequest,
        name=_TEXT,
        image=_TEXT,
        transport=st.sampled_from(["", "stdio", "sse", "streamable-http"]) | _TEXT,
        volumes=st.lists(_TEXT, max_size=2).map(tuple),
        env_vars=st.dictionaries(_TEXT, _TEXT, max_size=2),
        labels=st.dictionaries(_TEXT, _TEXT, max_size=2),
        publish=st.lists(_TEXT, max_size=2).map(tuple),
        target_port=st.integers(0, 65535),
    )
)
def test_any_request_is_planned_or_refused_in_a_sentence(request_: CreateRequest) -> None:
    planned = plan_run_config(request_, AROUND)
    if isinstance(planned, Rejection):
        assert planned.message
    else:
        assert RunConfig.from_json(planned.to_json()) == planned
