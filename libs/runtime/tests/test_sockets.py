from collections.abc import Sequence

import pytest

from toolhive_runtime.decisions.sockets import EngineKind, SocketCandidate, is_kubernetes, socket_candidates
from toolhive_runtime.errors import SocketVariableError

HOME = {"HOME": "/home/ann"}


def candidates(
    environment: dict[str, str], *, existing: frozenset[str] = frozenset(), matches: Sequence[str] = ()
) -> list[str]:
    found = socket_candidates(environment, exists=existing.__contains__, matching=lambda _: matches)
    return [candidate.path for candidate in found]


def test_podman_is_looked_for_first_then_colima_then_docker() -> None:
    found = socket_candidates(HOME, exists=lambda _: False, matching=lambda _: ())
    kinds = list(dict.fromkeys(candidate.kind for candidate in found))
    assert kinds == [EngineKind.PODMAN, EngineKind.COLIMA, EngineKind.DOCKER]


def test_all_usual_places_are_looked_at_in_order() -> None:
    environment = {**HOME, "XDG_RUNTIME_DIR": "/run/user/1000", "TMPDIR": "/tmp/ann/"}
    assert candidates(environment, matches=["/tmp/ann/podman/b-api.sock", "/tmp/ann/podman/a-api.sock"]) == [
        "/var/run/podman/podman.sock",
        "/run/user/1000/podman/podman.sock",
        "/home/ann/.local/share/containers/podman/machine/podman.sock",
        "/tmp/ann/podman/a-api.sock",
        "/tmp/ann/podman/b-api.sock",
        "/home/ann/.colima/default/docker.sock",
        "/var/run/docker.sock",
        "/home/ann/.docker/run/docker.sock",
        "/home/ann/.docker/desktop/docker.sock",
        "/home/ann/.rd/docker.sock",
        "/home/ann/.orbstack/run/docker.sock",
    ]


def test_the_pattern_of_podman_machine_is_looked_up_in_the_temporary_folder() -> None:
    asked: list[str] = []

    def matching(pattern: str) -> Sequence[str]:
        asked.append(pattern)
        return ()

    socket_candidates({"TMPDIR": "/tmp/ann"}, exists=lambda _: False, matching=matching)
    assert asked == ["/tmp/ann/podman/*-api.sock"]


def test_places_whose_variable_is_not_set_are_left_out() -> None:
    assert candidates({}) == ["/var/run/podman/podman.sock", "/var/run/docker.sock"]


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        ("TOOLHIVE_PODMAN_SOCKET", EngineKind.PODMAN),
        ("TOOLHIVE_COLIMA_SOCKET", EngineKind.COLIMA),
        ("TOOLHIVE_DOCKER_SOCKET", EngineKind.DOCKER),
    ],
)
def test_a_variable_comes_first_for_its_kind(variable: str, kind: EngineKind) -> None:
    found = socket_candidates({**HOME, variable: "/my.sock"}, exists=lambda _: True, matching=lambda _: ())
    of_kind = [candidate for candidate in found if candidate.kind is kind]
    assert of_kind[0] == SocketCandidate(kind, "/my.sock")


def test_a_variable_that_names_nothing_is_an_error_that_names_it() -> None:
    with pytest.raises(SocketVariableError, match=r"TOOLHIVE_COLIMA_SOCKET names the socket /gone\.sock"):
        candidates({**HOME, "TOOLHIVE_COLIMA_SOCKET": "/gone.sock"})


def test_a_variable_that_names_a_usual_place_is_listed_once() -> None:
    paths = candidates(
        {"TOOLHIVE_DOCKER_SOCKET": "/var/run/docker.sock"}, existing=frozenset({"/var/run/docker.sock"})
    )
    assert paths.count("/var/run/docker.sock") == 1


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"TOOLHIVE_RUNTIME": "kubernetes"}, True),
        ({"TOOLHIVE_RUNTIME": "docker"}, False),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True),
        ({"KUBERNETES_SERVICE_HOST": ""}, False),
    ],
)
def test_kubernetes_is_known_by_its_variables(environment: dict[str, str], *, expected: bool) -> None:
    assert is_kubernetes(environment) is expected
