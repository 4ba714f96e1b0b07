"""Small MCP servers that run in containers, and a client that speaks to them through frames."""

import asyncio
import itertools
import json
import uuid
from collections import defaultdict
from typing import Any

from toolhive_common.mcp.port import FromBroker, Note, ToBroker, Verb, decode_down, encode_up
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.edges import EdgeBeat
from toolhive_common.messaging.frames import Frame, FrameChannel
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.subjects import McpFrameSubject
from toolhive_common.testing.factories import a_run_config

IMAGE = "toolhive-base:bookworm"
ENDING = {Note.FINAL, Note.DONE, Note.REFUSED}

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
    """One client of a stdio server, and the proxy that it speaks through."""

    def __init__(self, bus: Bus, name: str, *, session: str = "") -> None:
        self._bus = bus
        self._frames = FrameChannel(bus)
        self._edge = uuid.uuid4().hex[:12]
        self.session = session or uuid.uuid4().hex
        self._key = WorkloadKey.default(name)
        self._streams: dict[int, asyncio.Queue[FromBroker]] = defaultdict(asyncio.Queue)
        self._numbers = itertools.count(1)

    async def open(self) -> None:
        await self._frames.receive(McpFrameSubject.to_edge(self._edge), self._take)
        await self._bus.client.flush()

    async def _take(self, frame: Frame) -> None:
        message = decode_down(frame.data)
        self._streams[message.stream].put_nowait(message)

    async def goodbye(self) -> None:
        """End as a proxy that stops."""
        await EdgeBeat(self._bus, self._edge).goodbye()

    async def tell(self, verb: Verb, message: dict[str, Any] | None = None, **more: Any) -> int:
        """Ask for something; returns the number of its stream."""
        number = next(self._numbers)
        data = json.dumps({"jsonrpc": "2.0", **message}).encode() if message else b""
        up = ToBroker(verb, more.pop("stream", number), self.session, data, streams=True, **more)
        await self._frames.send(str(McpFrameSubject(self._key, self._edge, "in")), encode_up(up))
        return number

    async def said(self, stream: int) -> FromBroker:
        """The next that comes for a stream."""
        async with asyncio.timeout(20):
            return await self._streams[stream].get()

    async def answer(self, stream: int) -> dict[str, Any]:
        """The last that comes for a stream; a refusal as ``{"refused": code, "why": sentence}``."""
        while (message := await self.said(stream)).note not in ENDING:
            pass
        if message.note is Note.REFUSED:
            return {"refused": message.code, "why": message.data.decode()}
        answer: dict[str, Any] = json.loads(message.data) if message.data else {}
        return answer

    async def ask(self, request_id: Any, method: str, *, verb: Verb = Verb.CALL, **params: Any) -> dict[str, Any]:
        return await self.answer(await self.tell(verb, {"id": request_id, "method": method, "params": params}))

    async def begin(self, **capabilities: Any) -> dict[str, Any]:
        info = {"name": "tester", "version": "1"}
        answer = await self.ask(
            0,
            "initialize",
            verb=Verb.OPEN,
            protocolVersion="2025-11-25",
            capabilities=capabilities,
            clientInfo=info,
        )
        await self.tell(Verb.TELL, {"method": "notifications/initialized"})
        return answer

    async def ask_modern(self, request_id: Any, method: str, **params: Any) -> dict[str, Any]:
        """Ask in the era without sessions."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "tester", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        return await self.ask(request_id, method, verb=Verb.CALL_MODERN, _meta=meta, **params)

    async def end(self) -> dict[str, Any]:
        """End the session."""
        return await self.answer(await self.tell(Verb.END))
