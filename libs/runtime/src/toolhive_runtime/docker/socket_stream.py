"""HTTP over the engine's unix socket on asyncio, for answers that come in the course of time.

Requests speak HTTP/1.0: the engine then sends its answer as plain bytes until it closes, and closing from this side
ends what the engine does for it: a build, a pull, a watch.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from toolhive_runtime.docker.translation import translated_socket
from toolhive_runtime.errors import EngineFault

__all__ = ["Answer", "ask", "close_quietly", "open_socket", "send_request"]

_BUFFER = 256 * 1024
"""Bytes read ahead before the engine has to wait."""
_LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of one JSON message; a build's output line is the longest."""
_ANSWER_WITHIN = 60.0
"""Seconds until the engine begins to answer."""
_LEAVE_WITHIN = 0.5
"""Seconds for what was written before a close."""


@dataclass(frozen=True)
class Answer:
    """The beginning of an answer, and the rest as it comes."""

    status: int
    reader: asyncio.StreamReader

    async def messages(self) -> AsyncIterator[Mapping[str, Any]]:
        """JSON objects, one a line.

        An engine that closes while something of the request is still unread (the padding of a build's archive) makes
        the kernel say "reset" after the last byte: that is the end too. Whether all is there is for callers to see.
        """
        with suppress(ConnectionResetError):
            while line := await self.reader.readline():
                if line.strip():
                    yield json.loads(line)

    async def message(self) -> str:
        """The engine's sentence, when the answer is an error."""
        body = await self.reader.read(_BUFFER)
        with suppress(ValueError):
            parsed = json.loads(body)
            if isinstance(parsed, dict):
                return str(parsed.get("message") or parsed.get("cause") or parsed)
        return body.decode(errors="replace").strip()


async def open_socket(path: str, *, limit: int = _BUFFER) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the engine.

    Raises
    ------
    RuntimeFailure
        The engine does not answer, or not to us.
    """
    with translated_socket(path):
        return await asyncio.open_unix_connection(path, limit=limit)


async def send_request(
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    target: str,
    *,
    version: str = "1.0",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> int:
    """Send a request and read the head of its answer; returns the status."""
    reader, writer = streams
    lines = [f"{target} HTTP/{version}", "Host: docker"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines.append(f"Content-Length: {len(body)}")
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    async with asyncio.timeout(_ANSWER_WITHIN):
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
    parts = head.split(b" ", 2)
    if not head.startswith(b"HTTP/") or not parts[1][:3].isdigit():
        raise EngineFault(0, "its answer is not HTTP")
    return int(parts[1][:3])


@asynccontextmanager
async def ask(
    path: str,
    method: str,
    resource: str,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> AsyncIterator[Answer]:
    """Ask the engine for something that takes time; leaving the block ends it.

    Raises
    ------
    RuntimeFailure
        The engine does not answer, or not to us, or goes away in the middle of it.
    """
    target = f"{method} {resource}" + (f"?{urlencode(query)}" if query else "")
    streams = await open_socket(path, limit=_LONGEST_LINE)
    try:
        with translated_socket(path):
            status = await send_request(streams, target, headers=headers, body=body)
            yield Answer(status, streams[0])
    finally:
        await close_quietly(streams[1])


async def close_quietly(writer: asyncio.StreamWriter) -> None:
    """Close; that the other side was faster is no news.

    What was written already gets a moment to leave. Not more: a container that does not read would hold it for ever.
    """
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LEAVE_WITHIN):
            await writer.wait_closed()
    writer.transport.abort()
