"""Server-sent events: framing, and comments that keep a quiet connection open."""

import asyncio
from collections.abc import AsyncIterator

__all__ = ["SSE_MEDIA_TYPE", "frame", "with_keep_alive"]

SSE_MEDIA_TYPE = "text/event-stream"
_COMMENT = b": keep-alive\n\n"
_KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent."""


def frame(event: str, data: str, event_id: str = "") -> bytes:
    """Write one event; the data is one line of JSON."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {event}\ndata: {data}\n\n".encode()


async def with_keep_alive(frames: AsyncIterator[bytes], seconds: float = _KEEP_ALIVE) -> AsyncIterator[bytes]:
    """Pass frames on, with comments in between when none comes."""
    yield _COMMENT  # sends the headers at once: a client knows that it is connected
    pending: asyncio.Task[bytes] | None = None
    try:
        while True:
            # A timeout around the iterator would cancel it; this one only stops waiting. A TaskGroup cannot own the
            # task: its block would be left and entered again at each yield, by whoever iterates. This generator does.
            pending = pending or asyncio.create_task(_next(frames))  # noqa: TID251  # awaited below, in any case
            done, _ = await asyncio.wait({pending}, timeout=seconds)
            if not done:
                yield _COMMENT
                continue
            finished, pending = pending, None
            try:
                found = finished.result()
            except StopAsyncIteration:
                return
            yield found
    finally:
        while pending is not None and not pending.done():
            pending.cancel()  # again and again: the NATS library loses one that comes together with an answer
            await asyncio.wait({pending}, timeout=1)


async def _next(frames: AsyncIterator[bytes]) -> bytes:
    return await anext(frames)
