"""The process as it is deployed: killed, ended and badly configured."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from toolhive_common.testing.nats_server import NatsServer

from .support.harness import API, IMAGE, eventually, playing_agent

pytestmark = pytest.mark.wire

REQUEST = {"name": "time", "image": IMAGE}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(folder: Path, port: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    values = {
        "TOOLHIVE_PORT": str(port),
        "TOOLHIVE_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'toolhive.db'}",
        "TOOLHIVE_NATS_PASSWORD": "test",
        **environment,
    }
    with (
        (folder / "api.log").open("ab") as log,
        subprocess.Popen([sys.executable, "-m", "toolhive_api"], env={**os.environ, **values}, stderr=log) as running,
    ):
        try:
            yield running
        finally:
            running.kill()


async def answers(api: httpx.AsyncClient, path: str, text: str = "") -> None:
    async def check() -> bool:
        with suppress(httpx.TransportError):
            answer = await api.get(path)
            return answer.status_code == 200 and text in answer.text
        return False

    await eventually(check, seconds=30)


async def test_a_create_that_a_kill_interrupts_converges_after_the_start(tmp_path: Path, nats: NatsServer) -> None:
    port = free_port()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as api:
        with process(tmp_path, port, TOOLHIVE_NATS_URL=nats.url) as first:
            await answers(api, "/readyz")
            async with playing_agent(nats) as agent, asyncio.TaskGroup() as tasks:
                agent.pulling.clear()
                creating = tasks.create_task(_post(api))
                await answers(api, f"{API}/time/status", "starting")
                first.kill()
                assert await creating is None
                agent.pulling.set()
                with process(tmp_path, port, TOOLHIVE_NATS_URL=nats.url):
                    await answers(api, f"{API}/time/status", "running")


async def _post(api: httpx.AsyncClient) -> httpx.Response | None:
    with suppress(httpx.TransportError):
        return await api.post(API, json=REQUEST)
    return None


async def test_sigterm_ends_the_process_also_with_a_follower(tmp_path: Path, nats: NatsServer) -> None:
    port = free_port()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as api:
        with process(tmp_path, port, TOOLHIVE_NATS_URL=nats.url) as running:
            await answers(api, "/readyz")
            async with api.stream("GET", "/api/v1beta/events"):
                running.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(running.wait, 20) == 0
    lines = [json.loads(line) for line in (tmp_path / "api.log").read_text().splitlines()]
    assert lines[-1]["message"] == "ended"
    assert {line["service"] for line in lines} == {"api"}


def test_a_wrong_setting_or_database_is_named_without_a_traceback(tmp_path: Path) -> None:
    for environment, sentence in [
        ({"TOOLHIVE_PORT": "many"}, "TOOLHIVE_PORT"),
        ({"TOOLHIVE_DATABASE_URL": "sqlite+aiosqlite:////no/such/x.db"}, "TOOLHIVE_DATABASE_URL"),
    ]:
        done = subprocess.run(
            [sys.executable, "-m", "toolhive_api"],
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode != 0
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
