"""Which parts of the middleware a RunConfig asks for."""

from collections.abc import Callable
from typing import Any

import pytest

from toolhive_common.middleware.parts import (
    Authentication,
    BodyLimit,
    HeaderForwarding,
    InvalidMiddlewareError,
    OriginCheck,
    PartName,
    Plain,
    ToolRules,
    UnsupportedPartsError,
)
from toolhive_common.middleware.plan import asks_who_calls, plan_middleware, unsupported_middleware
from toolhive_common.origin import OriginRule, refuse_origin
from toolhive_common.schemas.oidc import OidcConfig
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.testing.factories import a_run_config
from toolhive_common.unsupported import unsupported_parts

OIDC = {"Issuer": "https://issuer.example.com", "Audience": "mcp", "Scopes": None, "AllowPrivateIP": False}
TOOLS = {"filter_tools": ["a"], "tools_override": {"b": {"name": "a"}}}


def config_with(**changes: Any) -> RunConfig:
    return RunConfig.model_validate(a_run_config().model_dump() | changes)


def names(config: RunConfig) -> list[str]:
    return [part.name.value for part in plan_middleware(config)]


def links(*types: str) -> list[dict[str, Any]]:
    parameters: dict[str, Any] = {
        "tool-filter": TOOLS,
        "tool-call-filter": TOOLS,
        "auth": {"oidc_config": OIDC},
        "header-forward": {"add_headers": {"X-Key": "k"}},
        "bodylimit": {"max_bytes": 100},
    }
    return [{"type": name, "parameters": parameters.get(name)} for name in types]


def test_a_plain_run_config_has_limits_and_knows_its_callers_by_the_system() -> None:
    assert plan_middleware(a_run_config()) == (
        BodyLimit(),
        OriginCheck(),
        Authentication(),
        Plain(PartName.PARSER),
    )


def test_settings_become_parts_in_the_order_of_the_operator() -> None:
    config = config_with(
        oidc_config=OIDC,
        tools_filter=["a"],
        header_forward={"add_plaintext_headers": {"X-Key": "k"}},
        allowed_origins=["https://app.example.com"],
    )
    assert names(config) == [
        "bodylimit",
        "origin",
        "auth",
        "mcp-parser",
        "tool-filter",
        "tool-call-filter",
        "header-forward",
    ]
    plan = plan_middleware(config)
    assert plan[1] == OriginCheck(("https://app.example.com",))
    assert plan[2] == Authentication(OidcConfig(issuer="https://issuer.example.com", audience="mcp"))
    assert plan[4] == ToolRules(PartName.TOOL_FILTER, frozenset({"a"}), {})
    assert plan[-1] == HeaderForwarding((("x-key", "k"),))


def test_the_order_of_the_command_line_is_kept_but_for_who_asks() -> None:
    chain = links("tool-filter", "tool-call-filter", "auth", "mcp-parser", "recovery", "header-forward")
    assert names(config_with(middleware_configs=chain)) == [
        "recovery",
        "bodylimit",
        "origin",
        "auth",
        "mcp-parser",
        "tool-filter",
        "tool-call-filter",
        "header-forward",
    ]


def test_the_order_of_a_chain_is_its_own_where_it_is_safe() -> None:
    chain = links("header-forward", "tool-call-filter", "tool-filter", "strip-auth", "auth", "bodylimit", "origin")
    assert names(config_with(middleware_configs=chain)) == [
        "bodylimit",
        "origin",
        "auth",
        "strip-auth",
        "mcp-parser",
        "header-forward",
        "tool-call-filter",
        "tool-filter",
    ]


def test_a_limit_in_the_settings_holds_although_the_chain_leaves_it_out() -> None:
    chain = [{"type": "auth", "parameters": {"oidc_config": None}}, {"type": "mcp-parser", "parameters": {}}]
    config = config_with(middleware_configs=chain, oidc_config=OIDC, tools_filter=["a"])
    assert names(config) == ["bodylimit", "origin", "auth", "mcp-parser", "tool-filter", "tool-call-filter"]
    assert Authentication(OidcConfig(issuer="https://issuer.example.com", audience="mcp")) in plan_middleware(config)


@pytest.mark.parametrize(
    "changes",
    [
        {"middleware_configs": links("tool-filter", "tool-call-filter"), "tools_filter": ["b"]},
        {"middleware_configs": links("auth"), "oidc_config": OIDC | {"Audience": "other"}},
        {
            "middleware_configs": links("header-forward"),
            "header_forward": {"add_plaintext_headers": {"X-Key": "secret"}},
        },
    ],
)
def test_a_chain_that_contradicts_the_settings_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidMiddlewareError, match="make both the same") as caught:
        plan_middleware(config_with(**changes))
    assert "secret" not in caught.value.message


def chain_of(*types_and_names: tuple[str, list[str]]) -> list[dict[str, Any]]:
    return [{"type": kind, "parameters": {"filter_tools": names}} for kind, names in types_and_names]


@pytest.mark.parametrize(
    ("chain", "what"),
    [
        (chain_of(("tool-filter", ["a"])), "no 'tool-call-filter' what they can call; add one"),
        ([{"type": "tool-filter", "parameters": {"tools_override": {"a": {"name": "b"}}}}], "add one"),
        (
            chain_of(("tool-filter", ["a"]), ("tool-call-filter", ["a", "b"])),
            "make that one with the same parameters",
        ),
        (
            [
                *chain_of(("tool-filter", ["a"])),
                {"type": "tool-call-filter", "parameters": {"tools_override": {"c": {"name": "b"}}}},
            ],
            "make that one with the same",
        ),
    ],
)
@pytest.mark.parametrize("key", ["middleware_configs", "additional_middleware_configs"])
def test_a_tool_that_is_hidden_and_can_be_called_is_a_contradiction(
    chain: list[dict[str, Any]], what: str, key: str
) -> None:
    with pytest.raises(InvalidMiddlewareError) as caught:
        plan_middleware(config_with(**{key: chain}))
    assert "'tool-filter': it" in caught.value.message
    assert what in caught.value.message


@pytest.mark.parametrize(
    "changes",
    [
        {"middleware_configs": chain_of(("tool-call-filter", ["a"]))},
        {"middleware_configs": chain_of(("tool-filter", ["a", "b"]), ("tool-call-filter", ["a"]))},
        {"middleware_configs": chain_of(("tool-filter", ["a"])), "tools_filter": ["a"]},
    ],
)
def test_a_tool_that_cannot_be_called_may_be_shown(changes: dict[str, Any]) -> None:
    assert "tool-call-filter" in names(config_with(**changes))


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("authz_config (authorization)", {"authz_config": {"version": "1.0"}}),
        ("authz_config_path (authorization)", {"authz_config_path": "/x"}),
        ("audit_config (audit)", {"audit_config": {"enabled": True}}),
        ("audit_config_path (audit)", {"audit_config_path": "/x"}),
        ("telemetry_config (telemetry)", {"telemetry_config": {"endpoint": "x"}}),
        ("rate_limit_config (ratelimit)", {"rate_limit_config": {"shared": {}}}),
        ("token_exchange_config (tokenexchange)", {"token_exchange_config": {"token_url": "x"}}),
        ("upstream_swap_config (upstreamswap)", {"upstream_swap_config": {"provider_name": "x"}}),
        ("aws_sts_config (awssts)", {"aws_sts_config": {"region": "x"}}),
        ("validating_webhooks (validating-webhook)", {"validating_webhooks": [{"name": "x"}]}),
        ("mutating_webhooks (mutating-webhook)", {"mutating_webhooks": [{"name": "x"}]}),
        (
            "embedded_auth_server_config (the embedded authorization server)",
            {"embedded_auth_server_config": {"issuer": "x"}},
        ),
        (
            "header_forward.add_headers_from_secret (secrets)",
            {"header_forward": {"add_headers_from_secret": {"X": "name"}}},
        ),
        *(
            (f"middleware_configs: {kind!r}", {"middleware_configs": links(kind)})
            for kind in ("audit", "telemetry", "ratelimit", "authorization", "tokenexchange", "usagemetrics", "x")
        ),
        ("additional_middleware_configs: 'obo'", {"additional_middleware_configs": links("obo")}),
    ],
)
def test_a_part_that_does_not_exist_is_refused_by_name(part: str, changes: dict[str, Any]) -> None:
    config = config_with(**changes)
    assert unsupported_middleware(config) == (part,)
    with pytest.raises(UnsupportedPartsError) as caught:
        plan_middleware(config)
    assert part in caught.value.message


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
@pytest.mark.parametrize("in_a_chain", [False, True])
def test_the_case_of_keys_that_are_gos_does_not_count(spell: Callable[[str], str], *, in_a_chain: bool) -> None:
    oidc = {spell(key): value for key, value in OIDC.items()}
    link = {"type": "auth", "parameters": {"oidc_config": oidc}}
    changes: dict[str, Any] = {"middleware_configs": [link]} if in_a_chain else {"oidc_config": oidc}
    plan = plan_middleware(config_with(**changes))
    assert Authentication(OidcConfig(issuer="https://issuer.example.com", audience="mcp")) in plan


@pytest.mark.parametrize("key", ["ClientSecret", "clientsecret", "CACertPath", "cacertpath", "AUTHTOKENFILE"])
def test_a_setting_that_is_not_acted_on_is_found_in_any_case(key: str) -> None:
    [part] = unsupported_parts(config_with(oidc_config=OIDC | {key: "hunter2"}))
    assert part.lower() == f"oidc_config.{key}".lower()


def test_a_files_ignore_settings_are_read_in_any_case() -> None:
    config = config_with(ignore_config={"loadglobal": True}, volumes=["/a:/b"])
    assert unsupported_parts(config) == ["ignore_config.LoadGlobal"]


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("oidc_config: Issuer", {"oidc_config": {"Issuer": 3}}),
        ("oidc_config: it says nothing; give Issuer and Audience", {"oidc_config": {}}),
        ("it says nothing", {"middleware_configs": [{"type": "auth", "parameters": {"oidc_config": {}}}]}),
        ("Audience is given twice", {"oidc_config": OIDC | {"audience": "hunter2"}}),
        ("nothing says who issues tokens", {"oidc_config": {"Audience": "x"}}),
        ("both be called", {"tools_override": {"a": {"name": "c"}, "b": {"name": "c"}}}),
        ("both be called", {"tools_override": {"a": {"description": "x"}, "b": {"name": "a"}}}),
        ("neither a name", {"tools_override": {"a": {}}}),
        ("empty", {"tools_filter": [""]}),
        ("names no tool", {"middleware_configs": [{"type": "tool-filter", "parameters": {}}]}),
        ("host is set by the proxy", {"header_forward": {"add_plaintext_headers": {"Host": "hunter2"}}}),
        ("x-real-ip", {"header_forward": {"add_plaintext_headers": {"X-Real-Ip": "hunter2"}}}),
        ("mcp-session-id", {"header_forward": {"add_plaintext_headers": {"MCP-Session-Id": "hunter2"}}}),
        ("cannot be a header's name", {"header_forward": {"add_plaintext_headers": {"a b": "hunter2"}}}),
        ("no header may hold", {"header_forward": {"add_plaintext_headers": {"X": "hunter2\r\nY: z"}}}),
        ("given twice", {"header_forward": {"add_plaintext_headers": {"X": "hunter2", "x": "hunter2"}}}),
        ("Issuer is no https URL", {"oidc_config": {"Issuer": "http://issuer.example.com"}}),
        ("JWKSURL is no https URL", {"oidc_config": {"JWKSURL": "ftp://hunter2"}}),
        (
            "filter_tools has to be a list",
            {"middleware_configs": [{"type": "tool-filter", "parameters": {"filter_tools": "a"}}]},
        ),
        ("it has to be an object", {"middleware_configs": [{"type": "tool-filter", "parameters": ["a"]}]}),
        ("AllowPrivateIP has to be true or false", {"oidc_config": OIDC | {"AllowPrivateIP": "hunter2"}}),
        (
            "max_bytes has to be at least 0",
            {"middleware_configs": [{"type": "bodylimit", "parameters": {"max_bytes": -1}}]},
        ),
        ("'bodylimit'", {"middleware_configs": [{"type": "bodylimit", "parameters": {"max_bytes": "hunter2"}}]}),
    ],
)
def test_settings_that_make_no_sense_are_refused_without_repeating_their_values(
    what: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidMiddlewareError) as caught:
        plan_middleware(config_with(**changes))
    assert what in caught.value.message
    assert "hunter2" not in caught.value.message


def test_the_introspection_of_other_kinds_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedPartsError, match="Google"):
        plan_middleware(
            config_with(oidc_config=OIDC | {"IntrospectionURL": "https://oauth2.googleapis.com/tokeninfo"})
        )


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        ({}, False),
        ({"oidc_config": {}}, False),
        ({"oidc_config": OIDC}, True),
        ({"middleware_configs": links("parser")}, False),
        ({"middleware_configs": links("auth")}, True),
        ({"additional_middleware_configs": links("auth")}, True),
        ({"middleware_configs": [{"type": "auth", "parameters": None}]}, False),
        ({"middleware_configs": [{"type": "auth", "parameters": "nonsense"}]}, False),
    ],
)
def test_callers_are_different_people_where_they_have_to_say_who_they_are(
    changes: dict[str, Any], asks: bool
) -> None:
    assert asks_who_calls(config_with(**changes)) is asks


def test_secrets_stand_in_no_representation() -> None:
    oidc = OidcConfig(issuer="https://i", client_secret="hunter2")
    assert "hunter2" not in repr((oidc, HeaderForwarding((("x", "hunter2"),)), Authentication(oidc)))


@pytest.mark.parametrize("in_a_chain", [False, True])
def test_origins_are_allowed_as_browsers_write_them_however_they_are_spelled(*, in_a_chain: bool) -> None:
    origins = ["https://App.Example.com"]
    link = {"type": "origin", "parameters": {"allowed_origins": origins}}
    changes: dict[str, Any] = {"middleware_configs": [link]} if in_a_chain else {"allowed_origins": origins}
    plan = plan_middleware(config_with(**changes))
    [check] = [part for part in plan if isinstance(part, OriginCheck)]
    rule = OriginRule.for_public_url("http://127.0.0.1:8081")
    assert refuse_origin(rule, "https://app.example.com", also=check.allowed_origins) == ""
