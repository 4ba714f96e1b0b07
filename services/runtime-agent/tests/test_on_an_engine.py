"""The agent's process on a real engine and a real nats-server."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from toolhive_common.messaging.rpc import ask_agent
from toolhive_common.schemas.commands import AgentOperation, LogsReply, LogsRequest
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import ObservedWorkload
from toolhive_runtime.docker import detect_runtime

from .support.processes import AgentProcess, an_agent_process  # type: ignore[import-not-found]  # mypy stops at the dash
from .support.servers import ECHO, Client, a_server  # type: ignore[import-not-found]  # mypy stops at the dash
from .support.stage import REMOVED, STOPPED, Stage, eventually  # type: ignore[import-not-found]  # mypy stops at the dash

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]
AGENT = f"agent-test-{uuid.uuid4().hex[:8]}"


def a_process(stage: Stage, folder: Path, **changes: str) -> AbstractAsyncContextManager[AgentProcess]:
    return an_agent_process(AGENT, stage, folder, **changes)


@pytest.fixture(autouse=True)
async def _nothing_left() -> AsyncIterator[None]:
    yield
    runtime = await detect_runtime(os.environ)
    for container in await runtime.list({"toolhive-agent": AGENT}):
        await runtime.remove(container.container_id)
    await runtime.close()


def a_name() -> str:
    return f"agent-test-{uuid.uuid4().hex[:8]}"


async def up(stage: Stage, name: str, script: str = ECHO, revision: int = 1, **changes: Any) -> ObservedWorkload:
    await stage.declare(name, agent=AGENT, revision=revision, run_config=a_server(name, script, **changes))
    state: ObservedWorkload = await stage.reaches("running", name, revision)
    return state


async def test_a_stdio_server_answers_through_frames(stage: Stage, tmp_path: Path) -> None:
    name = a_name()
    async with a_process(stage, tmp_path) as process:
        state = await up(stage, name)
        assert process.ready() == 200
        first, second = Client(stage.proxy_bus, name), Client(stage.proxy_bus, name)
        for client in (first, second):
            await client.open()
            assert (await client.begin())["result"]["serverInfo"] == {"name": "echo", "version": "1"}
        answers = await asyncio.gather(*(client.ask(1, "tools/list") for client in (first, second)))
        assert [answer["result"]["tools"][0]["name"] for answer in answers] == ["echo", "echo"]
        big = await first.ask("big", "tools/call", name="echo", arguments={"size": 20_000_000})
        assert len(big["result"]["content"][0]["text"]) == 20_000_000
        reply = await ask_agent(
            stage.bus, AGENT, AgentOperation.LOGS, LogsRequest(key=state.key, lines=1000), LogsReply, patience=30
        )
        assert reply.text.endswith("\n")
        await stage.declare(name, agent=AGENT, revision=2, phase=STOPPED, run_config=a_server(name))
        await stage.reaches("stopped", name, 2)
        await stage.declare(name, agent=AGENT, revision=3, phase=REMOVED, run_config=a_server(name))
        await stage.reaches("removed", name, 3)
        assert await process.end(signal.SIGTERM) == 0
    runtime = await detect_runtime(os.environ)
    assert not await runtime.list({"toolhive-agent": AGENT})
    await runtime.close()


async def test_a_killed_agent_takes_the_same_process_up_again(stage: Stage, tmp_path: Path) -> None:
    name = a_name()
    async with a_process(stage, tmp_path) as process:
        before = await up(stage, name)
        client = Client(stage.proxy_bus, name)
        await client.open()
        await client.begin()
        assert (await client.ask(1, "tools/call", name="echo", arguments={}))["result"]["times"] == 1

        async def stored() -> bool:  # the handshake is stored beside the calls
            keys = [[key async for key in _keys(stage, bucket)] for bucket in ("handshakes", "sessions")]
            return all(name in "".join(each) for each in keys)

        await eventually(stored)
        await process.end()
        await process.start()

        async def held_again() -> bool:
            now = await stage.state(name)
            return now is not None and now.attachment not in {"", before.attachment}

        await eventually(held_again)
        answer = await client.ask(2, "tools/call", name="echo", arguments={})
        assert answer["result"]["times"] == 1  # the process was asked to initialize once in its life
        late = Client(stage.proxy_bus, name)
        await late.open()
        assert (await late.begin())["result"]["serverInfo"]["version"] == "1"
        after = await stage.reaches("running", name)
    assert (after.container_id, after.restarts) == (before.container_id, 0)
    types = await stage.event_types(name)
    assert types[:4] == ["workload.starting", "container.started", "workload.running", "session.opened"]
    assert types[4:] == ["session.opened"]  # of the client that came late; the other's goes on


async def _keys(stage: Stage, bucket: str) -> AsyncIterator[str]:
    """Subjects are no secret to the stream's maker; values it may not read."""
    info = await stage.bus.jetstream.stream_info(f"KV_toolhive_{bucket}", subjects_filter=">")
    for subject in info.state.subjects or {}:
        yield subject


async def test_a_server_that_exits_is_brought_back_and_sessions_go_on(stage: Stage, tmp_path: Path) -> None:
    name = a_name()
    async with a_process(stage, tmp_path):
        await up(stage, name)
        client = Client(stage.proxy_bus, name)
        await client.open()
        await client.begin()
        failed = await client.ask(1, "tools/call", name="echo", arguments={"exit": 7})
        assert failed["error"]["code"] == -32000

        async def again() -> bool:
            now = await stage.state(name)
            return now is not None and now.phase == "running" and now.restarts == 1

        await eventually(again)
        answer = await client.ask(2, "tools/call", name="echo", arguments={})
        assert answer["result"]["times"] == 1
    events = await stage.events(name)
    died = next(event for event in events if event.type == "container.died")
    assert died.data["exit_code"] == 7
    unhealthy = next(event for event in events if event.type == "workload.unhealthy")
    assert "code 7" in unhealthy.data["reason"]
    assert f"thv logs {name}" in unhealthy.data["reason"]


async def test_a_killed_container_comes_back(stage: Stage, tmp_path: Path) -> None:
    name = a_name()
    async with a_process(stage, tmp_path):
        state = await up(stage, name)
        killer = await asyncio.create_subprocess_exec(
            "docker", "kill", state.container_id, stdout=asyncio.subprocess.DEVNULL
        )
        await killer.wait()

        async def again() -> bool:
            now = await stage.state(name)
            return now is not None and now.phase == "running" and now.restarts == 1

        await eventually(again)
        client = Client(stage.proxy_bus, name)
        await client.open()
        assert "result" in await client.begin()
    died = next(event for event in await stage.events(name) if event.type == "container.died")
    assert (died.data["exit_code"], died.data["reason"]) == (137, "killed")


async def test_a_server_that_exits_at_once_is_unhealthy_and_says_why(stage: Stage, tmp_path: Path) -> None:
    name = a_name()
    script = "import sys; sys.exit('no API key was given')"
    async with a_process(stage, tmp_path, TOOLHIVE_RESTART_DELAY="60", TOOLHIVE_STARTUP_GRACE="5"):
        await stage.declare(name, agent=AGENT, run_config=a_server(name, script))
        state = await stage.reaches("unhealthy", name)
    assert state.code == "server_exited"
    assert "code 1" in state.reason
    assert "no API key was given" in state.reason
    assert state.image


async def test_an_http_server_is_ready_when_it_listens(stage: Stage, tmp_path: Path) -> None:
    name = a_name()
    script = "import time, http.server; time.sleep(1); http.server.HTTPServer(('', 8000), None).serve_forever()"
    async with a_process(stage, tmp_path):
        await stage.declare(
            name,
            agent=AGENT,
            run_config=a_server(name, script, transport=Transport.STREAMABLE_HTTP, target_port=8000),
        )
        starting = await stage.reaches("starting", name)
        assert not starting.endpoint
        state = await stage.reaches("running", name)
    assert state.endpoint.startswith("http://")
    assert state.endpoint.endswith(":8000")


async def test_without_an_engine_it_lives_and_says_what_to_do(stage: Stage, tmp_path: Path) -> None:
    missing = str(tmp_path / "no.sock")
    async with a_process(stage, tmp_path, TOOLHIVE_DOCKER_SOCKET=missing) as process:

        async def complains() -> str:
            beat = await stage.agents.get(AGENT)
            return beat.problem if beat else ""

        assert "TOOLHIVE_DOCKER_SOCKET" in await eventually(complains)
        assert process.ready() == 503


async def test_values_of_the_environment_stand_in_no_log(stage: Stage, tmp_path: Path) -> None:
    name = a_name()
    script = "import os, sys; sys.exit('bad ' + os.environ['TOKEN'])"
    async with a_process(stage, tmp_path, TOOLHIVE_LOG_LEVEL="DEBUG") as process:
        wish = a_server(name, script, env_vars={"TOKEN": "hunter2hunter2"})
        await stage.declare(name, agent=AGENT, run_config=wish)
        state = await stage.reaches("unhealthy", name)
        assert "hunter2" not in process.log()
    assert "bad ***" in state.reason


async def test_nats_may_come_later_than_the_agent(stage: Stage, tmp_path: Path) -> None:
    name = a_name()
    await stage.declare(name, agent=AGENT, run_config=a_server(name))
    await stage.nats.kill()
    async with a_process(stage, tmp_path) as process:

        async def waits() -> bool:
            return await asyncio.to_thread(process.ready) == 503

        await eventually(waits)
        await stage.nats.start()
        await stage.bus.wait_connected()

        async def state() -> ObservedWorkload | None:
            return await Stage.state(stage, name) if stage.bus.connected else None

        await eventually(state)
        await stage.reaches("running", name)
