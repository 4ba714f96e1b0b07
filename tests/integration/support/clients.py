"""Official clients as programs of their own, so that each SDK and each generation keeps its environment."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from .stack import ROOT

__all__ = ["CLIENTS", "conversation", "inspector"]

_FOLDER = ROOT / "tests/integration/clients"
_NODE = str(ROOT / ".cache/node/bin/node")
_TYPESCRIPT = str(_FOLDER / "conversation.mjs")
_PYTHON = str(_FOLDER / "conversation.py")
_INSPECTOR = str(_FOLDER / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js")
CLIENTS = {
    "python-1": (str(ROOT / ".cache/mcp-1/bin/python"), _PYTHON),
    "python-2": (sys.executable, _PYTHON),
    "typescript-1": (_NODE, _TYPESCRIPT, "sdk"),
    "typescript-2": (_NODE, _TYPESCRIPT, "client"),
}
"""Command of each official client, by SDK and generation."""


async def conversation(client: str, url: str, front: str, topic: str, *, count: int = 6) -> list[dict[str, Any]]:
    """Let several clients talk to one server at once; what each got, in order of their names."""
    told: list[dict[str, Any]] = json.loads(await _printed_by(*CLIENTS[client], url, front, str(count), topic))
    return told


async def inspector(url: str, *arguments: str) -> dict[str, Any]:
    """Run the MCP Inspector's command line on a server; what it printed."""
    command = (_NODE, _INSPECTOR, "--cli", url, "--transport", "http", *arguments)
    told: dict[str, Any] = json.loads(await _printed_by(*command))
    return told


async def _printed_by(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=Path("/")
    )
    try:
        async with asyncio.timeout(90):
            printed, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, f"{' '.join(command)}:\n{complaint.decode()}\n{printed.decode()}"
    return printed.decode()
