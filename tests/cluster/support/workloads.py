"""Workloads of the cluster's tests, and how their tools are called."""

import uuid
from pathlib import Path
from typing import Any

import httpx
from mcp import Client

from ...integration.support.stack import ROOT, until
from ...integration.support.workloads import text_of

__all__ = ["IN_THE_POD", "TRANSPORTS", "a_workload", "answers", "call", "server_image"]

TRANSPORTS = ("stdio", "sse", "streamable-http")
_PORT, _SERVER_PORT = 8080, 8000
_SERVER = (Path(__file__).parent / "pod_server.py").read_text()
IN_THE_POD = {"spec": {"containers": [{"name": "mcp", "command": ["/app/bin/python", "-u", "-c", _SERVER]}]}}
"""Pod template that has the tests' server run in an image of the official SDK."""


def server_image() -> str:
    """The image of the official SDK."""
    return (ROOT / ".cache/everything-image").read_text().strip()


def a_workload(transport: str, **changes: Any) -> dict[str, Any]:
    """RunConfig of a workload that no other test has."""
    name = f"w-{uuid.uuid4().hex[:8]}"
    return {
        "schema_version": "v0.1.0",
        "name": name,
        "container_name": name,
        "base_name": name,
        "image": server_image(),
        "transport": transport,
        "host": "0.0.0.0",  # noqa: S104  # in a pod of its own
        "port": _PORT,
        "target_port": 0 if transport == "stdio" else _SERVER_PORT,
        "permission_profile": {"network": {"outbound": {"insecure_allow_all": True}}},
        **changes,
    }


async def call(url: str, tool: str, **arguments: Any) -> str:
    """Text that a tool answers to the official client; a refusal by the tool fails the test."""
    async with Client(url) as client:
        answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer
    return text_of(answer)


async def answers(url: str, *, other_than: str = "") -> str:
    """Name of the server's process, once calls are answered, by another one than is named."""

    async def it_does() -> str:
        try:
            found = await call(url, "process")
        except Exception as error:  # whatever the official client makes of a server that is not there
            raise httpx.ConnectError(str(error)) from error
        return "" if found == other_than else found

    return str(await until("the server answers", it_does, seconds=90))
