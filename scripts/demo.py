"""The main job, shown: a server from PyPI runs in a container, and the official MCP client calls a tool of it.

Usage: .venv/bin/python scripts/demo.py      with the stack up; `make demo` brings it up first
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mcp import Client

ROOT = Path(__file__).resolve().parent.parent
THV = str(ROOT / ".venv/bin/thv")
SERVER = "uvx://mcp-server-time"
NAME = "mcp-server-time"
TOOL = "get_current_time"
USUAL_API = "http://127.0.0.1:8080"
BEGUN = time.monotonic()


class DemoError(Exception):
    """A step failed; the text says what and where to look."""


def say(text: str) -> None:
    """Print one line with the time since the start."""
    print(f"{time.monotonic() - BEGUN:6.1f} s  {text}", flush=True)


def settings() -> dict[str, str]:
    """The stack's settings, as scripts/settings knows them."""
    lines = subprocess.run([ROOT / "scripts/settings"], capture_output=True, text=True, check=True).stdout
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines.splitlines())
    return {name: value.strip("'") for name, value in pairs}


@asynccontextmanager
async def lifecycle_events() -> AsyncIterator[None]:
    """Print the workload's events from now on, as they happen."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    follower = await asyncio.create_subprocess_exec(
        *(THV, "events", "--follow", "--workload", NAME, "--from", now), stdout=PIPE, stderr=STDOUT
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(print_lines(follower, "event  "))
        try:
            yield
        finally:
            await asyncio.sleep(0.5)  # the last event is still on its way to the screen
            if follower.returncode is None:
                follower.terminate()
            await follower.wait()


async def print_lines(process: Process, prefix: str) -> None:
    """Print what a program says, line by line."""
    assert process.stdout is not None  # noqa: S101  # it was started with a pipe
    async for line in process.stdout:
        say(prefix + line.decode(errors="replace").rstrip())


async def thv(*arguments: str) -> None:
    """Run the command of the product, its output shown as it comes."""
    say(f"$ thv {' '.join(arguments)}")
    process = await asyncio.create_subprocess_exec(THV, *arguments, stdout=PIPE, stderr=STDOUT)
    await print_lines(process, "")
    if await process.wait() != 0:
        raise DemoError(
            f"thv {arguments[0]} failed; the lines above say why. The services' logs: scripts/compose logs"
        )


async def workload() -> dict[str, Any] | None:
    """Look the demo's workload up; ``None`` when there is none."""
    process = await asyncio.create_subprocess_exec(THV, "list", "--all", "--format", "json", stdout=PIPE)
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise DemoError("thv list failed; the lines above say why. The services' logs: scripts/compose logs")
    return next((each for each in json.loads(output or b"[]") or [] if each["name"] == NAME), None)


async def start() -> str:
    """Have the server run; its URL."""
    there = await workload()
    if there is None:
        await thv("run", SERVER)
    elif there["status"] != "running":
        await thv("restart", NAME)
    else:
        say(f"{NAME} runs already (thv rm {NAME} removes it)")
    async with asyncio.timeout(60):
        while (there := await workload()) is None or there["status"] != "running":  # noqa: ASYNC110  # as a user would
            await asyncio.sleep(0.5)
    return str(there["url"])


async def call(url: str) -> None:
    """Be an MCP client: connect, list the tools, call one."""
    say(f"the official MCP client connects to {url}")
    async with Client(url) as client:
        tools = (await client.list_tools()).tools
        say("tools: " + ", ".join(tool.name for tool in tools))
        result = await client.call_tool(TOOL, {"timezone": "Europe/Berlin"})
        for block in result.content:
            for line in getattr(block, "text", str(block)).splitlines():
                say(f"  {line}")
        if result.is_error:
            raise DemoError(f"{TOOL} answered with an error, shown above")


async def show(api: str) -> None:
    """Run the whole demo."""
    print("\n== the main job: an MCP server from PyPI in a container, called through the proxy", flush=True)
    async with lifecycle_events():
        url = await start()
        await call(url)
    # A command finds the API by itself only on its usual port.
    prefix = "" if api == USUAL_API else f"TOOLHIVE_API_URL={api} "
    next_looks = {
        f"{prefix}.venv/bin/thv list": "what runs",
        f"{prefix}.venv/bin/thv logs {NAME}": "what the server writes",
        f"{prefix}.venv/bin/thv events --follow": "everything that happens, as it happens",
        f"{api}/api/doc": "the REST API",
        url: "for your own MCP client",
        "make down": "removes all of it",
    }
    width = max(map(len, next_looks))
    print("\nIt works. Where to look next:")
    for look, meaning in next_looks.items():
        print(f"  {look:{width}}  {meaning}")


def main() -> int:
    """Show it, or say in one sentence why not."""
    stack = settings()
    api = f"http://127.0.0.1:{stack['TOOLHIVE_API_PORT']}"
    os.environ.setdefault("TOOLHIVE_API_URL", api)
    problem = ""
    try:
        asyncio.run(show(api))
    except* DemoError as group:
        problem = "; ".join(str(error) for error in group.exceptions)
    except* TimeoutError:
        problem = f"{NAME} is not running after a minute; see: .venv/bin/thv list --all"
    if problem:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
