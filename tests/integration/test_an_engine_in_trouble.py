"""A container engine that is not there, that lets nobody in, or that is started again under running workloads."""

import asyncio
import gc
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from toolhive_agent.decisions.containers import owner_labels
from toolhive_agent.services.engine import Engine
from toolhive_agent.services.slot_containers import SlotContainers
from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus, open_bus
from toolhive_common.messaging.events import EventLog
from toolhive_common.messaging.topology import ensure_topology
from toolhive_common.schemas.events import EventType
from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.state import DesiredWorkload, ObservedPhase, ObservedWorkload, WorkloadKey
from toolhive_common.testing.factories import a_desired, a_run_config
from toolhive_common.testing.nats_server import NatsServer
from toolhive_runtime.decisions.container_spec import container_spec
from toolhive_runtime.docker import DockerRuntime

from .support.own_engine import OwnEngine, an_own_engine
from .support.stack import ROOT, Stack, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@contextmanager
def _agent_with(stack: Stack, **settings: str) -> Iterator[Stack]:
    """Run the stack's agent with other settings."""
    changed = Stack(stack.project, stack.agent, stack.api_port, stack.proxy_port, stack.nats_port, settings)
    changed.compose("up", "--detach", "--no-build", "--no-deps", "runtime-agent")
    try:
        yield changed
    finally:
        stack.compose("up", "--detach", "--no-build", "--no-deps", "runtime-agent")
        asyncio.run(stack.ready())


def _refusal(stack: Stack, sentence: str) -> str:
    async def refused() -> str:
        async with httpx.AsyncClient(base_url=stack.api_url, timeout=60) as client:
            answer = await client.post("/api/v1beta/workloads", json={"name": "hasty", "image": "x:1"})
            listed = (await client.get("/api/v1beta/workloads", params={"all": "true"})).json()["workloads"]
        return answer.text if answer.status_code == 503 and sentence in answer.text and not listed else ""

    return str(asyncio.run(until("the API refuses and says why", refused)))


def test_a_socket_without_permission_is_named_with_the_cure(stack: Stack) -> None:
    with _agent_with(stack, DOCKER_GID="65534"):
        assert "group" in _refusal(stack, "ermission")


def test_an_engine_that_does_not_run_is_named(stack: Stack) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "engine.sock"
        listener.bind(str(path))  # bound and never listening: refuses, as a socket does whose engine died
        path.chmod(0o666)
        Path(folder).chmod(0o755)
        with _agent_with(stack, TOOLHIVE_ENGINE_SOCKET=str(path), DOCKER_HOST="unix:///var/run/docker.sock"):
            assert "Tried" in _refusal(stack, "no supported container runtime")


@asynccontextmanager
async def _own_agent(engine: OwnEngine, nats_url: str, log: Path) -> AsyncIterator[None]:
    environment = {
        **os.environ,
        "TOOLHIVE_NATS_URL": nats_url,
        "TOOLHIVE_NATS_PASSWORD": "test",
        "TOOLHIVE_DOCKER_SOCKET": str(engine.socket),
        "TOOLHIVE_PORT": "18099",
        "TOOLHIVE_RESTART_DELAY": "1",
    }
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "toolhive_agent", env=environment, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _declare(bus: Bus, name: str, image: str) -> None:
    wish = a_desired(name, run_config=a_run_config(name, image=image))
    await Bucket(bus, subjects.DESIRED_BUCKET, DesiredWorkload).put(wish.key, wish)


async def _runs(bus: Bus, name: str, *, restarts: int) -> bool:
    seen = await Bucket(bus, subjects.OBSERVED_BUCKET, ObservedWorkload).get(WorkloadKey.default(name))
    return bool(seen and seen.phase is ObservedPhase.RUNNING and seen.restarts >= restarts)


_needs_own_engine = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("dockerd") or not shutil.which("ip"),
    reason="only root can start a second engine, and it needs dockerd and ip on this machine",
)


@_needs_own_engine
async def test_workloads_come_back_once_when_the_engine_was_killed_and_started_again(
    odd_server: str, tmp_path: Path
) -> None:
    names = ["engine-a", "engine-b"]
    async with (
        NatsServer(tmp_path, ROOT / "deploy/nats/nats.conf") as nats,
        open_bus(nats.settings(Role.API)) as bus,
        an_own_engine(odd_server) as engine,
    ):
        await bus.wait_connected()
        await ensure_topology(bus, events_kept=timedelta(days=1))
        async with _own_agent(engine, nats.url, tmp_path / "agent.log"):
            for name in names:
                await _declare(bus, name, odd_server)
            for name in names:
                await until(f"{name} runs", lambda name=name: _runs(bus, name, restarts=0), seconds=60)
            await engine.kill()
            await engine.start()
            for name in names:
                await until(f"{name} runs again", lambda name=name: _runs(bus, name, restarts=1), seconds=90)
            assert sorted(engine.running()) == names
            log = EventLog(bus)
            died = [
                stored.event
                async for stored in log.read(1, follow=False)
                if stored.event.type is EventType.CONTAINER_DIED
            ]
            assert {event.key.name for event in died} == set(names)


@_needs_own_engine
# The engine's client library leaves a socket that could not connect to the garbage collector, which runs in the test.
@pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_further_containers_end_with_their_engine_and_can_be_had_again(odd_server: str) -> None:
    async with an_own_engine(odd_server) as engine:
        await _lose_and_have_again(engine, odd_server)
    gc.collect()


async def _lose_and_have_again(engine: OwnEngine, image: str) -> None:
    key, labels = WorkloadKey.default("engine-c"), owner_labels("engine-c", WorkloadKey.default("engine-c"), 1)
    config = a_run_config("engine-c", permission_profile=BUILTIN_PROFILES["none"], isolate_network=True)
    spec = container_spec(config, BUILTIN_PROFILES["none"], image=image, owner_labels=labels, restart_policy="no")
    runtime = DockerRuntime(str(engine.socket))

    async def detect() -> DockerRuntime:
        return runtime

    slots = SlotContainers(Engine(detect, "engine-c"), "engine-c", most=5, grace=timedelta(seconds=1))
    slots.offer(key, spec)
    held = [await slots.start(key, slot) for slot in ("modern", "s-0a1b2c3d", "s-4e5f6a7b")]
    await engine.kill()
    async with asyncio.timeout(60):
        for attachment in held:
            async for _ in attachment.read():
                pass
            await attachment.close()
    for slot in ("modern", "s-0a1b2c3d"):
        with pytest.raises(ToolHiveError) as caught:
            await slots.remove(key, slot)
        assert caught.value.code is ErrorCode.ENGINE_UNREACHABLE
    await engine.start()
    await (await slots.start(key, "modern")).close()
    assert engine.running().count("engine-c-modern") == 1
    await slots.remove_all(key)
    assert engine.docker("ps", "--all", "--quiet").split() == []
    await runtime.close()
