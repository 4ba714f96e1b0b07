"""A fixture server behind a proxy of its own, which holds its container; without NATS, API and agent."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_runtime.decisions.container_spec import container_spec
from toolhive_runtime.docker import DockerRuntime, detect_runtime
from toolhive_runtime.runtime import BuilderOptions

from ..support.stack import until
from .paths import Case
from .runs import INSIDE, filled, free_port

__all__ = ["behind_a_detached_proxy", "image_of"]

_BASE_IMAGE = os.environ.get("TOOLHIVE_TEST_BASE_IMAGE", "toolhive-base:bookworm")


@asynccontextmanager
async def behind_a_detached_proxy(case: Case, name: str) -> AsyncIterator[tuple[str, str]]:
    """Run the case's server; gives the URL that clients use and the image that runs."""
    runtime = await detect_runtime(os.environ)
    try:
        image = await image_of(runtime, case)
        run_config = _run_config(case, name, image)
        await _remove(runtime, name)
        spec = container_spec(
            run_config, BUILTIN_PROFILES["network"], image=image, owner_labels={}, restart_policy="no"
        )
        await runtime.create(spec)
        try:
            async with _proxy(run_config) as url:
                yield url, image
        finally:
            await _remove(runtime, name)
    finally:
        await runtime.close()


async def image_of(runtime: DockerRuntime, case: Case) -> str:
    """The image of the case's server, which is built first where it is a package."""
    builder = BuilderOptions(base_images={"go": _BASE_IMAGE})
    image, _ = await runtime.ensure_image(case.server.image, progress=lambda _: None, builder=builder)
    return image


def _run_config(case: Case, name: str, image: str) -> RunConfig:
    served = case.served
    return RunConfig.model_validate(
        {
            "name": name,
            "container_name": name,
            "image": image,
            "transport": served.transport,
            "cmd_args": [argument.format(**INSIDE) for argument in served.arguments],
            "env_vars": filled(served.variables, INSIDE),
            "port": free_port(),
            "target_port": 0 if served.transport == "stdio" else int(INSIDE["port"]),
            "permission_profile": BUILTIN_PROFILES["network"],
        }
    )


@asynccontextmanager
async def _proxy(run_config: RunConfig) -> AsyncIterator[str]:
    base = f"http://127.0.0.1:{run_config.port}"
    with tempfile.TemporaryDirectory(prefix="toolhive-detached-") as folder:
        file, log = Path(folder) / "run.json", Path(folder) / "proxy.log"
        file.write_bytes(run_config.to_json())
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "toolhive_proxy.detached"),
                *("--run-config", str(file), "--container", run_config.name),
                stderr=output,
            )

        async def healthy() -> bool:
            assert process.returncode is None, log.read_text()
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{base}/health")).status_code == 200

        try:
            await until("the detached proxy serves", healthy)
            yield f"{base}/mcp"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _remove(runtime: DockerRuntime, name: str) -> None:
    for status in await runtime.list({"toolhive-name": name}):
        await runtime.remove(status.container_id)
