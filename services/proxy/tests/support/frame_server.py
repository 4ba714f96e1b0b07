"""The agent's side of a stdio server, played by the test: frames in, frames out."""

import asyncio
from typing import Any, Self

import orjson

from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.frames import Frame, FrameChannel
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.subjects import McpFrameSubject


class FrameServer:
    def __init__(self, bus: Bus, key: WorkloadKey) -> None:
        self._channel = FrameChannel(bus)
        self._key = key
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._asked: dict[str, Any] = {}

    async def start(self) -> Self:
        self._subscription = await self._channel.receive(McpFrameSubject.to_server(self._key), self._take)
        await self._channel._bus.client.flush()
        return self

    async def stop(self) -> None:
        await self._subscription.unsubscribe()
        await self._channel._bus.client.flush()

    async def say(self, session: str, **message: Any) -> None:
        data = orjson.dumps({"jsonrpc": "2.0", **message})
        await self._channel.send(McpFrameSubject(self._key, session, "out"), data)

    async def _take(self, frame: Frame) -> None:
        session = frame.subject.session
        if frame.ends_session:
            self.ended.put_nowait(session)
            return
        message = orjson.loads(frame.data)
        self.heard.put_nowait(message)
        if "method" in message and "id" in message:
            await self._answer(session, message)
        elif "method" not in message and session in self._asked:
            await self._tool(session, self._asked.pop(session), str(message.get("result")))

    async def _answer(self, session: str, message: dict[str, Any]) -> None:
        match message["method"]:
            case "initialize":
                result: dict[str, Any] = {
                    "protocolVersion": message["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "frames", "version": "1"},
                }
                await self.say(session, id=message["id"], result=result)
            case "tools/list":
                tool = {"name": "echo", "inputSchema": {"type": "object"}}
                await self.say(session, id=message["id"], result={"tools": [tool]})
            case "tools/call":
                await self._call(session, message)
            case "ping":
                await self.say(session, id=message["id"], result={})

    async def _call(self, session: str, message: dict[str, Any]) -> None:
        arguments = message["params"].get("arguments", {})
        match message["params"]["name"]:
            case "echo":
                await self._tool(session, message["id"], arguments["text"])
            case "large":
                await self._tool(session, message["id"], "x" * arguments["size"])
            case "steps":
                token = message["params"]["_meta"]["progressToken"]
                for number in range(arguments["count"]):
                    params = {"progressToken": token, "progress": number + 1, "total": arguments["count"]}
                    await self.say(session, method="notifications/progress", params=params)
                await self._tool(session, message["id"], "done")
            case "ask":
                self._asked[session] = message["id"]
                await self.say(session, id="server-1", method="roots/list")
            case "silence":
                pass

    async def _tool(self, session: str, request_id: Any, text: str) -> None:
        await self.say(session, id=request_id, result={"content": [{"type": "text", "text": text}]})
