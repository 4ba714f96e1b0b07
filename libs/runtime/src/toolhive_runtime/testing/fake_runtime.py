"""A container engine in memory, which tests can make fail and die."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from toolhive_runtime.decisions.engine_errors import create_failure
from toolhive_runtime.decisions.packages import is_package, parse_package
from toolhive_runtime.errors import EngineFault, EngineUnreachableError, ImageNotFoundError, RuntimeFailure
from toolhive_runtime.runtime import (
    BuilderOptions,
    ContainerEvent,
    ContainerEventKind,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ImageProgress,
    ImageSource,
)

__all__ = ["FakeAttachment", "FakeContainer", "FakeRuntime"]

_CONFLICT = 409
_NOT_FOUND = 404


class FakeAttachment:
    """Streams of a fake container, as `FakeRuntime.attach` gives them."""

    def __init__(self, container: "FakeContainer") -> None:
        self._container = container
        self._output: asyncio.Queue[bytes | None] = asyncio.Queue()
        container.attachments.append(self)

    async def write(self, data: bytes) -> None:
        """Send to standard input."""
        if self not in self._container.attachments:
            raise ConnectionError("the container's input is closed")
        self._container.take(data)

    async def read(self) -> AsyncIterator[bytes]:
        """Chunks of standard output."""
        while (chunk := await self._output.get()) is not None:
            yield chunk

    async def close(self) -> None:
        """Let go of the streams."""
        self.end()

    def give(self, data: bytes) -> None:
        """Let it be read."""
        self._output.put_nowait(data)

    def end(self) -> None:
        """End the streams."""
        if self in self._container.attachments:
            self._container.attachments.remove(self)
        self._output.put_nowait(None)


@dataclass
class FakeContainer:
    """One container, for a test to look at and to play the server of."""

    spec: ContainerSpec
    status: ContainerStatus
    input: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)
    """What was written to its standard input, chunk by chunk."""
    log: str = ""
    attachments: list[FakeAttachment] = field(default_factory=list)
    serve: "Callable[[FakeContainer, bytes], None] | None" = None
    """Plays the server: called with each chunk that comes in."""

    def take(self, data: bytes) -> None:
        """Take in what was written to standard input."""
        self.input.put_nowait(data)
        if self.serve is not None:
            self.serve(self, data)

    def complain(self, data: bytes) -> None:
        """Write to standard error."""
        self.log += data.decode(errors="replace")

    def say(self, data: bytes) -> None:
        """Write to standard output; it is logged only where it carries no conversations."""
        if not self.spec.stdin_open:
            self.complain(data)
        for attachment in self.attachments:
            attachment.give(data)


class FakeRuntime:
    """`Runtime` without an engine.

    Attributes
    ----------
    containers
        By id, in the order made.
    images
        What `ensure_image` finds in place; what it pulls and builds is added.
    registry
        References and packages that can be pulled or built. ``None`` = any.
    networks
        Names of the networks that exist.
    serve
        Plays the server of every container that is made: called with the container and each chunk of its input.
    """

    def __init__(
        self,
        *,
        images: Sequence[str] = (),
        registry: Sequence[str] | None = None,
        serve: Callable[[FakeContainer, bytes], None] | None = None,
    ) -> None:
        self.serve = serve
        self.containers: dict[str, FakeContainer] = {}
        self.images = set(images)
        self.registry = None if registry is None else set(registry)
        self.networks: set[str] = set()
        self.reachable = True
        self._failures: dict[str, list[RuntimeFailure]] = {}
        self._watchers: list[asyncio.Queue[ContainerEvent | None]] = []
        self._made = 0
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    # What a test does to it.

    def fail(self, method: str, failure: RuntimeFailure, *, times: int = 1) -> None:
        """Let the next calls of a method fail."""
        self._failures.setdefault(method, []).extend([failure] * times)

    def go_away(self) -> None:
        """Stop answering, as an engine that was stopped; its containers stay as they are."""
        self.reachable = False
        for watcher in self._watchers:
            watcher.put_nowait(None)

    def come_back(self) -> None:
        """Answer again."""
        self.reachable = True

    def die(self, container_id: str, exit_code: int, *, oom: bool = False) -> None:
        """Let a container end by itself."""
        container = self.containers[container_id]
        container.status = replace(
            container.status,
            state=ContainerState.EXITED,
            exit_code=exit_code,
            oom_killed=oom,
            finished_at=self._tick(),
            address="",
        )
        for attachment in tuple(container.attachments):
            attachment.end()
        if oom:
            self._tell(ContainerEventKind.OOM, container)
        self._tell(ContainerEventKind.DIED, container)

    def named(self, name: str) -> FakeContainer:
        """Find a container by its name."""
        return next(container for container in self.containers.values() if container.spec.name == name)

    # The interface.

    async def describe(self) -> str:
        """Name and version."""
        self._check("describe")
        return "Fake 1.0"

    async def ensure_image(
        self, source: str, *, progress: Callable[[ImageProgress], None], builder: BuilderOptions
    ) -> tuple[str, ImageSource]:
        """Find, pull or build an image."""
        self._check("ensure_image")
        del builder
        building = is_package(source)
        image = f"toolhivelocal/{parse_package(source).name.lower()}:fake" if building else source
        if image in self.images:
            return image, ImageSource.LOCAL
        if self.registry is not None and source not in self.registry:
            raise ImageNotFoundError(source, "the fake registry does not have it")
        progress(ImageProgress(building=building, message="step 1/1: make it", fraction=0.0))
        self.images.add(image)
        return image, ImageSource.BUILT if building else ImageSource.PULLED

    async def create(self, spec: ContainerSpec) -> str:
        """Make a container and its network."""
        self._check("create")
        if any(container.spec.name == spec.name for container in self.containers.values()):
            message = f"the container name {spec.name} is already in use"
            raise create_failure(_CONFLICT, message, name=spec.name, image=spec.image)
        self._made += 1
        container_id = f"{self._made:064x}"
        status = ContainerStatus(
            container_id=container_id,
            name=spec.name,
            image=spec.image,
            state=ContainerState.CREATED,
            labels=dict(spec.labels),
            created_at=self._tick(),
        )
        self.containers[container_id] = FakeContainer(spec, status, serve=self.serve)
        if not spec.network.mode:
            self.networks.add(spec.network.name)
        return container_id

    async def start(self, container_id: str) -> None:
        """Start a container."""
        self._check("start")
        container = self._existing(container_id)
        if container.status.state is ContainerState.RUNNING:
            return
        container.status = replace(
            container.status,
            state=ContainerState.RUNNING,
            started_at=self._tick(),
            exit_code=None,
            oom_killed=False,
            address=f"10.0.0.{int(container_id, 16)}",
        )
        self._tell(ContainerEventKind.STARTED, container)

    async def stop(self, container_id: str, *, grace: float) -> None:
        """End a container; a fake one never needs the grace."""
        self._check("stop")
        del grace
        container = self.containers.get(container_id)
        if container is not None and container.status.state is ContainerState.RUNNING:
            self.die(container_id, 143)

    async def remove(self, container_id: str) -> None:
        """Remove a container, and its network when no other is in it."""
        self._check("remove")
        container = self.containers.get(container_id)
        if container is None:
            return
        if container.status.state is ContainerState.RUNNING:
            self.die(container_id, 137)
        del self.containers[container_id]
        if not any(other.spec.network == container.spec.network for other in self.containers.values()):
            self.networks.discard(container.spec.network.name)
        self._tell(ContainerEventKind.REMOVED, container)

    async def list(self, labels: Mapping[str, str]) -> Sequence[ContainerStatus]:
        """Containers that carry all the labels."""
        self._check("list")
        return [container.status for container in self.containers.values() if _carries(container, labels)]

    async def info(self, container_id: str) -> ContainerStatus | None:
        """One container."""
        self._check("info")
        container = self.containers.get(container_id)
        return container.status if container else None

    async def logs(self, container_id: str, *, lines: int) -> str:
        """The end of its output."""
        self._check("logs")
        container = self.containers.get(container_id)
        return "".join(container.log.splitlines(keepends=True)[-lines:]) if container and lines else ""

    async def attach(self, container_id: str) -> FakeAttachment:
        """Take hold of its streams."""
        self._check("attach")
        return FakeAttachment(self._existing(container_id))

    def events(self, labels: Mapping[str, str]) -> AsyncIterator[ContainerEvent]:
        """Changes from this call on."""
        watcher: asyncio.Queue[ContainerEvent | None] = asyncio.Queue()
        self._watchers.append(watcher)
        if not self.reachable:
            watcher.put_nowait(None)
        return self._events(watcher, labels)

    async def _events(
        self, watcher: "asyncio.Queue[ContainerEvent | None]", labels: Mapping[str, str]
    ) -> AsyncIterator[ContainerEvent]:
        try:
            while (event := await watcher.get()) is not None:
                if labels.items() <= event.labels.items():
                    yield event
        finally:
            self._watchers.remove(watcher)
        raise EngineUnreachableError("in memory", "the test made it go away")

    async def close(self) -> None:
        """Nothing to give back."""

    def _check(self, method: str) -> None:
        if not self.reachable:
            raise EngineUnreachableError("in memory", "the test made it go away")
        waiting = self._failures.get(method)
        if waiting:
            raise waiting.pop(0)

    def _existing(self, container_id: str) -> FakeContainer:
        container = self.containers.get(container_id)
        if container is None:
            raise EngineFault(_NOT_FOUND, f"no such container: {container_id}")
        return container

    def _tell(self, kind: ContainerEventKind, container: FakeContainer) -> None:
        status = container.status
        exit_code = status.exit_code if kind is ContainerEventKind.DIED else None
        event = ContainerEvent(kind, status.container_id, status.name, status.labels, self._tick(), exit_code)
        for watcher in self._watchers:
            watcher.put_nowait(event)

    def _tick(self) -> datetime:
        """Time goes on by a second with each thing that happens."""
        self._now += timedelta(seconds=1)
        return self._now


def _carries(container: FakeContainer, labels: Mapping[str, str]) -> bool:
    return labels.items() <= container.status.labels.items()
