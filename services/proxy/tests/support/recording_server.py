"""An HTTP server that keeps what it is asked, and answers what a test says."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

__all__ = ["Asked", "RecordingServer"]


@dataclass
class Asked:
    """One request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        return orjson.loads(self.body)


Answer = Callable[[Asked], "tuple[int, dict[str, str], bytes] | None"]


def echo(asked: Asked) -> tuple[int, dict[str, str], bytes]:
    """Answer as an MCP server without sessions."""
    if asked.method != "POST":
        return 405, {}, b""
    message = asked.message
    results: dict[str, Any] = {
        "initialize": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "serverInfo": {"name": "recording", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "a", "inputSchema": {}}, {"name": "b", "inputSchema": {}}]},
    }
    if "id" not in message:
        return 202, {}, b""
    result = results.get(message["method"], {"asked": message.get("params")})
    body = orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
    return 200, {"content-type": "application/json"}, body


@dataclass
class RecordingServer:
    """Serves for as long as the ``async with`` lasts."""

    answer: Answer = echo
    certificate: Path | None = None
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> Self:
        tls = None
        if self.certificate is not None:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(self.certificate)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                asked = await _read(reader)
                self.asked.append(asked)
                status, headers, body = self.answer(asked) or echo(asked)
                streams = headers.get("content-type") == "text/event-stream"  # which ends with the connection
                lines = [f"HTTP/1.1 {status} X", *([] if streams else [f"content-length: {len(body)}"])]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = line.split(" ")
    return Asked(method, target, headers, body)
