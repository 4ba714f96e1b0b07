"""Small MCP servers that run in containers, and a client that speaks to them through frames."""

import asyncio
import json
import uuid
from typing import Any

from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.frames import Frame, FrameChannel
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.subjects import McpFrameSubject
from toolhive_common.testing.factories import a_run_config

IMAGE = "toolhive-base:bookworm"

ECHO = """
import json, sys
print("garbage before the first message", flush=True)
print("a word on standard error", file=sys.stderr, flush=True)
initialized = 0
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        initialized += 1
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "echo", "version": str(initialized)}}
    elif method == "tools/list":
        result = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
    elif method == "tools/call":
        print("more garbage {", flush=True)
        arguments = message["params"]["arguments"]
        if "exit" in arguments:
            sys.exit(arguments["exit"])
        result = {"content": [{"type": "text", "text": "x" * arguments.get("size", 0)}], "times": initialized}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def a_server(name: str, script: str = ECHO, **changes: Any) -> RunConfig:
    """Let a script run in the base image."""
    return a_run_config(name, image=IMAGE, cmd_args=("python3", "-u", "-c", script), **changes)


class Client:
    """One session with a stdio server."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._frames = FrameChannel(bus)
        self.session = uuid.uuid4().hex
        self._key = WorkloadKey.default(name)
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def open(self) -> None:
        out = str(McpFrameSubject(self._key, self.session, "out"))
        await self._frames.receive(out, self._take)

    async def _take(self, frame: Frame) -> None:
        self._answers.put_nowait(json.loads(frame.data))

    async def send(self, message: dict[str, Any]) -> None:
        subject = McpFrameSubject(self._key, self.session, "in")
        await self._frames.send(subject, json.dumps({"jsonrpc": "2.0", **message}).encode())

    async def ask(self, request_id: Any, method: str, **params: Any) -> dict[str, Any]:
        await self.send({"id": request_id, "method": method, "params": params})
        async with asyncio.timeout(20):
            while True:
                answer = await self._answers.get()
                if answer.get("id") == request_id:
                    return answer

    async def begin(self) -> dict[str, Any]:
        answer = await self.ask(0, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={})
        await self.send({"method": "notifications/initialized"})
        return answer
