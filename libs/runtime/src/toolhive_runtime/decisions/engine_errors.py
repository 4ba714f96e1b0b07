"""Telling causes apart by what engines answer. They have few codes of their own, so sentences must be read."""

import re

from toolhive_runtime.errors import (
    ContainerNameTakenError,
    ContainerStartFailedError,
    EngineFault,
    ImageNotFoundError,
    ImagePullFailedError,
    InvalidMountError,
    PortTakenError,
    RuntimeFailure,
)

__all__ = ["create_failure", "pull_failure", "start_failure"]

_NAME_TAKEN = re.compile(
    r"container name .*already in use|name .* is in use: container already exists", re.IGNORECASE
)
_PORT_TAKEN = re.compile(r"port is already allocated|address already in use|ports? .*not available", re.IGNORECASE)
_PORT = re.compile(r"(?:bind for|listen (?:tcp|udp)\d?) (\S+?):?(?: |$)", re.IGNORECASE)
_MOUNT = re.compile(
    r"invalid mount config|bind source path does not exist|mounts denied|error mounting|invalid volume"
    r"|statfs .*no such file or directory|error while creating mount source path|invalid mount",
    re.IGNORECASE,
)
_MOUNT_SOURCE = re.compile(r"(?:does not exist: |source path '|statfs |path )(/[^'\s:]+)", re.IGNORECASE)
_NO_IMAGE = re.compile(r"no such image|image not known|unable to find image", re.IGNORECASE)
_NOT_IN_REGISTRY = re.compile(
    r"manifest (?:for .* )?(?:not found|unknown)|not found: manifest|repository does not exist|name unknown"
    r"|pull access denied|repository .*not found|requested access to the resource is denied|invalid reference format",
    re.IGNORECASE,
)
_NOT_FOUND = 404


def create_failure(status: int, message: str, *, name: str, image: str) -> RuntimeFailure:
    """Say why a container could not be made."""
    if _NAME_TAKEN.search(message):
        return ContainerNameTakenError(name)
    if _MOUNT.search(message):
        return _mount_failure(message)
    if _NO_IMAGE.search(message):
        return ImageNotFoundError(image, "the engine does not have it")
    return EngineFault(status, message)


def start_failure(status: int, message: str) -> RuntimeFailure:
    """Say why a container could not be started."""
    if _PORT_TAKEN.search(message):
        port = _PORT.search(message)
        return PortTakenError(port[1] if port else message)
    if _MOUNT.search(message):
        return _mount_failure(message)
    del status  # engines answer 400, 404 or 500 for the same cause
    return ContainerStartFailedError(_without_layers(message))


def pull_failure(status: int, message: str, *, image: str) -> RuntimeFailure:
    """Say why an image could not be pulled.

    Parameters
    ----------
    status
        HTTP status of the engine's answer; 200 when the failure came later, in the stream.
    """
    if status == _NOT_FOUND or _NOT_IN_REGISTRY.search(message):
        return ImageNotFoundError(image, message)
    return ImagePullFailedError(image, message)


def _mount_failure(message: str) -> RuntimeFailure:
    source = _MOUNT_SOURCE.search(message)
    return InvalidMountError(source[1] if source else message, "the engine cannot find or share its source")


def _without_layers(message: str) -> str:
    """Drop the names of the engine's inner parts that stand before the cause."""
    return re.sub(r"^.*?(?:runc create failed|starting container process caused|OCI runtime error): ", "", message)
