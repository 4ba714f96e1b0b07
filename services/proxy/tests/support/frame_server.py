"""The agent's side of a stdio server, played by the test: the real keeper of sessions, a server of a few lines."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import Any, Self

import orjson

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.mcp.port import FromBroker, decode_up, encode_down
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.edges import EdgeWatch
from toolhive_common.messaging.frames import Frame, FrameChannel
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.subjects import McpFrameSubject
from toolhive_sessions.effects import Handshake
from toolhive_sessions.host import SessionHost
from toolhive_sessions.lines import Line
from toolhive_sessions.records import Policy


class ScriptedServer:
    """A stdio server without a process."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._asked: Any = None

    async def send(self, data: bytes) -> None:
        for line in data.splitlines():
            message = orjson.loads(line)
            self.heard.put_nowait(message)
            if "method" in message and "id" in message:
                self._answer(message)
            elif "method" not in message and self._asked is not None:
                self._tool(self._asked, str(message.get("result")))

    async def messages(self) -> AsyncIterator[Line]:
        while (line := await self._lines.get()) is not None:
            yield Line(line)

    async def close(self) -> None:
        return

    def end(self) -> None:
        self._lines.put_nowait(None)

    def say(self, **message: Any) -> None:
        self._lines.put_nowait(orjson.dumps({"jsonrpc": "2.0", **message}))

    def _answer(self, message: dict[str, Any]) -> None:
        match message["method"]:
            case "initialize":
                result: dict[str, Any] = {
                    "protocolVersion": message["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "frames", "version": "1"},
                }
                self.say(id=message["id"], result=result)
            case "tools/list":
                tool = {"name": "echo", "inputSchema": {"type": "object"}}
                self.say(id=message["id"], result={"tools": [tool]})
            case "tools/call":
                self._call(message)
            case "ping":
                self.say(id=message["id"], result={})
            case _:
                self.say(id=message["id"], error={"code": -32601, "message": "Method not found"})

    def _call(self, message: dict[str, Any]) -> None:
        arguments = message["params"].get("arguments", {})
        match message["params"]["name"]:
            case "echo":
                self._tool(message["id"], arguments["text"])
            case "large":
                self._tool(message["id"], "x" * arguments["size"])
            case "steps":
                token = message["params"]["_meta"]["progressToken"]
                for number in range(arguments["count"]):
                    params = {"progressToken": token, "progress": number + 1, "total": arguments["count"]}
                    self.say(method="notifications/progress", params=params)
                self._tool(message["id"], "done")
            case "ask":
                self._asked = message["id"]
                self.say(id="server-1", method="roots/list")
            case "silence":
                pass

    def _tool(self, request_id: Any, text: str) -> None:
        self.say(id=request_id, result={"content": [{"type": "text", "text": text}]})


class FrameServer:
    """What the agent does for one workload, without an engine."""

    def __init__(self, bus: Bus, key: WorkloadKey, server: "ScriptedServer | None" = None, **rules: Any) -> None:
        self._channel = FrameChannel(bus)
        self._key = key
        self.server = server or ScriptedServer()
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.host = SessionHost(key.name, Policy(**{"probe_patience": 0.5, **rules}), self, self, tick=0.1)
        self._edges = EdgeWatch(bus, self.host.edge_gone)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def heard(self) -> asyncio.Queue[dict[str, Any]]:
        return self.server.heard

    async def begin(self) -> Self:
        self._tasks = [
            asyncio.create_task(self.host.run()),
            asyncio.create_task(self.host.serve_main(self.server)),
            asyncio.create_task(self._edges.run()),
        ]
        self._subscription = await self._channel.receive(McpFrameSubject.to_server(self._key), self._take)
        await self._channel._bus.client.flush()
        return self

    async def end(self) -> None:
        with suppress(Exception):
            await self._subscription.unsubscribe()
            for _ in range(2):  # the library's first PING overtakes what it has not written yet
                await self._channel._bus.client.flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, frame: Frame) -> None:
        await self.host.submit(frame.subject.rsplit(".", 2)[1], decode_up(frame.data))

    # -- toolhive_sessions.host.Outlet and Launcher

    def deliver(self, edge: str, message: FromBroker) -> Awaitable[None]:
        return self._channel.send(str(McpFrameSubject(self._key, edge, "out")), encode_down(message))

    def session_opened(self, session: str, client: str) -> None:
        return

    def session_changed(self, session: str) -> None:
        pass

    def session_closed(self, session: str, client: str, reason: str) -> None:
        self.ended.put_nowait(session)

    def shook(self, handshake: Handshake) -> None:
        return

    async def start(self, slot: str) -> Any:
        raise ToolHiveError(ErrorCode.INTERNAL, f"no further process {slot}")

    async def stop(self, slot: str) -> None:
        return
