"""Servers that people run, from PyPI and npm, as `thv run` starts them: each lists its tools and answers a call."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from mcp import Client

from .support.stack import Stack
from .support.workloads import ready_at, text_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Real:
    """One server, how it is run, and one call with a part of its answer."""

    name: str
    package: str
    tool: str
    arguments: dict[str, Any]
    answer: str
    flags: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    """Arguments of the server's own."""
    failing: bool = field(default=False, kw_only=True)
    """Whether the tool tells an error, which must arrive as it is."""


_NOON = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
_THOUGHT = {"thought": "hm", "thoughtNumber": 1, "totalThoughts": 1, "nextThoughtNeeded": False}
_NPM = "npx://@modelcontextprotocol"
_NOWHERE = {"repo_path": "/nowhere"}
_WITHOUT_GIT = ("--env", "GIT_PYTHON_REFRESH=quiet")
_FIRST_SDK = ("--build-with", "mcp<2")
"""For a server that was written for the first generation of the SDK and does not say so."""
_PORT = ("--target-port", "3001", "--env", "PORT=3001")
SERVERS = (
    Real("time-first-era", "uvx://mcp-server-time@2026.10.10", "convert_time", _NOON, "Asia/Tokyo"),
    Real("time-both-eras", "uvx://mcp-server-time@2026.10.19", "convert_time", _NOON, "Asia/Tokyo"),
    Real("git", "uvx://mcp-server-git@2026.10.10", "git_status", _NOWHERE, "/nowhere", _WITHOUT_GIT, failing=True),
    Real("fetch", "uvx://mcp-server-fetch", "fetch", {"url": "http://127.0.0.1:9"}, "", failing=True),
    Real("sqlite", "uvx://mcp-server-sqlite", "list_tables", {}, "[]", _FIRST_SDK, ("--db-path", "/tmp/test.db")),
    Real("filesystem", f"{_NPM}/server-filesystem", "list_allowed_directories", {}, "/tmp", own=("/tmp",)),
    Real(
        "memory",
        f"{_NPM}/server-memory",
        "read_graph",
        {},
        "entities",
        ("--env", "MEMORY_FILE_PATH=/tmp/memory.json"),
    ),
    Real("thinking", f"{_NPM}/server-sequential-thinking", "sequentialthinking", _THOUGHT, "thoughtNumber"),
    Real("stdio", f"{_NPM}/server-everything@2026.8.31", "echo", {"message": "hello"}, "hello"),
    Real(
        *("http", f"{_NPM}/server-everything@2026.8.31", "echo", {"message": "hello"}, "hello"),
        flags=("--transport", "streamable-http", *_PORT),
        own=("streamableHttp",),
    ),
    Real(
        *("sse", f"{_NPM}/server-everything@2026.8.31", "echo", {"message": "hello"}, "hello"),
        flags=("--transport", "sse", *_PORT),
        own=("sse",),
    ),
)


@pytest.mark.parametrize("real", SERVERS, ids=[real.name for real in SERVERS])
async def test_it_lists_its_tools_and_answers(stack: Stack, api: httpx.AsyncClient, real: Real) -> None:
    own = ("--", *real.own) if real.own else ()
    done = stack.thv("run", real.package, "--name", real.name, *real.flags, *own)
    assert done.returncode == 0, done.stderr
    async with Client(await ready_at(api, real.name)) as client:
        assert real.tool in {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool(real.tool, real.arguments)
    assert bool(result.is_error) == real.failing, text_of(result)
    assert real.answer in text_of(result)
