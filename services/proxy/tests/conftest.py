import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus, open_bus
from toolhive_common.messaging.topology import ensure_topology
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import DesiredWorkload, ObservedWorkload, WorkloadKey
from toolhive_common.testing.factories import a_desired, a_run_config, an_observed
from toolhive_common.testing.nats_server import NatsServer
from toolhive_proxy.config import Settings
from toolhive_proxy.main import serve

from .support.frame_server import FrameServer

ROOT = Path(__file__).parents[3]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop of production, which is stricter and looser than asyncio's in its own places."""
    return {"uvloop": uvloop.new_event_loop}


async def eventually(happened: Callable[[], Awaitable[bool]], *, within: float = 20) -> None:
    """Wait until something outside of this process is so."""
    async with asyncio.timeout(within):
        while not await happened():  # another process gives no event to wait for
            await asyncio.sleep(0.02)


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with NatsServer(tmp_path, ROOT / "deploy/nats/nats.conf") as server:
        yield server


@dataclass
class Fleet:
    """The API's and the agent's side of NATS."""

    api: Bus
    agent: Bus
    servers: list[FrameServer] = field(default_factory=list)

    async def declare(self, name: str, **changes: Any) -> None:
        bucket = Bucket(self.api, subjects.DESIRED_BUCKET, DesiredWorkload)
        await bucket.put(WorkloadKey.default(name), a_desired(name, **changes))

    async def observe(self, name: str, **changes: Any) -> None:
        bucket = Bucket(self.agent, subjects.OBSERVED_BUCKET, ObservedWorkload)
        await bucket.put(WorkloadKey.default(name), an_observed(name, **changes))

    async def forget(self, name: str) -> None:
        await Bucket(self.api, subjects.DESIRED_BUCKET, DesiredWorkload).remove(WorkloadKey.default(name))

    async def stdio(self, name: str, **rules: Any) -> FrameServer:
        server = await FrameServer(self.agent, WorkloadKey.default(name), **rules).begin()
        self.servers.append(server)
        await self.declare(name)
        await self.observe(name, attachment="first")
        return server

    async def http(self, name: str, port: int, transport: Transport = Transport.STREAMABLE_HTTP) -> None:
        await self.declare(name, run_config=a_run_config(name, transport=transport))
        await self.observe(name, endpoint=f"http://127.0.0.1:{port}")


@pytest.fixture
async def fleet(nats: NatsServer) -> AsyncIterator[Fleet]:
    async with open_bus(nats.settings(Role.API)) as api, open_bus(nats.settings(Role.AGENT)) as agent:
        async with asyncio.timeout(10):
            await api.wait_connected()
            await agent.wait_connected()
        await ensure_topology(api, events_kept=timedelta(days=1))
        fleet = Fleet(api, agent)
        yield fleet
        for server in fleet.servers:
            await server.end()


class Proxy:
    """A proxy that serves on a port of its own."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.AsyncClient(base_url=self.url, timeout=30)

    def mcp(self, name: str) -> str:
        return f"{self.url}/{name}/mcp"

    async def until(self, name: str, status: int) -> None:
        """Wait until the workload's health is as wanted."""

        async def has_it() -> bool:
            return (await self.http.get(f"/{name}/health")).status_code == status

        await eventually(has_it)

    async def until_shut(self, name: str, why: str) -> None:
        """Wait until the workload cannot be called for this reason; for a moment after the start it is another."""

        async def is_shut() -> bool:
            answer = await self.http.get(f"/{name}/health")
            return answer.status_code == 503 and why in answer.json()["mcp"]["error"]

        await eventually(is_shut)

    async def post(self, name: str, message: dict[str, Any], **headers: str) -> httpx.Response:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.http.post(f"/{name}/mcp", json={"jsonrpc": "2.0", **message}, headers=named)

    async def open_session(self, name: str, **capabilities: Any) -> str:
        answer = await self.post(name, initialize(**capabilities))
        assert answer.status_code == 200, answer.text
        session = str(answer.headers["mcp-session-id"])
        told = await self.post(name, {"method": "notifications/initialized"}, mcp_session_id=session)
        assert told.status_code == 202
        return session


def initialize(**capabilities: Any) -> dict[str, Any]:
    info = {"name": "tester", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info}
    return {"id": 0, "method": "initialize", "params": params}


def call(tool: str, *, request_id: Any = 1, token: Any = None, **arguments: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    if token is not None:
        params["_meta"] = {"progressToken": token}
    return {"id": request_id, "method": "tools/call", "params": params}


StartProxy = Callable[..., Awaitable[Proxy]]


@pytest.fixture
async def start_proxy(nats: NatsServer) -> AsyncIterator[StartProxy]:
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Proxy:
            listener = socket.create_server(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            values: dict[str, Any] = {
                "nats_url": nats.url,
                "nats_password": "test",
                "proxy_public_url": f"http://127.0.0.1:{port}",
                "proxy_metrics_port": 0,
                "proxy_quick_answer": 1.0,
            }
            stop = asyncio.Event()
            serving = asyncio.ensure_future(serve(Settings(**(values | settings)), stop, sockets=[listener]))
            proxy = Proxy(port)

            async def end() -> None:
                await proxy.http.aclose()
                stop.set()
                await serving

            stack.push_async_callback(end)
            assert (await proxy.http.get("/healthz")).status_code == 200
            return proxy

        yield start


@pytest.fixture
async def proxy(start_proxy: StartProxy) -> Proxy:
    return await start_proxy()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def real_server(tmp_path: Path) -> Iterator[Callable[[str], int]]:
    """Starts a server of the official SDK; returns its port."""
    started: list[subprocess.Popen[bytes]] = []

    def start(transport: str) -> int:
        port = free_port()
        program = Path(__file__).parent / "support/http_mcp_server.py"
        with (tmp_path / f"{transport}.log").open("wb") as log:
            started.append(
                subprocess.Popen([sys.executable, str(program), transport, str(port)], stdout=log, stderr=log)
            )
        return port

    yield start
    for process in started:
        process.kill()
        process.wait()
