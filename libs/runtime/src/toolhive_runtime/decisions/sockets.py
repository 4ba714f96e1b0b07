"""Where a container engine's socket may be, and what the environment says about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from toolhive_runtime.errors import SocketVariableError

__all__ = ["EngineKind", "SocketCandidate", "is_kubernetes", "socket_candidates"]


class EngineKind(StrEnum):
    """Whose socket it is. All of them speak Docker's API."""

    PODMAN = "podman"
    COLIMA = "colima"
    DOCKER = "docker"


@dataclass(frozen=True)
class SocketCandidate:
    """A place to look for an engine."""

    kind: EngineKind
    path: str


_VARIABLES = {
    EngineKind.PODMAN: "TOOLHIVE_PODMAN_SOCKET",
    EngineKind.COLIMA: "TOOLHIVE_COLIMA_SOCKET",
    EngineKind.DOCKER: "TOOLHIVE_DOCKER_SOCKET",
}
_USUAL_PLACES = {
    EngineKind.PODMAN: (
        "/var/run/podman/podman.sock",
        "$XDG_RUNTIME_DIR/podman/podman.sock",
        "$HOME/.local/share/containers/podman/machine/podman.sock",  # Podman Machine on macOS
        "$TMPDIR/podman/*-api.sock",  # its API socket
    ),
    EngineKind.COLIMA: ("$HOME/.colima/default/docker.sock",),
    EngineKind.DOCKER: (
        "/var/run/docker.sock",
        "$HOME/.docker/run/docker.sock",  # Docker Desktop on macOS
        "$HOME/.docker/desktop/docker.sock",  # Docker Desktop on Linux
        "$HOME/.rd/docker.sock",  # Rancher Desktop
        "$HOME/.orbstack/run/docker.sock",  # OrbStack
    ),
}


def socket_candidates(
    environment: Mapping[str, str],
    *,
    exists: Callable[[str], bool],
    matching: Callable[[str], Sequence[str]],
) -> tuple[SocketCandidate, ...]:
    """List the places to look, in order: Podman, Colima, Docker, and within each what its variable says first.

    Parameters
    ----------
    exists
        Whether there is anything at a path.
    matching
        Paths that fit a pattern with ``*``.

    Raises
    ------
    SocketVariableError
        A variable names a path where nothing is. To pass it over would run workloads on an engine that the user did
        not mean.
    """
    candidates = []
    for kind in EngineKind:
        named = environment.get(_VARIABLES[kind], "")
        if named:
            if not exists(named):
                raise SocketVariableError(_VARIABLES[kind], named)
            candidates.append(SocketCandidate(kind, named))
        for place in _USUAL_PLACES[kind]:
            candidates += [SocketCandidate(kind, path) for path in _expanded(place, environment, matching)]
    return tuple(dict.fromkeys(candidates))


def _expanded(place: str, environment: Mapping[str, str], matching: Callable[[str], Sequence[str]]) -> Sequence[str]:
    if place.startswith("$"):
        variable, _, rest = place[1:].partition("/")
        folder = environment.get(variable, "")
        if not folder:
            return ()
        place = f"{folder.rstrip('/')}/{rest}"
    return sorted(matching(place)) if "*" in place else (place,)


def is_kubernetes(environment: Mapping[str, str]) -> bool:
    """Whether containers are made by Kubernetes rather than by an engine on this machine."""
    return environment.get("TOOLHIVE_RUNTIME") == "kubernetes" or bool(environment.get("KUBERNETES_SERVICE_HOST"))
