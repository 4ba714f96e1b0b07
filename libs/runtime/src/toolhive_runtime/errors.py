"""Why a runtime could not do what it was asked.

    RuntimeFailure                 any of them; ``code`` is the cause
      EngineUnreachableError       no answer from the socket
      EnginePermissionDeniedError  the socket is there, but not for us
      NoRuntimeError               no candidate socket is usable
      SocketVariableError          a variable names a socket that is not there
      EngineFault                  the engine said something that nobody foresaw
      ImageNotFoundError           ImagePullFailedError
      PackageNotFoundError         InvalidPackageError       ImageBuildFailedError
      ContainerNameTakenError      PortTakenError            InvalidMountError         InvalidPortError
      ContainerStartFailedError    UnsupportedSettingError   InvalidBuildOptionError
      NoClusterError               neither a service account nor a kubeconfig is there
      ClusterUnreachableError      ClusterForbiddenError     ClusterFault
      InvalidPodPatchError         the pod template of a workload cannot be used

Each builds its own sentence: what happened, why, what to do.
"""

from collections.abc import Sequence

from toolhive_common.errors import ErrorCode, ToolHiveError

__all__ = [
    "ClusterFault",
    "ClusterForbiddenError",
    "ClusterUnreachableError",
    "ContainerNameTakenError",
    "ContainerStartFailedError",
    "EngineFault",
    "EnginePermissionDeniedError",
    "EngineUnreachableError",
    "ImageBuildFailedError",
    "ImageNotFoundError",
    "ImagePullFailedError",
    "InvalidBuildOptionError",
    "InvalidMountError",
    "InvalidPackageError",
    "InvalidPodPatchError",
    "InvalidPortError",
    "NoClusterError",
    "NoRuntimeError",
    "PackageNotFoundError",
    "PortTakenError",
    "RuntimeFailure",
    "SocketVariableError",
    "UnsupportedSettingError",
]


class RuntimeFailure(ToolHiveError):  # noqa: N818 - the name of the interface's contract
    """Any failure of a container runtime."""


class EngineUnreachableError(RuntimeFailure):
    """The engine's socket does not answer."""

    def __init__(self, socket: str, why: str) -> None:
        super().__init__(
            ErrorCode.ENGINE_UNREACHABLE,
            f"the container engine at {socket} does not answer ({why}); start it, for example with "
            "'systemctl start docker' or by opening Docker Desktop",
        )


class EnginePermissionDeniedError(RuntimeFailure):
    """The socket is there, but this user may not open it."""

    def __init__(self, socket: str) -> None:
        super().__init__(
            ErrorCode.ENGINE_PERMISSION_DENIED,
            f"no permission to open the container engine's socket {socket}; add your user to the docker group "
            "('sudo usermod -aG docker $USER', then log in again), or run as the user who owns the socket",
        )


class NoRuntimeError(RuntimeFailure):
    """None of the known sockets leads to an engine."""

    def __init__(self, tried: Sequence[tuple[str, str]], *, permission_denied: bool) -> None:
        listed = "".join(f"\n  {path}: {reason}" for path, reason in tried)
        hint = (
            " Your user may not open a socket that is there: add it to the docker group." if permission_denied else ""
        )
        super().__init__(
            ErrorCode.ENGINE_PERMISSION_DENIED if permission_denied else ErrorCode.ENGINE_UNREACHABLE,
            f"no supported container runtime is available.{hint} Start Podman, Colima or Docker, or name its socket "
            f"with TOOLHIVE_PODMAN_SOCKET, TOOLHIVE_COLIMA_SOCKET or TOOLHIVE_DOCKER_SOCKET. Tried:{listed}",
        )


class SocketVariableError(RuntimeFailure):
    """A ``TOOLHIVE_*_SOCKET`` variable names what is not there."""

    def __init__(self, variable: str, path: str) -> None:
        super().__init__(
            ErrorCode.ENGINE_UNREACHABLE,
            f"{variable} names the socket {path}, which does not exist; correct the variable, or unset it to "
            "look in the usual places",
        )


class EngineFault(RuntimeFailure):
    """The engine refused for a reason that has no code of its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(
            ErrorCode.ENGINE_ERROR,
            f"the container engine answered with an error ({status}): {message or 'without a message'}; "
            "its own log may say more",
        )


class ImageNotFoundError(RuntimeFailure):
    """There is no such image, here or in its registry."""

    def __init__(self, image: str, detail: str) -> None:
        super().__init__(
            ErrorCode.IMAGE_NOT_FOUND,
            f"the image {image} was not found: {detail}; check its name and tag, and log in to its registry "
            "('docker login') if it is private",
        )


class ImagePullFailedError(RuntimeFailure):
    """The image may exist, but could not be fetched."""

    def __init__(self, image: str, detail: str) -> None:
        super().__init__(
            ErrorCode.IMAGE_PULL_FAILED,
            f"the image {image} could not be pulled: {detail}; check the network and the registry, then try again",
        )


class PackageNotFoundError(RuntimeFailure):
    """The package's registry does not have it."""

    def __init__(self, source: str, detail: str) -> None:
        super().__init__(
            ErrorCode.PACKAGE_NOT_FOUND,
            f"the package {source} was not found: {detail}; check its name and version",
        )


class InvalidPackageError(RuntimeFailure):
    """No package can be called that, so none will be found."""

    def __init__(self, source: str, problem: str, example: str) -> None:
        super().__init__(
            ErrorCode.PACKAGE_NOT_FOUND, f"{source[:200]!r} names no package: {problem}; write it like {example}"
        )


class InvalidBuildOptionError(RuntimeFailure):
    """A setting of ``runtime_config`` cannot stand in a Dockerfile."""

    def __init__(self, setting: str, value: str, problem: str) -> None:
        super().__init__(
            ErrorCode.INVALID_REQUEST, f"runtime_config.{setting} cannot be {value[:200]!r}: {problem}; correct it"
        )


class ImageBuildFailedError(RuntimeFailure):
    """A package could not be made into an image."""

    def __init__(self, source: str, reason: str, last_lines: Sequence[str] = ()) -> None:
        output = "".join(f"\n  {line}" for line in last_lines)
        super().__init__(
            ErrorCode.IMAGE_BUILD_FAILED,
            f"the image of {source} could not be built: {reason}"
            + (f"; the build's last lines:{output}" if output else ""),
        )


class ContainerNameTakenError(RuntimeFailure):
    """Another container has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            ErrorCode.CONTAINER_NAME_TAKEN,
            f"a container called {name} exists already and is not ours; choose another name, or remove it with "
            f"'docker rm -f {name}'",
        )


class PortTakenError(RuntimeFailure):
    """A port of the host that shall be published is in use."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            ErrorCode.PORT_TAKEN,
            f"a port to publish is already in use on this machine ({detail}); publish another one, or stop what "
            "uses it",
        )


class InvalidMountError(RuntimeFailure):
    """A mount that cannot be made."""

    def __init__(self, mount: str, problem: str) -> None:
        super().__init__(
            ErrorCode.INVALID_MOUNT,
            f"the mount {mount!r} cannot be made: {problem}; write it as 'path' or '/path/on/host:/path/inside', "
            "and make sure that the source exists",
        )


class InvalidPortError(RuntimeFailure):
    """A port to publish that is none."""

    def __init__(self, text: str) -> None:
        super().__init__(
            ErrorCode.INVALID_REQUEST,
            f"the published port {text[:200]!r} cannot be read; write 'host:container' or 'container' with ports "
            "from 1 to 65535, such as '8080:80'",
        )


class ContainerStartFailedError(RuntimeFailure):
    """The engine has the container, but cannot start it."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            ErrorCode.CONTAINER_START_FAILED,
            f"the container could not be started: {detail}; check the image's command and its arguments",
        )


class UnsupportedSettingError(RuntimeFailure):
    """A setting of ToolHive that no runtime here acts on yet. Refused, so that nobody relies on it."""

    def __init__(self, setting: str, why: str) -> None:
        super().__init__(ErrorCode.UNSUPPORTED_SETTING, f"{setting} is not supported yet: {why}")


class NoClusterError(RuntimeFailure):
    """Nothing says where a cluster is."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            ErrorCode.ENGINE_UNREACHABLE,
            f"no Kubernetes cluster is known here: neither a pod's service account nor a kubeconfig can be used "
            f"({detail}); run this in a pod whose service account token is mounted, or set KUBECONFIG",
        )


class ClusterUnreachableError(RuntimeFailure):
    """The cluster's API does not answer."""

    def __init__(self, server: str, why: str) -> None:
        super().__init__(
            ErrorCode.ENGINE_UNREACHABLE,
            f"the Kubernetes API at {server} does not answer ({why}); check that the cluster runs and that a network "
            "policy lets this pod reach it",
        )


class ClusterForbiddenError(RuntimeFailure):
    """The cluster does not let us do what is needed."""

    def __init__(self, status: int, doing: str, message: str) -> None:
        super().__init__(
            ErrorCode.ENGINE_PERMISSION_DENIED,
            f"the cluster does not let this process {doing} ({status}: {message or 'without a message'}); give the "
            "Role of its service account that right",
        )


class ClusterFault(RuntimeFailure):
    """The cluster refused for a reason that has no code of its own."""

    def __init__(self, status: int, doing: str, message: str) -> None:
        told = f"{status}: " if status else ""
        super().__init__(
            ErrorCode.ENGINE_ERROR,
            f"the cluster did not {doing} ({told}{message or 'without a message'}); correct what it names, in the "
            "RunConfig or in the pod template",
        )


class InvalidPodPatchError(RuntimeFailure):
    """The pod template of a workload cannot be used. Its values stand in no message: they may be secrets."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            ErrorCode.INVALID_REQUEST,
            f"the pod template (--k8s-pod-patch) cannot be used: {problem}; write a PodTemplateSpec as JSON, such as "
            '{"spec":{"serviceAccountName":"time"}}',
        )
