"""The interface to a container runtime, and the values that cross it."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

__all__ = [
    "Attachment",
    "BuilderOptions",
    "ContainerEvent",
    "ContainerEventKind",
    "ContainerSpec",
    "ContainerState",
    "ContainerStatus",
    "ImageProgress",
    "ImageSource",
    "Mount",
    "NetworkSpec",
    "PortBinding",
    "Runtime",
    "start_attached",
]


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host inside the container."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class PortBinding:
    """A port of the container on the host."""

    container_port: int
    host_port: int
    """0 = chosen by the engine."""
    host_address: str = ""
    """Empty = all addresses."""


@dataclass(frozen=True)
class NetworkSpec:
    """The network a container joins."""

    name: str
    internal: bool = False
    """Without a way out of the machine."""
    mode: str = ""
    """When set, the engine's network mode (``host``, ``none``, …), and no network is made."""


@dataclass(frozen=True)
class ContainerSpec:
    """Everything an engine needs to make a container. Built by `decisions.container_spec`."""

    name: str
    image: str
    command: Sequence[str]
    """Arguments after the image's entrypoint."""
    environment: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str]
    mounts: Sequence[Mount]
    network: NetworkSpec
    ports: Sequence[PortBinding]
    stdin_open: bool
    """For servers that speak over standard input."""
    privileged: bool
    restart_policy: str
    """``no`` where an agent restarts it, ``unless-stopped`` where the engine shall."""
    drop_capabilities: Sequence[str] = ("ALL",)
    security_options: Sequence[str] = ("label:disable",)


class ContainerState(StrEnum):
    """What the engine says of a container."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    REMOVING = "removing"
    PAUSED = "paused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ContainerStatus:
    """One container as it is now."""

    container_id: str
    name: str
    image: str
    state: ContainerState
    labels: Mapping[str, str]
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    """Of the last run, once it ended."""
    oom_killed: bool = False
    address: str = ""
    """IP address in its network, while it runs."""


class ContainerEventKind(StrEnum):
    """Changes that the engine tells."""

    STARTED = "started"
    DIED = "died"
    OOM = "oom"
    REMOVED = "removed"


@dataclass(frozen=True)
class ContainerEvent:
    """One change that the engine told."""

    kind: ContainerEventKind
    container_id: str
    name: str
    labels: Mapping[str, str]
    at: datetime
    exit_code: int | None = None


class ImageSource(StrEnum):
    """How an image came to be there."""

    LOCAL = "local"
    PULLED = "pulled"
    BUILT = "built"


@dataclass(frozen=True)
class ImageProgress:
    """A sign of life while an image is made or fetched."""

    building: bool
    """Building a package, or else pulling."""
    message: str
    fraction: float | None = None
    """0 to 1, where it is known."""


class Attachment(Protocol):
    """The standard streams of a running container."""

    async def write(self, data: bytes) -> None:
        """Send to standard input; waits while the container does not read.

        Raises
        ------
        ConnectionError
            The container's input is closed.
        """
        ...

    def read(self) -> AsyncIterator[bytes]:
        """Chunks of standard output as they come; ends when the container does. Standard error is left out."""
        ...

    async def close(self) -> None:
        """Let go of the streams; the container runs on."""
        ...


class Runtime(Protocol):
    """A container engine.

    Every method raises `toolhive_runtime.errors.RuntimeFailure` (a `ToolHiveError`) with a code from
    `ErrorCode`: ``engine_unreachable``, ``engine_permission_denied``, ``image_not_found``, ``package_not_found``,
    ``image_pull_failed``, ``image_build_failed``, ``container_name_taken``, ``port_taken``, ``invalid_mount``,
    ``container_start_failed``, or ``engine_error`` for what nobody foresaw.
    """

    async def describe(self) -> str:
        """Name and version, such as ``Docker 28.2.2``. Also the cheapest check that the engine answers."""
        ...

    async def ensure_image(
        self, source: str, *, progress: Callable[[ImageProgress], None], builder: "BuilderOptions"
    ) -> tuple[str, ImageSource]:
        """Make an image available: pull a reference, or build a ``uvx://``, ``npx://`` or ``go://`` package.

        Returns the reference to run and where it came from. A package that was built before is not built again.
        """
        ...

    async def create(self, spec: ContainerSpec) -> str:
        """Make a container and its network, without starting it. Returns its id."""
        ...

    async def start(self, container_id: str) -> None:
        """Start a container that was made or has ended."""
        ...

    async def stop(self, container_id: str, *, grace: float) -> None:
        """Ask it to end, and make it end after ``grace`` seconds. No error when it is not running, or gone."""
        ...

    async def remove(self, container_id: str) -> None:
        """Remove a container, running or not, and networks of its own. No error when it is gone."""
        ...

    async def list(self, labels: Mapping[str, str]) -> Sequence[ContainerStatus]:
        """Containers, running or not, that carry all the labels."""
        ...

    async def info(self, container_id: str) -> ContainerStatus | None:
        """One container; ``None`` when it is gone."""
        ...

    async def logs(self, container_id: str, *, lines: int) -> str:
        """The end of what it logs: standard error, and standard output in the order written.

        Standard output is left out where standard input is open: there it is the server's side of its conversations.
        """
        ...

    async def attach(self, container_id: str) -> Attachment:
        """Take hold of its standard streams. May be done before the start, so that nothing is missed."""
        ...

    def events(self, labels: Mapping[str, str]) -> AsyncIterator[ContainerEvent]:
        """Changes of containers that carry the labels, from now on. Raises when the engine goes away."""
        ...

    async def close(self) -> None:
        """Let go of the engine."""
        ...


@dataclass(frozen=True)
class BuilderOptions:
    """How images of packages are built."""

    base_images: Mapping[str, str] = field(default_factory=dict)
    """Base image by scheme (``uvx``, ``npx``, ``go``); a missing one = ToolHive's default."""
    extra_packages: Sequence[str] = ()
    """Debian packages to add."""
    build_with: Sequence[str] = ()
    """Extra Python requirements, ``uvx`` only."""
    environment: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: bytes = b""
    """Certificate authorities, PEM, that the package clients inside the build shall trust; may be empty."""


async def start_attached(runtime: Runtime, container_id: str) -> Attachment:
    """Start a container whose streams are held from its first word on; nothing is held of one that does not start.

    Raises
    ------
    RuntimeFailure
        The engine refuses.
    """
    attachment = await runtime.attach(container_id)
    try:
        await runtime.start(container_id)
    except BaseException:
        await attachment.close()
        raise
    return attachment
