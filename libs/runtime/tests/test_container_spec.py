from typing import Any

import pytest

from toolhive_common.schemas.permissions import (
    BUILTIN_PROFILES,
    NetworkPermissions,
    OutboundNetwork,
    PermissionProfile,
)
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_runtime.decisions.container_spec import container_spec
from toolhive_runtime.errors import InvalidPortError, UnsupportedSettingError
from toolhive_runtime.runtime import ContainerSpec, NetworkSpec, PortBinding

NETWORK = BUILTIN_PROFILES["network"]
NONE = BUILTIN_PROFILES["none"]
LISTED = PermissionProfile(network=NetworkPermissions(outbound=OutboundNetwork(allow_host=("example.org",))))
HTTP: dict[str, Any] = {"transport": Transport.STREAMABLE_HTTP, "target_port": 9000}


def with_mode(mode: str) -> PermissionProfile:
    return PermissionProfile(network=NetworkPermissions(mode=mode))


def spec_of(profile: PermissionProfile = NETWORK, **changes: Any) -> ContainerSpec:
    values: dict[str, Any] = {"name": "time", "transport": Transport.STDIO, "port": 8081, "isolate_network": True}
    run_config = RunConfig.model_validate({**values, **changes})
    return container_spec(
        run_config, profile, image="image:1", owner_labels={"toolhive-agent": "a1"}, restart_policy="no"
    )


def test_a_stdio_server_gets_a_locked_down_container_with_an_open_input() -> None:
    spec = spec_of(cmd_args=("--utc",))
    assert spec.name == "time"
    assert spec.image == "image:1"
    assert spec.command == ("--utc",)
    assert spec.stdin_open
    assert not spec.privileged
    assert spec.drop_capabilities == ("ALL",)
    assert spec.security_options == ("label:disable",)
    assert spec.restart_policy == "no"


def test_an_http_server_gets_no_input() -> None:
    assert not spec_of(**HTTP).stdin_open


def test_labels_are_toolhives_and_the_owners_and_the_users_but_the_users_cannot_replace_the_others() -> None:
    labels = spec_of(
        container_name="c1",
        base_name="b1",
        container_labels={"mine": "1", "toolhive-name": "x", "toolhive-agent": "x"},
    ).labels
    assert labels == {
        "mine": "1",
        "toolhive": "true",
        "toolhive-name": "c1",
        "toolhive-basename": "b1",
        "toolhive-transport": "stdio",
        "toolhive-port": "8081",
        "toolhive-network-isolation": "false",
        "toolhive-agent": "a1",
    }


def test_a_stdio_server_is_told_its_transport_only() -> None:
    assert spec_of(env_vars={"A": "1", "MCP_TRANSPORT": "x"}).environment == {"A": "1", "MCP_TRANSPORT": "stdio"}


def test_an_http_server_is_told_to_listen_on_all_addresses_of_its_own_network() -> None:
    assert spec_of(**HTTP, env_vars={"MCP_PORT": "1"}, target_host="127.0.0.1").environment == {
        "MCP_TRANSPORT": "streamable-http",
        "MCP_PORT": "9000",
        "FASTMCP_PORT": "9000",
        "MCP_HOST": "0.0.0.0",  # noqa: S104 - inside the container
    }


def test_an_http_server_in_the_hosts_network_is_told_to_listen_on_loopback() -> None:
    assert spec_of(with_mode("host"), **HTTP).environment["MCP_HOST"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("profile", "changes", "network", "label"),
    [
        pytest.param(NETWORK, {}, NetworkSpec("toolhive-external"), "false", id="all-outbound"),
        pytest.param(NONE, {}, NetworkSpec("toolhive-time-internal", internal=True), "true", id="no-outbound"),
        pytest.param(
            NONE, {"isolate_network": False}, NetworkSpec("toolhive-external"), "false", id="isolation-turned-off"
        ),
        pytest.param(
            LISTED, {"isolate_network": False}, NetworkSpec("toolhive-external"), "false", id="list-without-isolation"
        ),
        pytest.param(NETWORK, HTTP, NetworkSpec("toolhive-external"), "false", id="http-all-outbound"),
        pytest.param(with_mode("host"), {}, NetworkSpec("host", mode="host"), "false", id="host-mode"),
        pytest.param(with_mode("none"), HTTP, NetworkSpec("none", mode="none"), "false", id="none-mode"),
        pytest.param(
            with_mode("bridge"), {}, NetworkSpec("toolhive-time-internal", internal=True), "true", id="bridge-mode"
        ),
    ],
)
def test_the_network_follows_from_profile_and_isolation(
    profile: PermissionProfile, changes: dict[str, Any], network: NetworkSpec, label: str
) -> None:
    spec = spec_of(profile, **changes)
    assert spec.network == network
    assert spec.labels["toolhive-network-isolation"] == label


@pytest.mark.parametrize(
    ("profile", "changes", "named"),
    [
        pytest.param(LISTED, {}, "allow_host", id="list-needs-an-egress-proxy"),
        pytest.param(NONE, HTTP, "streamable-http", id="http-needs-an-ingress-proxy"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused_by_name(
    profile: PermissionProfile, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(UnsupportedSettingError, match=named):
        spec_of(profile, **changes)


@pytest.mark.parametrize(
    ("text", "binding"),
    [
        ("8080:80", PortBinding(80, 8080, "127.0.0.1")),
        ("80", PortBinding(80, 0, "127.0.0.1")),
        ("192.0.2.1:8080:80", PortBinding(80, 8080, "192.0.2.1")),
    ],
)
def test_a_published_port_is_read(text: str, binding: PortBinding) -> None:
    assert spec_of(publish=(text,)).ports == (binding,)


@pytest.mark.parametrize("text", ["", "x", "80:x", "0", "70000", "1:2:3:4", "-1:80", "80/tcp", "\u0663"])
def test_a_published_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidPortError):
        spec_of(publish=(text,))


def test_values_of_the_environment_are_not_shown() -> None:
    assert "hunter2" not in repr(spec_of(env_vars={"PASSWORD": "hunter2"}))
