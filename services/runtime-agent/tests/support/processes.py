"""The agent as it runs in production."""

import asyncio
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .stage import Stage  # type: ignore[import-not-found]  # mypy stops at the dash


class AgentProcess:
    """The agent as it runs in production."""

    def __init__(self, name: str, stage: Stage, folder: Path, **changes: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._log = folder / "agent.log"
        self._environment = {
            **os.environ,
            "TOOLHIVE_NATS_URL": stage.nats.url,
            "TOOLHIVE_NATS_PASSWORD": "test",
            "TOOLHIVE_AGENT_NAME": name,
            "TOOLHIVE_PORT": str(self.port),
            "TOOLHIVE_RESTART_DELAY": "0.5",
            "TOOLHIVE_HEARTBEAT": "0.5",
            "TOOLHIVE_STARTUP_GRACE": "0.3",
            "TOOLHIVE_STOP_GRACE": "1",
            "TOOLHIVE_NETWORK": "toolhive-test-external",  # the other may be somebody else's on this machine
            **changes,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "toolhive_agent", env=self._environment, stderr=log
            )

    async def end(self, number: int = signal.SIGKILL) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()

    def log(self) -> str:
        return self._log.read_text()

    def ready(self) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@asynccontextmanager
async def an_agent_process(name: str, stage: Stage, folder: Path, **changes: str) -> AsyncIterator[AgentProcess]:
    process = AgentProcess(name, stage, folder, **changes)
    await process.start()
    try:
        yield process
    finally:
        await process.end()
