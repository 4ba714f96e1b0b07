"""Pulling and building images."""

import asyncio
import io
import tarfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import docker.auth

from toolhive_runtime.decisions.build_failures import is_unreachable, missing_package
from toolhive_runtime.decisions.build_progress import BuildLog
from toolhive_runtime.decisions.engine_errors import pull_failure
from toolhive_runtime.decisions.image_reference import parse_reference
from toolhive_runtime.decisions.packages import Package
from toolhive_runtime.decisions.pull_progress import PullLog
from toolhive_runtime.docker.socket_stream import ask
from toolhive_runtime.errors import ImageBuildFailedError, PackageNotFoundError
from toolhive_runtime.runtime import ImageProgress

if TYPE_CHECKING:  # it brings `jinja2`, see `engine`
    from toolhive_runtime.decisions.dockerfiles import BuildRecipe

__all__ = ["build_image", "pull_image"]

_OK = 200
_LAST_LINES = 15


async def pull_image(path: str, image: str, progress: Callable[[ImageProgress], None]) -> None:
    """Fetch an image from its registry, with the credentials of ``docker login`` where there are some.

    Raises
    ------
    ImageNotFoundError
        The registry does not have it, or not for us.
    ImagePullFailedError
        Whatever else went wrong.
    """
    reference = parse_reference(image)
    log = PullLog()
    headers = await asyncio.to_thread(_credentials, reference.repository)
    query = {"fromImage": reference.repository, "tag": reference.version}
    async with ask(path, "POST", "/images/create", query=query, headers=headers) as answer:
        if answer.status != _OK:
            raise pull_failure(answer.status, await answer.message(), image=image)
        async for message in answer.messages():
            told = log.feed(message)
            if told is not None:
                progress(told)
    if log.error:
        raise pull_failure(_OK, log.error, image=image)


async def build_image(
    path: str, package: Package, recipe: "BuildRecipe", tag: str, progress: Callable[[ImageProgress], None]
) -> None:
    """Build a package's image and tag it.

    Raises
    ------
    PackageNotFoundError
        Its registry does not have the package, or one that it needs.
    ImageBuildFailedError
        Whatever else went wrong, with the last lines of the build's output.
    """
    log = BuildLog()
    query = {"t": tag, "rm": "1", "forcerm": "1"}
    headers = {"Content-Type": "application/x-tar"}
    async with ask(path, "POST", "/build", query=query, headers=headers, body=_build_folder(recipe)) as answer:
        if answer.status != _OK:
            raise ImageBuildFailedError(package.source, await answer.message())
        async for message in answer.messages():
            told = log.feed(message)
            if told is not None:
                progress(told)
    if log.error:
        missing = missing_package(package.scheme, "\n".join(log.output))
        if missing is not None:
            raise PackageNotFoundError(package.source, missing)
        raise ImageBuildFailedError(package.source, _reason(log, recipe), log.output[-_LAST_LINES:])


def _reason(log: BuildLog, recipe: "BuildRecipe") -> str:
    if recipe.base_image in log.error or not log.output:
        return (
            f"its base image {recipe.base_image} is not to be had ({log.error}); name one that is with "
            "TOOLHIVE_BUILDER_IMAGE_UVX, _NPX or _GO, or with runtime_config.builder_image"
        )
    if is_unreachable("\n".join(log.output)):
        return (
            "its package registry is out of reach from the build's container; check the machine's network and the "
            "engine's DNS, then try again"
        )
    return "one of its commands failed"


def _build_folder(recipe: "BuildRecipe") -> bytes:
    """Pack the Dockerfile and its files. All times are zero, so that the engine's layer cache is hit."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in {**recipe.files, "Dockerfile": recipe.dockerfile.encode()}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
        end = archive.offset + 2 * tarfile.BLOCKSIZE
    # Without the padding that follows the two empty blocks of an archive's end: engines do not read it, and would
    # close their answer on unread data, which the kernel tells us as a broken connection.
    return packed.getvalue()[:end]


def _credentials(repository: str) -> dict[str, str]:
    registry, _ = docker.auth.resolve_repository_name(repository)
    login: dict[str, Any] | None = docker.auth.load_config().resolve_authconfig(registry)
    return {"X-Registry-Auth": docker.auth.encode_header(login).decode()} if login else {}
