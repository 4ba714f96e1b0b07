"""Official clients as their users run them, on a server over stdio and on one over HTTP."""

import httpx
import pytest
from mcp import Client

from .support.clients import inspector
from .support.workloads import created, ready_at, text_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

_EVERYTHING = "npx://@modelcontextprotocol/server-everything@2026.8.31"
_HTTP = {"cmd_arguments": ["streamableHttp"], "target_port": 3001, "env_vars": {"PORT": "3001"}}


@pytest.mark.parametrize(
    ("transport", "settings"),
    [pytest.param("stdio", {}, id="stdio"), pytest.param("streamable-http", _HTTP, id="http")],
)
async def test_the_inspector_lists_tools_and_calls_one(
    api: httpx.AsyncClient, transport: str, settings: dict[str, object]
) -> None:
    await created(api, "inspected", _EVERYTHING, transport=transport, **settings)
    url = await ready_at(api, "inspected", seconds=300)
    tools = {tool["name"] for tool in (await inspector(url, "--method", "tools/list"))["tools"]}
    assert "echo" in tools
    call = ("--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello")
    assert "hello" in (await inspector(url, *call))["content"][0]["text"]
    async with Client(url) as client:
        assert "echo" in {tool.name for tool in (await client.list_tools()).tools}
        assert "hello" in text_of(await client.call_tool("echo", {"message": "hello"}))
