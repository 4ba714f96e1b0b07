import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from toolhive_proxy.adapters.upstream_sse import SseLink

from toolhive_proxy.adapters.upstream_reader import ResponseReader
from toolhive_proxy.models.routes import Origin
from toolhive_proxy.models.upstream import ResponseHead, UpstreamRequest
from toolhive_proxy.protocol.response_head import CHUNKED


class Nobody:
    async def take(self, data: bytes) -> None: ...

    def fail(self, reason: str) -> None: ...

    def lose(self, reason: str) -> None: ...


class SlowToEnd:
    """A server whose stream opens at once, and takes its time to end."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self.may_end = asyncio.Event()

    @asynccontextmanager
    async def request(self, _origin: Origin, _request: UpstreamRequest) -> AsyncIterator[ResponseReader]:
        try:
            reader = ResponseReader()
            head = ResponseHead(200, ((b"content-type", b"text/event-stream"),), CHUNKED, keeps_alive=True)
            reader.on_response(head, b"event: endpoint\ndata: /messages\n\n", ended=False)
            yield reader
        finally:
            self.ending.set()
            await self.may_end.wait()


@pytest.fixture
async def server() -> SlowToEnd:
    return SlowToEnd()


@pytest.fixture
async def link(server: SlowToEnd) -> SseLink:
    link = SseLink(
        server,  # type: ignore[arg-type]  # has what is used
        Origin("127.0.0.1", 1),
        Nobody(),
        max_event=1000,
        patience=5,
    )
    await link.open()
    return link


async def test_closing_ends_the_reading_first(link: SseLink, server: SlowToEnd) -> None:
    async with asyncio.TaskGroup() as tasks:
        closing = tasks.create_task(link.close())
        await server.ending.wait()
        assert not closing.done()
        server.may_end.set()
    assert link._reading is not None
    assert link._reading.done()


async def test_whoever_closes_can_be_cancelled_meanwhile(link: SseLink, server: SlowToEnd) -> None:
    async with asyncio.TaskGroup() as tasks:
        closing = tasks.create_task(link.close())
        await server.ending.wait()
        closing.cancel()
    server.may_end.set()
    assert closing.cancelled()
