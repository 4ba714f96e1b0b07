"""Further proxies of the stack, beside the one that compose made."""

import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from .engine import docker, inspect
from .stack import Stack, until

__all__ = ["FurtherProxy", "more_proxies"]


@dataclass(frozen=True)
class FurtherProxy:
    """A container like the stack's own proxy, on a port of its own."""

    container: str
    url: str

    def sigkill(self) -> None:
        """End its process as the kernel would; nobody starts it again."""
        os.kill(inspect(self.container)["State"]["Pid"], signal.SIGKILL)

    async def serves(self, workload: str) -> bool:
        """Whether it knows where a workload is."""
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{self.url}/{workload}/health")).status_code == 200


@asynccontextmanager
async def more_proxies(stack: Stack, count: int, *, workload: str) -> AsyncIterator[list[FurtherProxy]]:
    """Run as many, for the length of the block, which begins when all of them serve the workload."""
    proxies: list[FurtherProxy] = []
    try:
        proxies.extend(_started(stack, number) for number in range(count))
        for proxy in proxies:
            await until(f"{proxy.url} serves {workload}", lambda proxy=proxy: proxy.serves(workload))
        yield proxies
    finally:
        for proxy in proxies:
            docker("rm", "--force", proxy.container)


def _started(stack: Stack, number: int) -> FurtherProxy:
    like = inspect(stack.container("proxy"))
    networks = list(like["NetworkSettings"]["Networks"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = [*like["Config"]["Env"], f"TOOLHIVE_PROXY_PUBLIC_URL={url}"]
    name = f"{stack.project}-further-proxy-{number}"
    docker(
        *("create", "--name", name, "--network", networks[0], "--publish", f"127.0.0.1:{port}:8081"),
        *(flag for setting in settings for flag in ("--env", setting)),
        *("--volume", "/dev/null:/etc/toolhive/ca-bundle.pem:ro", like["Config"]["Image"]),
    )
    for network in networks[1:]:
        docker("network", "connect", network, name)
    docker("start", name)
    return FurtherProxy(name, url)
