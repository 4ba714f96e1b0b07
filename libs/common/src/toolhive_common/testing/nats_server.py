"""A real nats-server for tests, with the accounts of production, on a port of its own."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from toolhive_common.access import Role
from toolhive_common.messaging.bus import BusSettings

__all__ = ["NatsServer"]

_TEST_PASSWORD = "test"  # noqa: S105  # of a throw-away server on loopback


class NatsServer:
    """Start, kill and start again one server that keeps its files."""

    def __init__(self, folder: Path, config: Path) -> None:
        self._folder = folder
        self._config = config
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self._port}"

    def settings(self, role: Role) -> BusSettings:
        """How a process of the role connects."""
        return BusSettings(url=self.url, role=role, password=_TEST_PASSWORD, name=f"test-{role}", reconnect_wait=0.1)

    async def start(self) -> None:
        """Start it, and return when it answers."""
        passwords = {f"TOOLHIVE_NATS_{role.upper()}_PASSWORD": _TEST_PASSWORD for role in Role}
        with (self._folder / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603  # a test's own program
                [
                    _program(),
                    *("--config", str(self._own_config()), "--addr", "127.0.0.1", "--port", str(self._port)),
                ],
                env={**os.environ, **passwords},
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(10):
            while not await self._answers():
                if self._process.poll() is not None:
                    raise RuntimeError((self._folder / "nats.log").read_text())
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(self._process.wait)
            self._process = None

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """End it."""
        await self.kill()

    def _own_config(self) -> Path:
        """Production's configuration, but for the folder of the data and the fixed port of the monitoring."""
        text = self._config.read_text().replace('"/data"', f'"{self._folder / "jetstream"}"')
        lines = [line for line in text.splitlines() if not line.startswith("http_port")]
        own = self._folder / "nats.conf"
        own.write_text("\n".join(lines) + "\n")
        return own

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True


def _program() -> str:
    beside_python = Path(sys.executable).with_name("nats-server")
    found = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if not found:
        raise RuntimeError("nats-server is not there; run `make setup`")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
