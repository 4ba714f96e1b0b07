"""What a plan can hold. Short ones are carried out at once, long ones beside the worker until the plan changes."""

from dataclasses import dataclass
from datetime import datetime

__all__ = [
    "Attach",
    "AwaitReady",
    "Command",
    "CreateContainer",
    "PrepareImage",
    "RemoveContainer",
    "RemoveFurther",
    "StartContainer",
    "StopContainer",
    "WaitUntil",
]


@dataclass(frozen=True)
class PrepareImage:
    """Pull or build the image. Long."""

    source: str
    revision: int


@dataclass(frozen=True)
class CreateContainer:
    """Make the container and its network."""

    image: str
    revision: int


@dataclass(frozen=True)
class StartContainer:
    """Start a container that was made, or has ended."""

    container_id: str
    stdio: bool
    """Whether to take hold of its streams first, so that nothing it says is missed."""


@dataclass(frozen=True)
class Attach:
    """Take hold of the streams of a running stdio server again."""

    container_id: str
    run: str


@dataclass(frozen=True)
class AwaitReady:
    """Find out whether the server is there. Long."""

    container_id: str
    run: str
    address: str
    """Where it shall answer, ``host:port``; empty for stdio."""


@dataclass(frozen=True)
class StopContainer:
    """Ask the container to end."""

    container_id: str


@dataclass(frozen=True)
class RemoveContainer:
    """Remove the container and its network."""

    container_id: str


@dataclass(frozen=True)
class RemoveFurther:
    """Remove containers beside the workload's own, all at once."""

    container_ids: tuple[str, ...]


@dataclass(frozen=True)
class WaitUntil:
    """Nothing before this time."""

    time: datetime


Command = (
    PrepareImage
    | CreateContainer
    | StartContainer
    | Attach
    | AwaitReady
    | StopContainer
    | RemoveContainer
    | RemoveFurther
    | WaitUntil
)
