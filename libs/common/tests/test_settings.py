"""Settings of ToolHive's, read and spelled."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common import oidc_settings
from toolhive_common.remote import InvalidRemoteUrlError, parse_remote_url
from toolhive_common.schemas.workload import OidcOptions
from toolhive_common.testing.factories import a_run_config
from toolhive_common.unsupported import unsupported_parts


def test_a_remote_url_is_taken_apart() -> None:
    found = parse_remote_url("https://Example.com/v2/mcp?key=1&b=%20#part")
    assert (found.scheme, found.host, found.port) == ("https", "example.com", 443)
    assert (found.path, found.query) == ("/v2/mcp", "key=1&b=%20")
    assert found.shown == "https://example.com/v2/mcp"
    assert parse_remote_url("http://[::1]:8080/").origin == "http://[::1]:8080"
    assert parse_remote_url("http://x/").path == ""
    for host in ("mcp_server-1", "example.com.", "127.0.0.1", "xn--bcher-kva.example", "a" * 63 + ".example"):
        assert parse_remote_url(f"http://{host}/").host == host


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://x",
        "https://",
        "https:///mcp",
        "https://x:0/",
        "https://x:99999/",
        "https://a b/",
        "https://x/ü",
        "https://x/\r\nHost: y",
        "https://user@x/",
        "https://:key@x/",
        "https://[::1",
        "https://[::g]/",
        "https://a..b/mcp",
        "https://.a/",
        "https://-a.example/",
        "https://a-.example/",
        "https://a%2eb/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 127 + "example/",
        "https://x/" + "a" * 3000,
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidRemoteUrlError) as caught:
        parse_remote_url(url)
    assert len(url) < 9 or url not in caught.value.message


@given(st.text(max_size=40) | st.text(max_size=40).map("https://{}".format))
def test_any_text_is_a_remote_url_or_refused(text: str) -> None:
    try:
        found = parse_remote_url(text)
    except InvalidRemoteUrlError:
        return
    assert parse_remote_url(found.shown).origin == found.origin


def test_authentication_is_spelled_in_both_ways() -> None:
    options = OidcOptions(issuer="https://i", scopes=("a", "b"), allow_private_ip=True, resource_url="https://r")
    assert oidc_settings.from_run_config(oidc_settings.to_run_config(options)) == options
    assert oidc_settings.from_run_config({"Issuer": "https://i", "Scopes": None}).scopes == ()


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("remote_auth_config", {"remote_auth_config": {"client_id": "x"}}),
        ("authz_config_path (authorization)", {"authz_config_path": "/authz.json"}),
        ("secrets", {"secrets": ("key,target=KEY",)}),
        ("oidc_config.ClientSecret", {"oidc_config": {"Issuer": "x", "ClientSecret": "hunter2"}}),
        (
            "header_forward.add_headers_from_secret (secrets)",
            {"header_forward": {"add_headers_from_secret": {"X": "k"}}},
        ),
        ("target_host", {"target_host": "10.0.0.1"}),
        ("permission_profile_name_or_path", {"permission_profile": None, "permission_profile_name_or_path": "/p"}),
        ("ignore_config.LoadGlobal", {"ignore_config": {"LoadGlobal": True}, "volumes": ("/a:/b",)}),
        ("middleware_configs: 'authorization'", {"middleware_configs": [{"type": "authorization"}]}),
        ("additional_middleware_configs: 'obo'", {"additional_middleware_configs": [{"type": "obo"}]}),
        ("scaling_config", {"scaling_config": {"backend_replicas": 2}}),
    ],
)
def test_a_part_without_effect_is_named(part: str, changes: dict[str, Any]) -> None:
    config = type(a_run_config()).model_validate(a_run_config().model_dump() | changes)
    assert unsupported_parts(config) == [part]


def test_a_run_config_that_has_effect_names_nothing() -> None:
    config = a_run_config(oidc_config={"Issuer": "https://i", "ClientSecret": ""}, ignore_config={"LoadGlobal": True})
    assert unsupported_parts(config) == []
