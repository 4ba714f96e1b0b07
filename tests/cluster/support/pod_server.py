"""An MCP server for a pod, made with the official SDK: it speaks the transport that its environment names."""

import asyncio
import os
import uuid

from mcp.server.mcpserver import MCPServer

PROCESS = uuid.uuid4().hex
server = MCPServer("pod-server")


@server.tool()
def process() -> str:
    """Name this process, which no other is called."""
    return PROCESS


@server.tool()
def variable(name: str) -> str:
    """Tell a variable of the environment."""
    return os.environ.get(name, "")


@server.tool()
async def slow(seconds: float) -> str:
    """Take a while."""
    await asyncio.sleep(seconds)
    return "done"


@server.tool()
def big(size: int) -> str:
    """Say a lot."""
    return "x" * size


@server.tool()
def die(code: int) -> str:
    """End at once."""
    os._exit(code)


transport = os.environ["MCP_TRANSPORT"]
if transport == "stdio":
    server.run()
else:
    server.run(transport, host=os.environ["MCP_HOST"], port=int(os.environ["MCP_PORT"]))
