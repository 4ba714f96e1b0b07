"""A real MCP server of the official SDK over HTTP: ``python http_mcp_server.py streamable-http|sse PORT``."""

import sys

import mcp.server.mcpserver
from mcp.server.mcpserver import MCPServer

Context = mcp.server.mcpserver.Context[None]
server = MCPServer("real")


@server.tool()
def echo(text: str) -> str:
    return text


@server.tool()
def large(size: int) -> str:
    return "x" * size


@server.tool()
async def steps(count: int, ctx: Context) -> str:
    for number in range(count):
        await ctx.report_progress(number + 1, count)
    return "done"


if __name__ == "__main__":
    transport, port = sys.argv[1], int(sys.argv[2])
    if transport == "sse":
        server.run("sse", port=port)
    else:
        server.run("streamable-http", port=port)
