from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.schemas.permissions import NetworkPermissions, PermissionProfile
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.testing.factories import a_run_config
from toolhive_proxy.decisions.cluster_run import effective_run_config, parse_env_file, refuse_unsupported
from toolhive_proxy.decisions.process_notes import known_from, note_of
from toolhive_proxy.errors import EnvFilesError, NoRunConfigError
from toolhive_proxy.proxyrunner import find_run_config, with_env_files
from toolhive_runtime.errors import UnsupportedSettingError
from toolhive_sessions.effects import Handshake

NOTHING = {"image": "", "pod_patch": "", "debug": False, "generation": ""}
JSON = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers() | st.booleans(), max_size=4)


def a_config(**changes: Any) -> RunConfig:
    return a_run_config("time", **{"image": "time:1", "transport": Transport.STDIO, "port": 8080, **changes})


def test_what_is_told_to_the_process_goes_over_what_its_file_says() -> None:
    told = {"image": "time:2", "pod_patch": "{}", "debug": True, "generation": "7"}
    made = effective_run_config(a_config(mcpserver_generation=3, k8s_pod_template_patch='{"spec":{}}'), **told)  # type: ignore[arg-type]
    assert (made.image, made.k8s_pod_template_patch, made.debug, made.mcpserver_generation) == (
        "time:2",
        "{}",
        True,
        7,
    )


@pytest.mark.parametrize("generation", ["", "-1", "three", "²"])
def test_what_is_no_generation_leaves_the_files(generation: str) -> None:
    told: dict[str, Any] = {**NOTHING, "generation": generation}
    assert effective_run_config(a_config(mcpserver_generation=3), **told).mcpserver_generation == 3


def test_nothing_told_changes_nothing() -> None:
    config = a_config(debug=True)
    assert effective_run_config(config, **NOTHING) == config  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"remote_url": "https://example.org/mcp"}, "remote_url", id="remote"),
        pytest.param({"image": "uvx://mcp-server-time"}, "the package 'uvx://mcp-server-time'", id="package"),
        pytest.param({"transport": Transport.SSE}, "without target_port", id="no-port"),
        pytest.param({"publish": ("80:80",)}, "publish", id="published"),
        pytest.param(
            {"isolate_network": True, "permission_profile": PermissionProfile()},
            "isolate_network .* NetworkPolicy",
            id="isolated",
        ),
        pytest.param({"permission_profile": PermissionProfile(privileged=True)}, "privileged", id="privileged"),
        pytest.param(
            {"permission_profile": PermissionProfile(network=NetworkPermissions(mode="host"))}, "mode", id="network"
        ),
        pytest.param({"scaling_config": {"backend_replicas": 2}}, "backend_replicas", id="stdio-replicas"),
        pytest.param({"scaling_config": {"session_redis": {}}}, "session_redis", id="session-store"),
        pytest.param({"secrets": ("a,target=A",)}, "secrets", id="secrets"),
        pytest.param({"rate_limit_config": {"shared": {}}}, "rate_limit_config", id="middleware"),
        pytest.param({"oidc_config": {"CACertPath": "/ca"}}, "oidc_config.CACertPath", id="oidc-file"),
    ],
)
def test_what_would_have_no_effect_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedSettingError, match=named):
        refuse_unsupported(a_config(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"transport": Transport.SSE, "target_port": 8000, "target_host": "10.0.0.1"},
        {"isolate_network": True, "permission_profile": {"network": {"outbound": {"insecure_allow_all": True}}}},
        {"scaling_config": {"backend_replicas": 1}},
        {"transport": Transport.STREAMABLE_HTTP, "target_port": 8000, "scaling_config": {"backend_replicas": 3}},
        {"k8s_pod_template_patch": "{}", "env_file_dir": "/vault/secrets", "tools_filter": ("a",)},
    ],
)
def test_what_acts_is_not_refused(changes: dict[str, Any]) -> None:
    refuse_unsupported(RunConfig.model_validate({**a_config().model_dump(by_alias=True), **changes}))


def test_variables_are_read_from_lines() -> None:
    text = "# a comment\n\nexport A=1\nB = two words \nC=\"quoted\"\nD='it''s'\nE=\n=nothing\nno line\nF=a=b\n"
    assert parse_env_file(text) == {"A": "1", "B": "two words", "C": "quoted", "D": "it''s", "E": "", "F": "a=b"}


@given(st.text())
def test_whatever_stands_in_a_file_is_read_without_an_error(text: str) -> None:
    assert all(parse_env_file(text))


def test_files_of_variables_come_over_the_run_configs(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A=file\n")
    (tmp_path / "folder").mkdir()
    made = with_env_files(a_config(env_file_dir=str(tmp_path), env_vars={"A": "config", "B": "config"}))
    assert made.env_vars == {"A": "file", "B": "config"}


def test_a_folder_of_variables_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvFilesError, match="env_file_dir"):
        with_env_files(a_config(env_file_dir=str(tmp_path / "no")))


def test_the_first_place_with_a_run_config_counts(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    with pytest.raises(NoRunConfigError, match=f"none of {first}, {second}, {third} exists"):
        find_run_config([first, second, third])
    third.write_text("{}")
    second.write_text("{}")
    assert find_run_config([first, second, third]) == second


@given(JSON, JSON, st.booleans(), st.booleans(), st.text(max_size=20))
def test_a_note_says_the_same_to_the_next_proxy(
    params: dict[str, Any], result: dict[str, Any], initialized: bool, modern: bool, run: str
) -> None:
    handshake = Handshake(params, result, initialized, modern)
    assert known_from(note_of(run, handshake), run) == handshake
    assert known_from(note_of(run, handshake), run + "x") is None


@given(st.text())
def test_whatever_stands_on_an_object_is_read_without_an_error(note: str) -> None:
    assert known_from(note, "a") is None


def test_a_note_that_is_too_long_is_none() -> None:
    assert note_of("a", Handshake(result={"instructions": "x" * 200_000})) == ""
