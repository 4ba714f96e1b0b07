"""A proxy of one workload with its container on a real engine, as a process of its own."""

import asyncio
import json
import os
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.runconfig import RunConfig, StdioProcess, Transport
from toolhive_common.testing.factories import a_run_config
from toolhive_runtime.decisions.container_spec import container_spec
from toolhive_runtime.docker import DockerRuntime, detect_runtime
from toolhive_runtime.runtime import ContainerState

from .conftest import eventually

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

IMAGE = os.environ.get("TOOLHIVE_TEST_BASE_IMAGE", "toolhive-base:bookworm")
SERVER = (Path(__file__).parent / "support/contained_server.py").read_text()
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@dataclass
class Client:
    """One session of the first era, by hand."""

    http: httpx.AsyncClient
    url: str
    session: str = ""

    async def post(self, method: str, params: Any = None, *, answered: bool = True) -> httpx.Response:
        headers = {"accept": "application/json, text/event-stream"}
        if self.session:
            headers |= {"mcp-session-id": self.session, "mcp-protocol-version": "2025-11-25"}
        body = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if answered:
            body["id"] = uuid.uuid4().hex
        return await self.http.post(self.url, json=body, headers=headers)

    async def open(self) -> "Client":
        opened = await self.post("initialize", INITIALIZE)
        assert opened.status_code == 200, opened.text
        assert '"result"' in opened.text, opened.text
        self.session = opened.headers.get("mcp-session-id", "")
        await self.post("notifications/initialized", answered=False)
        return self

    async def call(self, tool: str, **arguments: Any) -> str:
        return text_of(await self.post("tools/call", {"name": tool, "arguments": arguments}))


def text_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    data = [line[6:] for line in response.text.splitlines() if line.startswith("data: {")]
    answer = json.loads(data[-1] if data else response.text)
    assert "result" in answer, answer
    return str(answer["result"]["content"][0]["text"])


async def call_modern(http: httpx.AsyncClient, url: str, tool: str) -> str:
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": tool,
    }
    params = {"name": tool, "arguments": {}, "_meta": META}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return text_of(await http.post(url, json=body, headers=headers))


@dataclass
class Proxy:
    """A detached proxy that runs."""

    process: asyncio.subprocess.Process
    base: str
    http: httpx.AsyncClient

    def client(self) -> Client:
        return Client(self.http, f"{self.base}/mcp")

    async def healthy(self) -> bool:
        try:
            return (await self.http.get(f"{self.base}/health")).status_code == 200
        except httpx.TransportError:
            assert self.process.returncode is None
            return False


@dataclass
class Bench:
    """A container of one workload, and its proxies."""

    runtime: DockerRuntime
    folder: Path
    name: str = field(default_factory=lambda: f"detached-test-{uuid.uuid4().hex[:8]}")
    port: int = 0
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "proxy.log"

    def said(self) -> list[str]:
        """What a proxy told the user, beside its log."""
        return [line for line in self.log.read_text().splitlines() if not line.startswith("{")]

    async def ended(self, process: asyncio.subprocess.Process) -> int:
        return await asyncio.wait_for(process.wait(), 30)

    async def deploy(self, *arguments: str, restart_policy: str = "no", **changes: Any) -> RunConfig:
        transport = changes.setdefault("transport", Transport.STDIO)
        self.port = free_port()
        config = a_run_config(
            self.name,
            image=IMAGE,
            cmd_args=("python3", "-u", "-c", SERVER, str(transport), *arguments),
            port=self.port,
            target_port=0 if transport is Transport.STDIO else 8080,
            **changes,
        )
        spec = container_spec(
            config, BUILTIN_PROFILES["network"], image=IMAGE, owner_labels={}, restart_policy=restart_policy,
            external_network=f"{self.name}-net",
        )  # fmt: skip
        await self.runtime.create(spec)
        (self.folder / "run.json").write_bytes(config.to_json())
        return config

    async def launch(self, *, container: str = "") -> asyncio.subprocess.Process:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TOOLHIVE_")}
        with self.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "toolhive_proxy.detached"),
                *("--run-config", str(self.folder / "run.json"), "--container", container or self.name),
                stderr=log,
                env=environment,
            )
        self.processes.append(process)
        return process

    async def end(self) -> None:
        """Leave no proxy and no container."""
        for process in self.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
        for name in await self.containers():
            await self.runtime.remove(name)

    @asynccontextmanager
    async def proxy(self) -> AsyncIterator[Proxy]:
        process = await self.launch()
        async with httpx.AsyncClient(timeout=30) as http:
            proxy = Proxy(process, f"http://127.0.0.1:{self.port}", http)
            await eventually(proxy.healthy)
            yield proxy

    async def containers(self) -> dict[str, ContainerState]:
        listed = await self.runtime.list({"toolhive": "true"})
        return {one.name: one.state for one in listed if one.name.startswith(self.name)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    runtime = await detect_runtime(os.environ)
    made = Bench(runtime, tmp_path)
    yield made
    await made.end()
    await runtime.close()


async def test_all_sessions_share_the_container(bench: Bench) -> None:
    await bench.deploy()
    async with bench.proxy() as proxy:
        first, second = await proxy.client().open(), await proxy.client().open()
        assert first.session != second.session
        assert await first.call("pid") == await second.call("pid")
        assert await bench.containers() == {bench.name: ContainerState.RUNNING}


async def test_each_session_has_a_container_of_its_own_where_that_is_asked_for(bench: Bench) -> None:
    await bench.deploy(stdio_process=StdioProcess.PER_SESSION)
    async with bench.proxy() as proxy:
        first, second = await proxy.client().open(), await proxy.client().open()
        assert await first.call("pid") != await second.call("pid")
        headers = {"mcp-session-id": second.session, "mcp-protocol-version": "2025-11-25"}
        before = set(await bench.containers())
        assert (await proxy.http.delete(second.url, headers=headers)).status_code == 204

        async def removed() -> bool:
            return len(await bench.containers()) == len(before) - 1

        await eventually(removed)
        assert await first.call("echo", text="still here") == "still here"


async def test_both_eras_are_served_at_once(bench: Bench) -> None:
    await bench.deploy()
    async with bench.proxy() as proxy:
        legacy = await proxy.client().open()
        modern = [call_modern(proxy.http, legacy.url, "pid") for _ in range(3)]
        old, *new = await asyncio.gather(legacy.call("pid"), *modern)
        assert all([old, *new])


@pytest.mark.parametrize("policy", ["no", "unless-stopped"])
async def test_a_container_that_dies_comes_back_and_sessions_go_on(bench: Bench, policy: str) -> None:
    await bench.deploy(restart_policy=policy)
    async with bench.proxy() as proxy:
        client = await proxy.client().open()
        for _ in range(2):
            died = await client.post("tools/call", {"name": "die", "arguments": {"code": 3}})
            assert "process ended" in died.text

            async def called() -> bool:
                return (await client.post("tools/list")).status_code == 200

            await eventually(called)
            assert await client.call("echo", text="again") == "again"


async def test_a_container_that_is_removed_ends_the_proxy_with_a_sentence(bench: Bench) -> None:
    await bench.deploy()
    async with bench.proxy() as proxy:
        client = await proxy.client().open()
        waiting = asyncio.ensure_future(client.post("tools/call", {"name": "slow", "arguments": {}}))
        await client.call("echo", text="the slow one is on its way before this")
        await bench.runtime.remove(bench.name)
        assert await bench.ended(proxy.process) == 1
        assert bench.said() == [
            f"somebody removed the container of the workload '{bench.name}'; run the workload again to make one"
        ]
        assert "process ended" in (await waiting).text


async def test_a_server_that_ends_at_once_is_started_again_ever_more_rarely(bench: Bench) -> None:
    await bench.deploy("--end", "7")
    process = await bench.launch()
    async with httpx.AsyncClient() as http:

        async def tried_four_times() -> bool:
            return bench.log.read_text().count("is started again") >= 4

        await eventually(tried_four_times)
        health = await http.get(f"http://127.0.0.1:{bench.port}/health")
    process.send_signal(signal.SIGTERM)
    assert await bench.ended(process) == 0
    assert health.status_code == 503
    assert "exit code 7" in health.json()["mcp"]["error"]
    pauses = [json.loads(line)["pause"] for line in bench.log.read_text().splitlines() if '"pause"' in line]
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]


async def test_a_proxy_that_is_told_to_stop_ends_streams_and_leaves_no_further_container(bench: Bench) -> None:
    await bench.deploy(stdio_process=StdioProcess.PER_SESSION)
    async with bench.proxy() as proxy:
        client = await proxy.client().open()
        headers = {"mcp-session-id": client.session, "accept": "text/event-stream"}
        async with proxy.http.stream("GET", client.url, headers=headers) as stream:
            assert stream.status_code == 200
            assert len(await bench.containers()) > 1
            proxy.process.send_signal(signal.SIGTERM)
            async for _ in stream.aiter_bytes():
                pass
        assert await bench.ended(proxy.process) == 0
        assert set(await bench.containers()) == {bench.name}


async def test_what_a_killed_proxy_left_is_removed_by_the_next(bench: Bench) -> None:
    await bench.deploy(stdio_process=StdioProcess.PER_SESSION)
    async with bench.proxy() as proxy:
        await proxy.client().open()
        left = set(await bench.containers()) - {bench.name}
        proxy.process.kill()
        await proxy.process.wait()
    assert left
    async with bench.proxy() as proxy:
        assert not left & set(await bench.containers())
        assert await (await proxy.client().open()).call("echo", text="new") == "new"


@pytest.mark.parametrize("transport", [Transport.SSE, Transport.STREAMABLE_HTTP])
async def test_a_server_that_speaks_http_is_served_and_started_again(bench: Bench, transport: Transport) -> None:
    await bench.deploy(transport=transport)
    async with bench.proxy() as proxy:
        client = await proxy.client().open()
        assert await client.call("echo", text="one") == "one"
        await bench.runtime.stop(bench.name, grace=0)

        async def noticed() -> bool:
            return not await proxy.healthy()

        await eventually(noticed)
        await eventually(proxy.healthy)
        assert await (await proxy.client().open()).call("echo", text="two") == "two"


async def test_an_address_that_is_in_use_is_told_and_the_container_left_alone(bench: Bench) -> None:
    await bench.deploy()
    with socket.create_server(("127.0.0.1", bench.port)):
        process = await bench.launch()
        assert await bench.ended(process) == 1
    [said] = bench.said()
    assert f"cannot listen on 127.0.0.1:{bench.port}" in said
    assert await bench.containers() == {bench.name: ContainerState.CREATED}


async def test_a_container_that_is_not_there_is_told(bench: Bench) -> None:
    await bench.deploy()
    process = await bench.launch(container="nobody-made-this")
    assert await bench.ended(process) == 1
    [said] = bench.said()
    assert said.startswith("there is no container 'nobody-made-this' for the workload")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory"),
        ("{no JSON", "it is no JSON"),
        ('{"name": "x"}', "transport is missing"),
        ('{"name": "x"}', "as ToolHive's `thv export` writes: it needs name, transport and port"),
        ('{"name": "x", "transport": "stdio", "tool_filter": ["a"]}', "did you mean tools_filter?"),
        ('{"name": "x", "transport": "stdio", "port": 9, "oidc_config": {}}', "oidc_config: it says nothing"),
        ('{"name": "x", "transport": "stdio", "tools_filter": "a"}', "tools_filter has to be a list"),
        ('{"name": "x", "transport": "stdio"}', "its port is 0"),
        ('{"name": "x", "transport": "stdio", "port": "a-secret"}', "port has to be a whole number"),
    ],
)
async def test_a_run_config_that_cannot_be_used_is_told(bench: Bench, content: str | None, told: str) -> None:
    if content is not None:
        (bench.folder / "run.json").write_text(content)
    process = await bench.launch()
    assert await bench.ended(process) == 1
    [said] = bench.said()
    assert told in said
    assert "a-secret" not in said
