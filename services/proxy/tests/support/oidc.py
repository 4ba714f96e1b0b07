"""Real identity providers: Node programs that take orders on their standard input."""

import asyncio
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

__all__ = ["NodeProvider", "installed_providers"]

_HERE = Path(__file__).parents[1] / "oidc"
_CACHE = Path(__file__).parents[4] / ".cache" / "npm"


def installed_providers() -> Path:
    """Install what the lock file says, once for each lock file."""
    lock = (_HERE / "package-lock.json").read_bytes()
    folder = _CACHE / f"oidc-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.exists():
        building = folder.with_name(f"{folder.name}.{id(lock)}.part")
        building.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / name, building)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=building, check=True, capture_output=True, timeout=100)
        try:
            building.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(building)
    return folder


class NodeProvider:
    """One provider, for as long as the ``async with`` lasts."""

    issuer: str

    def __init__(self, folder: Path, program: str, *arguments: str) -> None:
        self._folder = folder
        self._command = (program, *arguments)

    async def __aenter__(self) -> Self:
        program, *arguments = self._command
        # Node looks for packages beside the program, wherever it is started from.
        shutil.copy(_HERE / program, self._folder)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            "node", self._folder / program, *arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
        )
        self.issuer = await self._read()
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 20)

    async def tell(self, command: str, **values: Any) -> Any:
        """Give an order, and wait until it is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command, **values}).encode() + b"\n")
        return await self._read()

    async def _read(self) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 20)
        assert line, "the provider died"
        return json.loads(line)
