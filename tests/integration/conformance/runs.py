"""A fixture server without a proxy, and the same behind one."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from ..support.engine import docker, inspect
from ..support.stack import until
from ..support.workloads import created, ready_at
from .paths import Case, Served

__all__ = ["INSIDE", "behind_the_proxy", "filled", "free_port", "without_a_proxy"]

_PORTS = range(21000, 32000)
"""Below those that the kernel gives to clients, which could take one between two runs."""
INSIDE = {"port": "8000", "host": "0.0.0.0"}  # noqa: S104  # in a container of its own


@asynccontextmanager
async def without_a_proxy(image: str, served: Served, name: str) -> AsyncIterator[str]:
    """Run a server on the machine's own loopback, where it protects itself from other hosts' names; gives its URL."""
    port = free_port()
    around = {"port": str(port), "host": "127.0.0.1"}
    variables = [flag for pair in filled(served.variables, around).items() for flag in ("--env", "=".join(pair))]
    docker("rm", "--force", name, check=False)
    arguments = [argument.format(**around) for argument in served.arguments]
    docker("run", "--detach", "--name", name, "--network", "host", *variables, image, *arguments)
    try:
        await until(f"{name} listens", lambda: _listens(port))
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        docker("rm", "--force", name)


async def behind_the_proxy(api: httpx.AsyncClient, case: Case, name: str) -> tuple[str, str]:
    """Run the case's server as a workload; gives the URL that clients use and the image that runs."""
    served = case.served
    settings: dict[str, object] = {
        "transport": served.transport,
        "cmd_arguments": [argument.format(**INSIDE) for argument in served.arguments],
        "env_vars": filled(served.variables, INSIDE),
    }
    if served.transport != "stdio":
        settings["target_port"] = int(INSIDE["port"])
    if served.stdio_process is not None:
        settings["stdio_process"] = served.stdio_process
    await created(api, name, case.server.image, **settings)
    url = await ready_at(api, name, seconds=300)
    return url, str(inspect(name)["Config"]["Image"])


def filled(values: Mapping[str, str], around: Mapping[str, str]) -> dict[str, str]:
    """Fill in the variables of a server."""
    return {name: value.format(**around) for name, value in values.items()}


def free_port() -> int:
    """A port that nothing listens on."""
    for port in _PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError(f"no free port in {_PORTS}")


async def _listens(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        await client.get(f"http://127.0.0.1:{port}/")  # whatever it answers
    return True
