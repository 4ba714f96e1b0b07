"""ARCHITECTURE.md's diagram says what compose.yaml and the rights on NATS say."""

import re
from pathlib import Path

import pytest
import yaml

from toolhive_common import subjects
from toolhive_common.access import Role, access_of

ROOT = Path(__file__).parents[2]
ROLE_OF_BOX = {"api": Role.API, "runtime-agent": Role.AGENT, "proxy": Role.PROXY, "subscriber": Role.SUBSCRIBER}
BUCKETS = {
    subjects.DESIRED_BUCKET,
    subjects.OBSERVED_BUCKET,
    subjects.AGENTS_BUCKET,
    subjects.HANDSHAKES_BUCKET,
    subjects.SESSIONS_BUCKET,
}


def diagram() -> str:
    found = re.search(r"```mermaid\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    assert found, "ARCHITECTURE.md has no mermaid diagram"
    return found[1]


def boxes() -> set[str]:
    """Boxes of our own processes; round ones are others'."""
    return set(re.findall(r"^ *([a-z-]+)\[", diagram(), re.MULTILINE))


def arrows() -> set[tuple[str, str, str]]:
    """(from, to, label) of all arrows."""
    return set(re.findall(r"^ *([a-z-]+) -->\|(.+?)\| ([a-z-]+)$", diagram(), re.MULTILINE))


def drawn(box: str, *, to_nats: bool) -> set[str]:
    """Labels of the arrows between a box and NATS, one way."""
    ends = (box, "nats") if to_nats else ("nats", box)
    return {label for source, label, target in arrows() if (source, target) == ends}


def label_of_publish(subject: str) -> str | None:
    """Label of an arrow for what a role may publish; ``None`` for what is only a way to read."""
    if subject.startswith("$KV."):
        return f"KV: {subject.split('.')[1]}"
    if subject.startswith("toolhive.events."):
        return f"stream: {subjects.EVENTS_STREAM}"
    return f"subject: {subject}" if subject.startswith("toolhive.") else None


def allowed_to_publish(role: Role) -> set[str]:
    return {label for subject in access_of(role).publish if (label := label_of_publish(subject))}


def allowed_to_read(role: Role) -> set[str]:
    access = access_of(role)
    streams = {subject.split(".")[-1] for subject in access.publish if subject.startswith("$JS.API.STREAM.INFO.")}
    labels = {f"KV: {name.removeprefix('KV_')}" for name in streams if name.startswith("KV_")}
    if subjects.EVENTS_STREAM in streams:
        labels.add(f"stream: {subjects.EVENTS_STREAM}")
    plain = (s for s in access.subscribe if s.startswith("toolhive.") and not s.startswith("toolhive.events."))
    return labels | {f"subject: {subject}" for subject in plain}


def test_each_square_box_is_a_compose_service_and_each_service_a_box() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert boxes() == set(services)


@pytest.mark.parametrize("box", ROLE_OF_BOX)
def test_every_arrow_of_nats_is_allowed(box: str) -> None:
    role = ROLE_OF_BOX[box]
    assert drawn(box, to_nats=True) <= allowed_to_publish(role)
    assert drawn(box, to_nats=False) <= allowed_to_read(role)


@pytest.mark.parametrize("box", ROLE_OF_BOX)
def test_whatever_a_service_writes_is_drawn_by_someone(box: str) -> None:
    # The API may also take observed states away, of workloads that are no more; that is no flow of its own.
    silent = {f"KV: {subjects.OBSERVED_BUCKET}"} if box == "api" else set()
    assert allowed_to_publish(ROLE_OF_BOX[box]) - silent == drawn(box, to_nats=True)


def test_each_bucket_stream_and_frame_subject_is_in_the_diagram() -> None:
    labels = {label for _, label, _ in arrows()}
    wanted = {f"KV: {bucket}" for bucket in BUCKETS} | {f"stream: {subjects.EVENTS_STREAM}"}
    assert wanted <= labels


def test_each_nats_user_gets_its_password_from_compose() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert set(services["nats"]["environment"]) == {f"TOOLHIVE_NATS_{role.upper()}_PASSWORD" for role in Role}
