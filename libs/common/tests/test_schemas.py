"""What is written, and what was written elsewhere."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from toolhive_common.schemas.events import EVENT_DATA, ContainerStartedData, EventData, EventType, LifecycleEvent
from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.runconfig import RunConfig, StdioProcess, Transport
from toolhive_common.schemas.workload import Workload, WorkloadStatus
from toolhive_common.testing.factories import a_run_config

EXPORTED = {
    "schema_version": "v0.1.0",
    "image": "ghcr.io/x/y:1",
    "cmd_args": ["--flag"],
    "name": "fetch",
    "container_name": "fetch",
    "base_name": "fetch",
    "transport": "streamable-http",
    "host": "127.0.0.1",
    "port": 21001,
    "target_port": 8080,
    "target_host": "127.0.0.1",
    "permission_profile": {"network": {"outbound": {"insecure_allow_all": True}}},
    "env_vars": {"MCP_TRANSPORT": "streamable-http", "MCP_PORT": "8080"},
    "container_labels": {"toolhive": "true", "toolhive-name": "fetch"},
    "oidc_config": {"Issuer": "https://i", "Audience": "a", "Scopes": None, "AllowPrivateIP": False},
    "telemetry_config": {"samplingRate": "0.1", "serviceName": "thv-fetch", "headers": None, "insecure": False},
    "isolate_network": True,
    "proxy_mode": "streamable-http",
    "group": "default",
    "tools_override": {"get": {"name": "fetch"}},
    "ignore_config": {"LoadGlobal": True},
    "middleware_configs": [{"type": "recovery", "parameters": {}}, {"type": "auth", "parameters": None}],
    "runtime_config": {"builder_image": "python:3.13"},
    "header_forward": {"add_plaintext_headers": {"x": "y"}},
}


def test_an_export_of_toolhive_is_read_and_written_back_the_same() -> None:
    assert json.loads(RunConfig.from_json(json.dumps(EXPORTED)).to_json()) == EXPORTED


def test_what_is_always_written_is_written_when_empty() -> None:
    written = json.loads(RunConfig(name="", transport=Transport.STDIO, host="", image="").to_json())
    assert written == {
        "schema_version": "v0.1.0",
        "image": "",
        "name": "",
        "transport": "stdio",
        "host": "",
        "port": 0,
        "permission_profile": None,
    }


def test_a_file_ends_with_a_line_end_and_is_indented_by_two() -> None:
    text = a_run_config().to_file()
    assert text.startswith('{\n  "schema_version"')
    assert text.endswith("}\n")
    assert RunConfig.from_json(text) == a_run_config()


def test_who_shares_a_stdio_process_is_written_only_when_somebody_chose() -> None:
    assert "stdio_process" not in json.loads(a_run_config().to_json())
    chosen = RunConfig.from_json(json.dumps(EXPORTED | {"stdio_process": "per-session"}))
    assert chosen.stdio_process is StdioProcess.PER_SESSION
    assert json.loads(chosen.to_json())["stdio_process"] == "per-session"


def test_unknown_keys_are_passed_over() -> None:
    assert RunConfig.from_json(json.dumps(EXPORTED | {"from_the_future": 1})).name == "fetch"


@pytest.mark.parametrize(
    "change", [{"transport": "carrier-pigeon"}, {"port": 65536}, {"port": "x"}, {"name": None}, {"cmd_args": "x"}]
)
def test_what_fits_no_schema_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RunConfig.from_json(json.dumps(EXPORTED | change))


@given(
    st.builds(
        a_run_config,
        image=st.text(max_size=10),
        cmd_args=st.lists(st.text(max_size=5), max_size=3).map(tuple),
        env_vars=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
        port=st.integers(0, 65535),
        isolate_network=st.booleans(),
        permission_profile=st.sampled_from([None, *BUILTIN_PROFILES.values()]),
    )
)
def test_a_run_config_survives_the_wire(run_config: RunConfig) -> None:
    assert RunConfig.from_json(run_config.to_json()) == run_config


def test_a_workload_in_a_list_has_its_fixed_keys_and_no_empty_others() -> None:
    workload = Workload(
        name="x",
        transport_type=Transport.STDIO,
        status=WorkloadStatus.STOPPED,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert set(json.loads(workload.to_json())) == {
        "name",
        "package",
        "url",
        "port",
        "transport_type",
        "status",
        "created_at",
    }


def test_every_event_type_has_data() -> None:
    assert set(EVENT_DATA) == set(EventType)


def test_data_of_another_type_is_refused() -> None:
    data = EventData(namespace="default", workload="x")
    with pytest.raises(TypeError, match="takes ContainerStartedData"):
        LifecycleEvent.about(
            EventType.CONTAINER_STARTED,
            data,
            event_id="1",
            source="/x",
            time=datetime(2026, 1, 1, tzinfo=UTC),
            correlation_id="",
        )
    assert ContainerStartedData.model_fields.keys() > EventData.model_fields.keys()
