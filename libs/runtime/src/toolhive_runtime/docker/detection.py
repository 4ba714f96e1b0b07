"""Finding an engine on this machine."""

import glob
from collections.abc import Mapping
from pathlib import Path

from toolhive_runtime.decisions.sockets import SocketCandidate, socket_candidates
from toolhive_runtime.docker.engine import DockerRuntime
from toolhive_runtime.errors import EnginePermissionDeniedError, NoRuntimeError, RuntimeFailure

__all__ = ["detect_runtime"]


async def detect_runtime(environment: Mapping[str, str]) -> DockerRuntime:
    """Use the first socket that an engine answers on, in the order Podman, Colima, Docker.

    Parameters
    ----------
    environment
        The process's environment variables.

    Raises
    ------
    SocketVariableError
        A ``TOOLHIVE_*_SOCKET`` variable names a socket that is not there.
    NoRuntimeError
        No socket is usable; its message lists each with its reason.
    """
    tried: list[tuple[str, str]] = []
    permission_denied = False
    for candidate in socket_candidates(environment, exists=_exists, matching=glob.glob):
        if not _exists(candidate.path):
            tried.append((f"{candidate.path} ({candidate.kind})", "not there"))
            continue
        problem = await _probe(candidate)
        if isinstance(problem, DockerRuntime):
            return problem
        permission_denied = permission_denied or isinstance(problem, EnginePermissionDeniedError)
        tried.append((f"{candidate.path} ({candidate.kind})", _brief(problem)))
    raise NoRuntimeError(tried, permission_denied=permission_denied)


async def _probe(candidate: SocketCandidate) -> DockerRuntime | RuntimeFailure:
    runtime = DockerRuntime(candidate.path)
    try:
        await runtime.describe()
    except RuntimeFailure as failure:
        await runtime.close()
        return failure
    return runtime


def _brief(problem: RuntimeFailure) -> str:
    return "permission denied" if isinstance(problem, EnginePermissionDeniedError) else "there, but does not answer"


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except PermissionError:  # its folder is closed to us, which is for the probe to tell
        return True
