from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.errors import ErrorCode
from toolhive_runtime.decisions.engine_answers import container_event, container_status, engine_version, is_vanishing
from toolhive_runtime.decisions.engine_errors import create_failure, pull_failure, start_failure
from toolhive_runtime.decisions.engine_requests import container_request
from toolhive_runtime.decisions.stream_frames import OutputFrames
from toolhive_runtime.runtime import (
    ContainerEventKind,
    ContainerSpec,
    ContainerState,
    Mount,
    NetworkSpec,
    PortBinding,
)

SPEC = ContainerSpec(
    name="time",
    image="image:1",
    command=("--utc",),
    environment={"A": "b=c"},
    labels={"toolhive": "true"},
    mounts=(Mount("/a", "/b", read_only=True),),
    network=NetworkSpec("toolhive-external"),
    ports=(PortBinding(80, 8080, "127.0.0.1"), PortBinding(90, 0)),
    stdin_open=True,
    privileged=False,
    restart_policy="no",
)


def inspected(**state: Any) -> dict[str, Any]:
    return {
        "Id": "abc",
        "Name": "/time",
        "Created": "2026-01-01T10:00:00.123456789Z",
        "Config": {"Image": "image:1", "Labels": {"toolhive": "true"}},
        "State": {"StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z", **state},
        "NetworkSettings": {"Networks": {"toolhive-external": {"IPAddress": "172.18.0.2"}}},
    }


def test_a_running_container_has_an_address_and_no_exit_code() -> None:
    status = container_status(inspected(Status="running", StartedAt="2026-01-01T10:00:01Z", ExitCode=0))
    assert status.name == "time"
    assert status.state is ContainerState.RUNNING
    assert status.address == "172.18.0.2"
    assert status.exit_code is None
    assert status.created_at == datetime(2026, 1, 1, 10, 0, 0, 123456, UTC)
    assert status.started_at == datetime(2026, 1, 1, 10, 0, 1, tzinfo=UTC)
    assert status.finished_at is None


def test_an_ended_container_has_an_exit_code_and_no_address() -> None:
    status = container_status(
        inspected(Status="exited", ExitCode=137, OOMKilled=True, FinishedAt="2026-01-01T12:00:00.5+01:00")
    )
    assert (status.exit_code, status.oom_killed, status.address) == (137, True, "")
    assert status.finished_at == datetime(2026, 1, 1, 11, 0, 0, 500000, UTC)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("created", ContainerState.CREATED),
        ("running", ContainerState.RUNNING),
        ("restarting", ContainerState.EXITED),
        ("dead", ContainerState.EXITED),
        ("removing", ContainerState.REMOVING),
        ("paused", ContainerState.PAUSED),
        ("stopped", ContainerState.EXITED),
        ("never heard of", ContainerState.UNKNOWN),
    ],
)
def test_the_engines_words_for_states_are_translated(word: str, state: ContainerState) -> None:
    assert container_status(inspected(Status=word)).state is state


def event(action: str, **attributes: str) -> dict[str, Any]:
    return {
        "Type": "container",
        "Action": action,
        "Actor": {"ID": "abc", "Attributes": {"name": "time", "image": "i", "toolhive": "true", **attributes}},
        "timeNano": 1_767_261_600_500_000_000,
    }


@pytest.mark.parametrize(
    ("message", "kind", "exit_code"),
    [
        pytest.param(event("start"), ContainerEventKind.STARTED, None, id="start"),
        pytest.param(event("die", exitCode="137"), ContainerEventKind.DIED, 137, id="die"),
        pytest.param(event("died", containerExitCode="2"), ContainerEventKind.DIED, 2, id="die-podman"),
        pytest.param(event("oom"), ContainerEventKind.OOM, None, id="oom"),
        pytest.param(event("destroy"), ContainerEventKind.REMOVED, None, id="destroy"),
    ],
)
def test_an_event_is_translated(message: dict[str, Any], kind: ContainerEventKind, exit_code: int | None) -> None:
    told = container_event(message)
    assert told is not None
    assert (told.kind, told.exit_code, told.container_id, told.name) == (kind, exit_code, "abc", "time")
    assert told.labels == {"toolhive": "true"}
    assert told.at == datetime(2026, 1, 1, 10, 0, 0, 500000, UTC)


@pytest.mark.parametrize("action", ["attach", "create", "exec_start: sh", "stop", "kill"])
def test_other_events_concern_nobody(action: str) -> None:
    assert container_event(event(action)) is None


@pytest.mark.parametrize(
    ("components", "product", "has_init"),
    [([{"Name": "Engine"}], "Docker", True), ([{"Name": "Podman Engine"}], "Podman", False), (None, "Docker", True)],
)
def test_the_engine_is_known_by_its_components(components: object, product: str, *, has_init: bool) -> None:
    version = engine_version({"Version": "1", "ApiVersion": "1.41", "Components": components})
    assert (version.product, version.has_init, version.api) == (product, has_init, "1.41")


def test_a_container_is_asked_for_in_the_engines_words() -> None:
    body = container_request(SPEC, init=True)
    assert body["Env"] == ["A=b=c"]
    assert body["Cmd"] == ["--utc"]
    assert (body["OpenStdin"], body["StdinOnce"], body["Tty"]) == (True, False, False)
    assert body["HostConfig"] == {
        "NetworkMode": "toolhive-external",
        "PortBindings": {
            "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
            "90/tcp": [{"HostIp": "", "HostPort": "0"}],
        },
        "Mounts": [{"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True}],
        "Init": True,
        "Privileged": False,
        "RestartPolicy": {"Name": "no"},
        "CapDrop": ["ALL"],
        "SecurityOpt": ["label:disable"],
    }


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (
            'Conflict. The container name "/time" is already in use by container "0a1b".',
            ErrorCode.CONTAINER_NAME_TAKEN,
        ),
        ('the container name "time" is already in use by 0a1b', ErrorCode.CONTAINER_NAME_TAKEN),
        (
            'invalid mount config for type "bind": bind source path does not exist: /nope',
            ErrorCode.INVALID_MOUNT,
        ),
        ("No such image: image:1", ErrorCode.IMAGE_NOT_FOUND),
        ("something else", ErrorCode.ENGINE_ERROR),
    ],
)
def test_a_refused_creation_is_told_by_its_cause(message: str, code: ErrorCode) -> None:
    assert create_failure(400, message, name="time", image="image:1").code is code


@pytest.mark.parametrize(
    ("message", "code", "said"),
    [
        (
            "driver failed programming connectivity: Bind for 0.0.0.0:8080 failed: port is already allocated",
            ErrorCode.PORT_TAKEN,
            "0.0.0.0:8080",
        ),
        (
            "failed to bind host port: listen tcp4 0.0.0.0:8080: bind: address already in use",
            ErrorCode.PORT_TAKEN,
            "0.0.0.0:8080",
        ),
        (
            'OCI runtime create failed: starting container process caused: exec: "nope": executable file not found',
            ErrorCode.CONTAINER_START_FAILED,
            'exec: "nope"',
        ),
    ],
)
def test_a_failed_start_is_told_by_its_cause(message: str, code: ErrorCode, said: str) -> None:
    failure = start_failure(500, message)
    assert failure.code is code
    assert said in failure.message


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (404, "pull access denied for x, repository does not exist", ErrorCode.IMAGE_NOT_FOUND),
        (200, "manifest for x:1 not found: manifest unknown", ErrorCode.IMAGE_NOT_FOUND),
        (400, "invalid reference format", ErrorCode.IMAGE_NOT_FOUND),
        (500, "dial tcp: lookup registry: no such host", ErrorCode.IMAGE_PULL_FAILED),
        (200, "unexpected EOF", ErrorCode.IMAGE_PULL_FAILED),
    ],
)
def test_a_failed_pull_is_told_by_its_cause(status: int, message: str, code: ErrorCode) -> None:
    assert pull_failure(status, message, image="x:1").code is code


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.binary(max_size=50)), max_size=10),
    st.lists(st.integers(0, 600), max_size=10),
)
def test_output_is_taken_out_of_the_mix_wherever_it_is_cut(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    wire = b"".join(frame(stream, data) for stream, data in frames)
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    parser = OutputFrames()
    pieces = [piece for start, end in pairwise(edges) for piece in parser.feed(wire[start:end])]
    assert b"".join(pieces) == b"".join(data for stream, data in frames if stream == 1)


def a_holder(status: str, agent: str | None) -> Mapping[str, Any]:
    return {"State": {"Status": status}, "Config": {"Labels": {"toolhive-agent": agent} if agent else None}}


@pytest.mark.parametrize(
    ("holder", "vanishing"),
    [
        pytest.param(None, True, id="gone already"),
        pytest.param(a_holder("removing", None), True, id="being removed"),
        pytest.param(a_holder("running", "ours"), True, id="ours"),
        pytest.param(a_holder("running", "theirs"), False, id="of another agent"),
        pytest.param(a_holder("exited", None), False, id="of nobody we know"),
    ],
)
def test_a_name_is_waited_for_only_while_its_holder_goes(holder: Mapping[str, Any] | None, vanishing: bool) -> None:
    assert is_vanishing(holder, {"toolhive-agent": "ours"}) is vanishing
