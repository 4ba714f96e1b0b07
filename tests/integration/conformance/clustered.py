"""A fixture server in a pod of a cluster, behind a proxyrunner."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from toolhive_runtime.docker import detect_runtime

from ...cluster.support.scene import Runner, Scene
from ...cluster.support.workloads import a_workload
from .detached import image_of
from .paths import Case
from .runs import INSIDE, filled, free_port

__all__ = ["behind_a_proxyrunner"]

_CHUNK = 64 * 1024


@asynccontextmanager
async def behind_a_proxyrunner(scene: Scene, case: Case) -> AsyncIterator[tuple[str, str]]:
    """Run the case's server; gives the URL that clients use and the image that runs."""
    runtime = await detect_runtime(os.environ)
    try:
        image = await image_of(runtime, case)
    finally:
        await runtime.close()
    scene.kube.load(image)
    served, port = case.served, free_port()
    workload = a_workload(
        served.transport,
        image=image,
        cmd_args=[argument.format(**INSIDE) for argument in served.arguments],
        env_vars=filled(served.variables, INSIDE),
    )
    public = f"http://127.0.0.1:{port}"
    runner = await scene.run(workload, variables={"TOOLHIVE_PROXY_PUBLIC_URL": public})
    await runner.ready()
    async with _forwarded(port, runner):
        yield f"{public}/mcp", image


@asynccontextmanager
async def _forwarded(port: int, runner: Runner) -> AsyncIterator[None]:
    """Have the proxy on loopback as well: the suite tests only there what is said to browsers."""
    host, _, node_port = runner.base.removeprefix("http://").rpartition(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(host, int(node_port))
        await asyncio.gather(_pipe(reader, forth), _pipe(back, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
