"""`Runtime` on the Docker API."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import docker

from toolhive_runtime.decisions.engine_answers import container_event, container_status, is_vanishing
from toolhive_runtime.decisions.engine_errors import create_failure, start_failure
from toolhive_runtime.decisions.engine_requests import container_request
from toolhive_runtime.decisions.image_reference import local_image_name, pulls_before_looking
from toolhive_runtime.decisions.packages import is_package, parse_package
from toolhive_runtime.docker.attachment import DockerAttachment, attach
from toolhive_runtime.docker.calls import EngineCalls, ask_version
from toolhive_runtime.docker.images import build_image, pull_image
from toolhive_runtime.docker.networks import Networks
from toolhive_runtime.docker.socket_stream import ask
from toolhive_runtime.errors import (
    ContainerNameTakenError,
    EngineFault,
    EngineUnreachableError,
    ImageNotFoundError,
    ImagePullFailedError,
    RuntimeFailure,
)
from toolhive_runtime.runtime import (
    BuilderOptions,
    ContainerEvent,
    ContainerSpec,
    ContainerStatus,
    ImageProgress,
    ImageSource,
)

__all__ = ["DockerRuntime"]

_OK = 200
_CONVERSATION_LINES = 5000
"""Lines of a server's conversations that may stand among its last log lines."""
_NAME_TRIES = 20
_NAME_PAUSE = 0.25
"""Seconds between two tries to take a name that is about to be free."""


class DockerRuntime:
    """An engine behind a unix socket.

    Parameters
    ----------
    socket
        Path of the socket.
    """

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._calls = EngineCalls(socket)
        self._networks = Networks(self._calls)

    async def describe(self) -> str:
        """Name and version."""
        version = await ask_version(self.socket)
        return f"{version.product} {version.version}".strip()

    async def ensure_image(
        self, source: str, *, progress: Callable[[ImageProgress], None], builder: BuilderOptions
    ) -> tuple[str, ImageSource]:
        """Pull an image, or build a package's, unless it is there."""
        if is_package(source):
            return await self._ensure_built(source, progress, builder)
        if not pulls_before_looking(source) and await self._has_image(source):
            return source, ImageSource.LOCAL
        try:
            await pull_image(self.socket, source, progress)
        except (ImageNotFoundError, ImagePullFailedError):
            # A registry that is away, or has never heard of an image that was made here.
            if await self._has_image(source):
                return source, ImageSource.LOCAL
            raise
        return source, ImageSource.PULLED

    async def _ensure_built(
        self, source: str, progress: Callable[[ImageProgress], None], builder: BuilderOptions
    ) -> tuple[str, ImageSource]:
        # Imported where it is needed: it brings `jinja2`, whose memory those save who never build.
        from toolhive_runtime.decisions.dockerfiles import build_recipe  # noqa: PLC0415

        package = parse_package(source)
        recipe = build_recipe(package, builder)
        image = local_image_name(package, recipe.key)
        if await self._has_image(image):
            return image, ImageSource.LOCAL
        await build_image(self.socket, package, recipe, image, progress)
        if not await self._has_image(image):  # its last words were cut off
            raise EngineUnreachableError(self.socket, "it stopped telling of a build before the end")
        return image, ImageSource.BUILT

    async def _has_image(self, image: str) -> bool:
        return await self._calls.run(partial(_inspect_image, image=image), missing_is_fine=True) is not None

    async def create(self, spec: ContainerSpec) -> str:
        """Make a container and its network; when the container cannot be made, no network is left."""
        for _ in range(_NAME_TRIES):
            try:
                return await self._create(spec)
            except ContainerNameTakenError:
                # The engine frees a name a moment after the container of the name can no longer be seen.
                if not is_vanishing(await self._inspect(spec.name), spec.labels):
                    raise
            await asyncio.sleep(_NAME_PAUSE)
        return await self._create(spec)

    async def _create(self, spec: ContainerSpec) -> str:
        def refusal(status: int, message: str) -> RuntimeFailure:
            return create_failure(status, message, name=spec.name, image=spec.image)

        body = container_request(spec, init=(await self._calls.version()).has_init)
        async with self._networks.lock:
            await self._networks.ensure(spec.network)
            try:
                made = await self._calls.run(partial(_create, body=body, name=spec.name), refusal)
            except RuntimeFailure:
                if not spec.network.mode:
                    await self._networks.remove_unused({spec.network.name})
                raise
        return str((made or {})["Id"])

    async def start(self, container_id: str) -> None:
        """Start a container."""
        await self._calls.run(lambda client: client.start(container_id), start_failure)

    async def stop(self, container_id: str, *, grace: float) -> None:
        """Ask it to end, and make it end after the grace."""
        await self._calls.run(lambda client: client.stop(container_id, timeout=round(grace)), missing_is_fine=True)

    async def remove(self, container_id: str) -> None:
        """Remove a container and the networks that only it was in."""
        answer = await self._inspect(container_id)
        if answer is None:
            return
        async with self._networks.lock:
            try:
                await self._calls.run(
                    lambda client: client.remove_container(container_id, force=True, v=True), missing_is_fine=True
                )
            except EngineFault:
                # Somebody else is removing it at the same time; then it is as good as gone.
                status = await self.info(container_id)
                if status is not None and status.state.value != "removing":
                    raise
            await self._networks.remove_unused(set(_networks(answer)))

    async def list(self, labels: Mapping[str, str]) -> Sequence[ContainerStatus]:
        """Containers that carry all the labels."""
        filters = {"label": _label_filter(labels)}
        found = await self._calls.run(lambda client: client.containers(all=True, filters=filters)) or []
        statuses = await asyncio.gather(*(self.info(str(entry["Id"])) for entry in found))
        return [status for status in statuses if status is not None]

    async def info(self, container_id: str) -> ContainerStatus | None:
        """One container."""
        answer = await self._inspect(container_id)
        return container_status(answer) if answer is not None else None

    async def _inspect(self, container_id: str) -> Mapping[str, Any] | None:
        answer: Mapping[str, Any] | None = await self._calls.run(
            lambda client: client.inspect_container(container_id), missing_is_fine=True
        )
        return answer

    async def logs(self, container_id: str, *, lines: int) -> str:
        """The end of what it logs; empty when it is gone."""
        answer = await self._inspect(container_id)
        if answer is None:
            return ""
        speaks_on_stdout = bool(answer["Config"].get("OpenStdin"))
        # The engine counts the lines of both streams before it leaves one out.
        tail = lines + _CONVERSATION_LINES if speaks_on_stdout else lines
        text: bytes | None = await self._calls.run(
            lambda client: client.logs(container_id, stdout=not speaks_on_stdout, stderr=True, tail=tail),
            missing_is_fine=True,
        )
        kept = (text or b"").decode(errors="replace").splitlines(keepends=True)
        return "".join(kept[max(len(kept) - lines, 0) :])

    async def attach(self, container_id: str) -> DockerAttachment:
        """Take hold of its standard streams."""
        return await attach(self.socket, container_id)

    def events(self, labels: Mapping[str, str]) -> AsyncIterator[ContainerEvent]:
        """Changes from this call on, also when the first one is only waited for later."""
        # The engine repeats what came since then, so nothing falls between the call and the connection.
        return self._events(labels, since=time.time())

    async def _events(self, labels: Mapping[str, str], *, since: float) -> AsyncIterator[ContainerEvent]:
        filters = {"type": ["container"], "label": _label_filter(labels)}
        query = {"filters": json.dumps(filters), "since": f"{since:.9f}"}
        async with ask(self.socket, "GET", "/events", query=query) as answer:
            if answer.status != _OK:
                raise EngineFault(answer.status, await answer.message())
            async for message in answer.messages():
                event = container_event(message)
                if event is not None:
                    yield event
        raise EngineUnreachableError(self.socket, "it closed its stream of events")

    async def close(self) -> None:
        """Let go of the engine."""
        self._calls.close()


def _label_filter(labels: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in labels.items()]


def _networks(answer: Mapping[str, Any]) -> Sequence[str]:
    return list((answer.get("NetworkSettings") or {}).get("Networks") or {})


def _inspect_image(client: docker.APIClient, image: str) -> object:
    return client.inspect_image(image)  # type: ignore[no-untyped-call]  # the library has no types here


def _create(client: docker.APIClient, body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    made: Mapping[str, Any] = client.create_container_from_config(body, name=name)  # type: ignore[no-untyped-call]
    return made
