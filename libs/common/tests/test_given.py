"""Keys that a user gives, and that nobody knows."""

import json
from typing import Any

import pytest

from toolhive_common.given import unknown_keys
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.workload import CreateRequest
from toolhive_common.testing.factories import a_run_config

OIDC = {"Issuer": "https://i", "Audience": "a", "Scopes": None}
KEYS_OF_TOOLHIVE = """
    schema_version mcpserver_generation image remote_url registry_api_url registry_url registry_server_name
    remote_auth_config cmd_args name container_name base_name transport host port target_port target_host
    allowed_origins publish permission_profile_name_or_path permission_profile env_vars env_file_dir debug volumes
    container_labels oidc_config token_exchange_config upstream_swap_config aws_sts_config authz_config
    authz_config_path audit_config audit_config_path telemetry_config rate_limit_config rate_limit_namespace secrets
    k8s_pod_template_patch isolate_network allow_docker_gateway trust_proxy_headers strict_protocol_validation
    stateless session_ttl proxy_mode thv_ca_bundle jwks_auth_token_file group tools_filter tools_override
    ignore_config middleware_configs additional_middleware_configs validating_webhooks mutating_webhooks
    endpoint_prefix runtime_config header_forward embedded_auth_server_config scaling_config
"""


def link(kind: str, parameters: Any) -> dict[str, Any]:
    return {"middleware_configs": [{"type": kind, "parameters": parameters}]}


@pytest.mark.parametrize("key", KEYS_OF_TOOLHIVE.split())
def test_every_key_of_toolhives_files_is_known(key: str) -> None:
    assert unknown_keys(RunConfig, {key: {} if key.endswith("_config") else None}) == ""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"tool_filter": []}, "'tool_filter' is no key that is known here; did you mean tools_filter?"),
        ({"Tools_Filter": []}, "did you mean tools_filter?"),
        ({"middleware_config": []}, "did you mean middleware_configs?"),
        ({"oidc": {}}, "did you mean oidc_config?"),
        ({"tools": []}, "did you mean tools_filter?"),
        ({"from_the_future": 1}, "'from_the_future' is no key that is known here; correct it, or leave it out"),
        ({"oidc_config": {**OIDC, "audiance": "x"}}, "'oidc_config.audiance' is no key that is known here"),
        ({"oidc_config": {**OIDC, "audiance": "x"}}, "did you mean Audience?"),
        ({"oidc_config": {"jwks_url": "x"}}, "did you mean JWKSURL?"),
        (link("auth", {"oidcconfig": OIDC}), "did you mean oidc_config?"),
        (link("auth", {"oidc_config": {"Isuer": "x"}}), "did you mean Issuer?"),
        (link("tool-filter", {"filter_tool": []}), "'middleware_configs.0.parameters.filter_tool' is no key"),
        ({"permission_profile": {"netwrok": {}}}, "did you mean network?"),
        ({"permission_profile": {"network": {"outbound": {"allow_hosts": []}}}}, "did you mean allow_host?"),
        ({"tools_override": {"a": {"nam": "b"}}}, "'tools_override.a.nam' is no key"),
        ({"ignore_config": {"LoadGlobl": True}}, "did you mean LoadGlobal?"),
    ],
)
def test_a_key_that_is_not_known_is_told_with_the_nearest_that_is(given: dict[str, Any], told: str) -> None:
    assert told in unknown_keys(RunConfig, given)


def test_a_request_over_rest_has_keys_of_its_own() -> None:
    assert "did you mean tools?" in unknown_keys(CreateRequest, {"tools_filter": ["a"]})
    assert "did you mean tools?" in unknown_keys(CreateRequest, {"tool_filter": ["a"]})
    assert "did you mean audience?" in unknown_keys(CreateRequest, {"oidc": {"audiance": "a"}})


@pytest.mark.parametrize(
    "given",
    [
        json.loads(a_run_config().to_json()),
        {"oidc_config": {"issuer": "https://i", "AUDIENCE": "a", "RequiredScopes": []}},
        {"ignore_config": {"loadglobal": True}},
        {"env_vars": {"ANY": "x"}, "container_labels": {"any": "x"}, "telemetry_config": {"serviceName": "x"}},
        {"remote_auth_config": {"ClientID": "x"}, **link("authorization", {"anything": 1})},
        link("mcp-parser", {"anything": 1}),
        link("auth", None),
        {"middleware_configs": [{"type": ["auth"], "parameters": {}}, 3], "oidc_config": "x", "tools_override": []},
        ["no object"],
        None,
    ],
)
def test_what_is_known_or_kept_as_it_came_or_no_object_is_nobodys_unknown_key(given: object) -> None:
    assert unknown_keys(RunConfig, given) == ""


def test_of_many_keys_the_first_are_told() -> None:
    told = unknown_keys(RunConfig, {f"key{number}": 1 for number in range(7)})
    assert told.count("is no key") == 5
    assert told.endswith("and 2 more")
