"""Further processes of stdio servers, for sessions and for eras, on a real engine and a real nats-server."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from toolhive_common.schemas.runconfig import StdioProcess
from toolhive_runtime.docker import detect_runtime
from toolhive_runtime.runtime import Runtime

from .support.processes import AgentProcess, an_agent_process  # type: ignore[import-not-found]  # mypy stops at the dash
from .support.servers import ECHO, Client, a_server  # type: ignore[import-not-found]  # mypy stops at the dash
from .support.stage import REMOVED, STOPPED, Stage, eventually  # type: ignore[import-not-found]  # mypy stops at the dash

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]
AGENT = f"sessions-test-{uuid.uuid4().hex[:8]}"

DUAL = """
import json, sys
era = None
for line in sys.stdin:
    message = json.loads(line)
    method, version = message.get("method"), "io.modelcontextprotocol/protocolVersion"
    if "id" not in message:
        continue
    modern = version in message.get("params", {}).get("_meta", {})
    era = modern if era is None else era
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    if modern is not era:
        answer["error"] = {"code": -32600, "message": "this process speaks the other era"}
    elif method == "initialize":
        answer["result"] = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                            "serverInfo": {"name": "dual", "version": "1"}}
    else:
        answer["result"] = {"resultType": "complete", "era": "modern" if era else "legacy"}
        if method == "server/discover":
            answer["result"]["supportedVersions"] = ["2026-07-28", "2025-11-25"]
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
async def engine() -> AsyncIterator[Runtime]:
    runtime = await detect_runtime(os.environ)
    yield runtime
    for container in await runtime.list({"toolhive-agent": AGENT}):
        await runtime.remove(container.container_id)
    await runtime.close()


async def slots(engine: Runtime) -> dict[str, str]:
    """Container ids of the further containers, by slot."""
    there = await engine.list({"toolhive-agent": AGENT})
    return {one.labels["toolhive-slot"]: one.container_id for one in there if "toolhive-slot" in one.labels}


async def come_to(engine: Runtime, number: int) -> None:
    async def check() -> bool:
        return len(await slots(engine)) == number

    await eventually(check, 30)


async def up(stage: Stage, script: str = ECHO, **changes: Any) -> str:
    name = f"sessions-test-{uuid.uuid4().hex[:8]}"
    await stage.declare(name, agent=AGENT, run_config=a_server(name, script, **changes))
    await stage.reaches("running", name)
    return name


async def a_client(stage: Stage, name: str) -> Client:
    client = Client(stage.proxy_bus, name)
    await client.open()
    return client


async def call(client: Client, request_id: int, **arguments: Any) -> Any:
    return await client.ask(request_id, "tools/call", name="echo", arguments=arguments)


def an_agent(stage: Stage, folder: Path) -> Any:
    return an_agent_process(AGENT, stage, folder)


async def test_each_session_has_a_container_that_ends_with_it(stage: Stage, engine: Runtime, tmp_path: Path) -> None:
    async with an_agent(stage, tmp_path):
        name = await up(stage, stdio_process=StdioProcess.PER_SESSION)
        one, two, three = [await a_client(stage, name) for _ in range(3)]
        for client in (one, two, three):
            assert "result" in await client.begin()
            assert (await call(client, 1))["result"]["times"] == 1
        assert len(await slots(engine)) == 3
        await one.end()
        await come_to(engine, 2)
        assert (await call(one, 2))["refused"] == "unknown_session"
        failed = await call(two, 2, exit=3)  # its process ends, and so does the session
        assert failed["error"]["code"] == -32000
        await come_to(engine, 1)
        assert (await call(two, 3))["refused"] == "unknown_session"
        assert (await call(three, 2))["result"]["times"] == 1


async def test_a_session_that_nobody_uses_takes_its_container_along(
    stage: Stage, engine: Runtime, tmp_path: Path
) -> None:
    async with an_agent(stage, tmp_path):
        name = await up(stage, stdio_process=StdioProcess.PER_SESSION, session_ttl="1s")
        client = await a_client(stage, name)
        assert "result" in await client.begin()
        await come_to(engine, 0)
        assert (await call(client, 1))["refused"] == "unknown_session"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_containers_of_sessions_do_not_outlive_the_agent(
    stage: Stage, engine: Runtime, tmp_path: Path, how: int
) -> None:
    async with an_agent(stage, tmp_path) as agent:
        assert isinstance(agent, AgentProcess)
        name = await up(stage, stdio_process=StdioProcess.PER_SESSION)
        client = await a_client(stage, name)
        assert "result" in await client.begin()
        assert len(await slots(engine)) == 1
        await agent.end(how)
        if how == signal.SIGTERM:
            assert await slots(engine) == {}
        before = await stage.state(name)
        await agent.start()
        await come_to(engine, 0)
        await _held_again(stage, name, before)
        assert (await call(client, 1))["refused"] == "unknown_session"
        assert "result" in await client.begin()


async def _held_again(stage: Stage, name: str, before: Any) -> None:
    async def check() -> bool:
        now = await stage.state(name)
        return now is not None and now.attachment not in {"", before.attachment}

    await eventually(check)


@pytest.mark.parametrize("legacy_first", [True, False])
async def test_one_server_speaks_both_eras_with_a_process_for_each(
    stage: Stage, engine: Runtime, tmp_path: Path, *, legacy_first: bool
) -> None:
    async with an_agent(stage, tmp_path):
        name = await up(stage, DUAL)
        client = await a_client(stage, name)

        async def older() -> None:
            assert "result" in await client.begin()
            assert (await client.ask(1, "tools/list"))["result"]["era"] == "legacy"

        async def newer() -> None:
            assert (await client.ask_modern(1, "tools/list"))["result"]["era"] == "modern"

        for step in (older, newer) if legacy_first else (newer, older):
            await step()
        assert set(await slots(engine)) == {"modern" if legacy_first else "legacy"}
        first = await slots(engine)
        await newer()
        assert (await client.ask(2, "tools/list"))["result"]["era"] == "legacy"
        assert await slots(engine) == first
        await stage.declare(name, agent=AGENT, revision=2, phase=STOPPED, run_config=a_server(name, DUAL))
        await stage.reaches("stopped", name, 2)
        assert await slots(engine) == {}
        await stage.declare(name, agent=AGENT, revision=3, run_config=a_server(name, DUAL))
        await stage.reaches("running", name, 3)
        late = await a_client(stage, name)
        assert "result" in await late.begin()
        assert (await late.ask_modern(1, "tools/list"))["result"]["era"] == "modern"
        assert len(await slots(engine)) == 1
        await stage.declare(name, agent=AGENT, revision=4, phase=REMOVED, run_config=a_server(name, DUAL))
        await stage.reaches("removed", name, 4)
    assert not await engine.list({"toolhive-agent": AGENT})


async def test_a_server_of_the_older_era_is_asked_once_whether_it_knows_the_newer(
    stage: Stage, engine: Runtime, tmp_path: Path
) -> None:
    script = ECHO.replace(
        "    else:\n        continue",
        "    elif method == 'server/discover':\n        result = None\n    else:\n        continue",
    ).replace(
        'print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)',
        'kind = {"result": result} if result else {"error": {"code": -32601, "message": "no"}}\n'
        '    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **kind}), flush=True)',
    )
    async with an_agent(stage, tmp_path):
        name = await up(stage, script)
        client = await a_client(stage, name)
        assert "result" in await client.begin()
        seen: set[str] = set()
        for number in range(1, 6):
            answer = await client.ask_modern(number, "tools/list")
            assert answer["error"]["code"] == -32022
            if number > 1:
                await come_to(engine, 0)
                seen |= set(await slots(engine))
        assert seen == set()
        assert (await call(client, 9))["result"]["times"] == 1
        log = await asyncio.to_thread((tmp_path / "agent.log").read_text)
        assert "Traceback" not in log
