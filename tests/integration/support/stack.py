"""The compose stack under test: a second one beside whatever the user runs, with ports and names of its own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from .engine import containers_of, docker, inspect

__all__ = ["ROOT", "Stack", "until"]

ROOT = Path(__file__).parents[3]
_PROJECT = os.environ.get("TOOLHIVE_TEST_PROJECT", "toolhive-test")
_FIRST_PORT = int(os.environ.get("TOOLHIVE_TEST_PORT", "18080"))
"""Name and ports of the stack under test: two checkouts that set them test side by side."""
SERVICES = ("nats", "api", "runtime-agent", "proxy")


async def until(what: str, holds: Callable[[], Awaitable[Any]], *, seconds: float = 60) -> Any:
    """Ask again until the answer is true; fail with the last one when it never is."""
    answer: Any = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    answer = await holds()
                except httpx.TransportError as error:
                    answer = None
                    problem: Any = error
                else:
                    problem = answer
                if answer:
                    return answer
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {seconds} s; last answer: {problem!r}") from None


@dataclass
class Stack:
    """One stack: started, asked, hurt and removed."""

    project: str = _PROJECT
    agent: str = _PROJECT
    api_port: int = _FIRST_PORT
    proxy_port: int = _FIRST_PORT + 1
    nats_port: int = _FIRST_PORT + 2
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def proxy_url(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self.proxy_port}"

    @property
    def nats_url(self) -> str:
        """Where NATS listens for subscribers."""
        return f"nats://127.0.0.1:{self.nats_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What compose and thv read."""
        passwords = {
            f"TOOLHIVE_NATS_{role}_PASSWORD": f"test-{role}" for role in ("API", "AGENT", "PROXY", "SUBSCRIBER")
        }
        return {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "TOOLHIVE_AGENT_NAME": self.agent,
            "TOOLHIVE_API_PORT": str(self.api_port),
            "TOOLHIVE_PROXY_PORT": str(self.proxy_port),
            "TOOLHIVE_NATS_PORT": str(self.nats_port),
            "TOOLHIVE_NETWORK": f"{self.project}-external",
            "TOOLHIVE_API_URL": self.api_url,
            "TOOLHIVE_RESTART_DELAY": "1",
            "TOOLHIVE_RESTART_DELAY_MAX": "2",
            "NO_COLOR": "1",
            "DOCKER_GID": str(Path("/var/run/docker.sock").stat().st_gid),
            **passwords,
            **self.extra,
        }

    def compose(self, *arguments: str) -> str:
        """Run compose on the stack."""
        done = subprocess.run(
            [str(ROOT / "scripts/compose"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert not done.returncode, f"compose {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done.stdout

    async def up(self) -> None:
        """Start it, and return when all of it is ready."""
        await asyncio.to_thread(self.compose, "up", "--detach", "--no-build", "--remove-orphans")
        await self.ready()

    @asynccontextmanager
    async def with_settings(self, **settings: str) -> AsyncIterator[None]:
        """Run the services that read the settings with other ones, for the length of the block."""
        before = self.extra
        self.extra = {**before, **settings}
        try:
            await self.up()
            yield
        finally:
            self.extra = before
            await self.up()

    def down(self) -> None:
        """Remove it with its data, and what its agent made."""
        left = containers_of(self.agent)
        if left:
            docker("rm", "--force", *left)
        self.compose("down", "--volumes", "--remove-orphans")

    async def ready(self) -> None:
        """Return when the API and the proxy say that they are ready, and an agent's heartbeat is there."""

        async def answers() -> bool:
            async with httpx.AsyncClient() as client:
                api = await client.get(f"{self.api_url}/readyz")
                proxy = await client.get(f"{self.proxy_url}/readyz")
                return api.status_code == proxy.status_code == 200 and self.healthy("runtime-agent")

        await until("the stack is ready", answers, seconds=120)

    def container(self, service: str) -> str:
        """Id of a service's container."""
        return docker(
            *("ps", "--all", "--quiet"),
            *("--filter", f"label=com.docker.compose.project={self.project}"),
            *("--filter", f"label=com.docker.compose.service={service}"),
        ).strip()

    def healthy(self, service: str) -> bool:
        """Whether the service says of itself that it is ready."""
        probe = (
            "import urllib.request as u; u.urlopen('http://127.0.0.1:8090/readyz', timeout=3).read()"
            if service == "runtime-agent"
            else "raise SystemExit(2)"
        )
        done = subprocess.run(
            ["docker", "exec", self.container(service), "python3", "-c", probe], capture_output=True, check=False
        )
        return done.returncode == 0

    def sigkill(self, service: str) -> None:
        """End a service's process as the kernel would; the engine's restart policy brings it back."""
        pid = inspect(self.container(service))["State"]["Pid"]
        if pid:
            os.kill(pid, signal.SIGKILL)

    def logs(self, service: str) -> str:
        """Everything a service wrote."""
        done = subprocess.run(["docker", "logs", self.container(service)], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def thv(self, *arguments: str, seconds: float = 300) -> "subprocess.CompletedProcess[str]":
        """Run the thv command against the stack."""
        return subprocess.run(
            [str(Path(sys.executable).with_name("thv")), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
