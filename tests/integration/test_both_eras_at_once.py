"""Clients of both protocol eras at once on one server that speaks both, over its standard streams."""

import asyncio

import httpx
import pytest
from mcp import Client

from .support.workloads import created, ready_at, text_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

_MODERN = "2026-07-28"
_GO = "go://github.com/modelcontextprotocol/go-sdk/conformance/everything-server@v1.8.0"
_TIME = "uvx://mcp-server-time@2026.10.19"
_NOON = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}


async def said_by(url: str, mode: str, tool: str, arguments: dict[str, str]) -> tuple[str, str]:
    """Revision that a client speaks, and what a tool answers it; five calls, to overlap with the others."""
    async with asyncio.timeout(30), Client(url, mode=mode) as client:
        answers = {text_of(await client.call_tool(tool, arguments)) for _ in range(5)}
        return str(client.protocol_version), answers.pop()


@pytest.mark.parametrize(
    ("image", "tool", "arguments", "answer"),
    [
        pytest.param(_GO, "test_simple_text", {}, "This is a simple text response", id="go"),
        pytest.param(_TIME, "convert_time", _NOON, "Asia/Tokyo", id="python"),
    ],
)
async def test_each_client_speaks_its_own_era(
    api: httpx.AsyncClient, image: str, tool: str, arguments: dict[str, str], answer: str
) -> None:
    await created(api, "eras", image)
    url = await ready_at(api, "eras", seconds=300)
    modes = ["legacy", _MODERN] * 3
    found = await asyncio.gather(*(said_by(url, mode, tool, arguments) for mode in modes))
    assert [revision for revision, _ in found] == ["2025-11-25", _MODERN] * 3
    assert all(answer in text for _, text in found)


@pytest.mark.parametrize("image", [_GO, _TIME], ids=["go", "python"])
async def test_a_client_that_only_asks_what_there_is_does_not_bind_the_server(
    api: httpx.AsyncClient, image: str
) -> None:
    await created(api, "eras", image)
    url = await ready_at(api, "eras", seconds=300)
    async with Client(url, mode="auto") as client:
        assert client.protocol_version == _MODERN
    async with Client(url, mode="legacy") as client:
        assert (await client.list_tools()).tools
