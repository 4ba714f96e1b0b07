"""A Docker engine of the test's own, which it may kill: another folder, another socket, another network namespace.

A second engine on a machine would otherwise take the bridge from the first. containerd runs beside it, as it does
under a service manager, so that the death of the engine is not the death of what it needs to start again.
"""

import asyncio
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .stack import until

__all__ = ["OwnEngine", "an_own_engine"]

_NAMESPACE = "toolhive-test"


class OwnEngine:
    """Start it, kill it, and start it again on what it left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.socket = folder / "engine.sock"
        self._containerd: subprocess.Popen[bytes] | None = None
        self._engine: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start the engine, and return when it answers."""
        address = self._folder / "containerd.sock"
        if self._containerd is None:
            flags = {"root": "containerd-root", "state": "containerd-state"}
            folders = [f"--{name}={self._folder / folder}" for name, folder in flags.items()]
            self._containerd = self._run("containerd", *folders, f"--address={address}")
            await until("containerd listens", lambda: _exists(address), seconds=30)
        pid_file = self._folder / "engine.pid"
        pid_file.unlink(missing_ok=True)  # of an engine that was killed
        self._engine = self._run(
            *("nsenter", f"--net=/var/run/netns/{_NAMESPACE}", "dockerd", "--bridge=none", "--iptables=false"),
            *(f"--containerd={address}", f"--host=unix://{self.socket}", f"--pidfile={pid_file}"),
            *(f"--data-root={self._folder / 'data'}", f"--exec-root={self._folder / 'exec'}"),
        )
        await until("the engine answers", self._answers, seconds=60)

    async def kill(self) -> None:
        """End the engine as a crash would."""
        assert self._engine
        self._engine.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self._engine.wait)

    async def stop(self) -> None:
        """End it, and everything that it ran."""
        if left := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", *left)
        for process in (self._engine, self._containerd):
            if process is not None:
                process.terminate()
                await asyncio.to_thread(process.wait)
        # An engine that was killed leaves the mount of its folder on itself.
        await asyncio.to_thread(
            subprocess.run, ["umount", "--quiet", "--lazy", str(self._folder / "data")], check=False
        )

    def docker(self, *arguments: str, data: bytes | None = None) -> str:
        """Run the engine's command line and give what it printed."""
        command = ["docker", "--host", f"unix://{self.socket}", *arguments]
        return subprocess.run(command, capture_output=True, check=False, input=data, timeout=120).stdout.decode()

    def running(self) -> list[str]:
        """Names of the containers that run."""
        return self.docker("ps", "--format", "{{.Names}}").split()

    async def _answers(self) -> bool:
        return bool(self.docker("version", "--format", "{{.Server.Version}}").strip())

    def _run(self, *command: str) -> "subprocess.Popen[bytes]":
        with (self._folder / "engine.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)


async def _exists(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240  # at once


@asynccontextmanager
async def an_own_engine(image: str) -> AsyncIterator[OwnEngine]:
    """Run an engine that has the image, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="toolhive-engine-", ignore_cleanup_errors=True) as folder:
        # A run that was broken off may have left it.
        subprocess.run(["ip", "netns", "delete", _NAMESPACE], check=False, capture_output=True)  # noqa: ASYNC221  # at once
        subprocess.run(["ip", "netns", "add", _NAMESPACE], check=True)  # noqa: ASYNC221  # at once
        engine = OwnEngine(Path(folder))
        try:
            await engine.start()
            saved = subprocess.run(["docker", "save", image], capture_output=True, check=True).stdout  # noqa: ASYNC221
            engine.docker("load", data=saved)
            yield engine
        finally:
            await engine.stop()
            subprocess.run(["ip", "netns", "delete", _NAMESPACE], check=True)  # noqa: ASYNC221
