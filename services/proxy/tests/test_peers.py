"""Connections of sessions to servers that speak HTTP, before a client that plays the server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.adapters import streamable_peer
from toolhive_proxy.adapters.sse_peer import SsePeer
from toolhive_proxy.adapters.streamable_peer import StreamablePeer
from toolhive_proxy.errors import LinkBrokenError, UpstreamError
from toolhive_proxy.models.http import Header
from toolhive_proxy.models.routes import Origin
from toolhive_proxy.models.upstream import ResponseSink, Sending, UpstreamRequest
from toolhive_sessions.lines import Line

EVENTS: Header = (b"content-type", b"text/event-stream")


def message(**value: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **value}).encode()


class Answer:
    """What the server answers, in pieces that come when the test says so."""

    def __init__(self, status: int = 202, headers: Sequence[Header] = ()) -> None:
        self.status = status
        self.headers = headers
        self.pieces: asyncio.Queue[bytes | ToolHiveError | None] = asyncio.Queue()
        self.taken = 0

    def whole(self) -> "Answer":
        self.pieces.put_nowait(None)
        return self

    async def body(self) -> AsyncIterator[bytes]:
        while (piece := await self.pieces.get()) is not None:
            if isinstance(piece, ToolHiveError):
                raise piece
            self.taken += 1
            yield piece

    def on_failure(self, error: ToolHiveError) -> None:
        self.pieces.put_nowait(error)


class Server:
    """Implements `models.upstream.HttpClient`."""

    def __init__(self, answer: Callable[[UpstreamRequest], Answer]) -> None:
        self._answer = answer
        self.asked: list[UpstreamRequest] = []

    def send(self, origin: Origin, request: UpstreamRequest, sink: ResponseSink) -> Sending:
        raise NotImplementedError

    @asynccontextmanager
    async def request(self, origin: Origin, request: UpstreamRequest) -> AsyncIterator[Answer]:
        assert origin == ORIGIN
        self.asked.append(request)
        yield self._answer(request)

    @property
    def posted(self) -> list[bytes]:
        return [request.body for request in self.asked if request.method == "POST"]


ORIGIN = Origin("server", 80)
CALL = message(id=1, method="tools/call", params={"name": "ask"})
SAMPLED = message(id="theirs", result={"role": "user"})
CANCELLED = message(method="notifications/cancelled", params={"requestId": 1})


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # nobody tells
            await asyncio.sleep(0.01)


@asynccontextmanager
async def sse_peer(
    post: Callable[[UpstreamRequest], Answer], **changes: Any
) -> AsyncIterator[tuple[SsePeer, Server]]:
    stream = Answer(200, [EVENTS])
    stream.pieces.put_nowait(b"event: endpoint\ndata: /messages\n\n")
    server = Server(lambda request: stream if request.method == "GET" else post(request))
    peer = SsePeer(server, ORIGIN, "/sse", list, **{"max_event": 1000, "patience": 5.0} | changes)
    await peer.open()
    try:
        yield peer, server
    finally:
        await peer.close()


async def test_an_sse_server_that_answers_a_post_when_the_call_is_done_hears_what_comes_meanwhile() -> None:
    def post(request: UpstreamRequest) -> Answer:
        return Answer() if request.body == CALL else Answer().whole()

    async with sse_peer(post) as (peer, server), asyncio.timeout(2):
        await peer.send(CALL + b"\n" + SAMPLED + b"\n" + CANCELLED + b"\n")
        assert server.posted == [CALL, SAMPLED, CANCELLED]


async def test_what_follows_a_notification_waits_until_an_sse_server_took_it() -> None:
    initialized, taken = message(method="notifications/initialized"), Answer()
    async with sse_peer(lambda request: taken if request.body == initialized else Answer().whole()) as (peer, server):
        sending = asyncio.ensure_future(peer.send(initialized + b"\n" + CALL + b"\n"))
        await until(lambda: server.posted == [initialized])
        await asyncio.sleep(0.05)
        assert server.posted == [initialized]
        taken.whole()
        await sending
        assert server.posted == [initialized, CALL]


async def test_a_call_that_an_sse_server_refuses_breaks_the_session_and_says_so() -> None:
    async with sse_peer(lambda _request: Answer(400).whole()) as (peer, _):
        await peer.send(CALL)
        with pytest.raises(LinkBrokenError, match="HTTP status 400"):
            async for _ in peer.messages():
                pass


async def test_a_mistake_while_a_call_is_sent_breaks_the_session_and_quotes_nothing() -> None:
    def post(_request: UpstreamRequest) -> Answer:
        raise ValueError("a secret")

    async with sse_peer(post) as (peer, _):
        await peer.send(CALL)
        with pytest.raises(LinkBrokenError, match=r"could not be sent \(ValueError\)$"):
            async for _ in peer.messages():
                pass


async def test_an_sse_server_that_takes_nothing_is_given_up_in_time_and_at_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with sse_peer(lambda _request: Answer(), patience=0.1) as (peer, _):
        await peer.send(CALL)
        with pytest.raises(UpstreamError, match="did not take a message"):
            async for _ in peer.messages():
                pass
    monkeypatch.setattr("toolhive_proxy.adapters.sse_peer._MOST_UNTAKEN", 3)
    async with sse_peer(lambda _request: Answer()) as (peer, server):
        await peer.send(b"\n".join([CALL] * 3))
        with pytest.raises(LinkBrokenError, match="3 messages"):
            await peer.send(CALL)
        assert len(server.posted) == 3
        await until(lambda: not peer._tasks)


def streamable(get: Callable[[], Answer]) -> tuple[StreamablePeer, Server]:
    server = Server(lambda request: get() if request.method == "GET" else Answer().whole())
    return StreamablePeer(server, ORIGIN, "/mcp", list, max_message=10_000_000), server


async def test_what_a_server_says_waits_within_a_bound_of_bytes() -> None:
    stream = Answer(200, [EVENTS])
    peer, _ = streamable(lambda: stream)
    large = message(method="notifications/message", params={"data": "x" * 3_000_000})
    for _ in range(5):
        stream.pieces.put_nowait(b"data: " + large + b"\n\n")
    await peer.send(message(method="notifications/initialized"))
    await until(lambda: stream.taken == 2)
    await asyncio.sleep(0.05)
    assert stream.taken == 2, "the second waits in the hand of who reads"
    said = peer.messages()
    async with asyncio.timeout(5):
        assert [await anext(said) for _ in range(5)] == [Line(large)] * 5
    await peer.close()


@pytest.mark.parametrize(
    ("status", "comes_again"), [(500, True), (503, True), (401, True), (404, False), (405, False)]
)
async def test_a_stream_that_is_refused_is_asked_for_again_unless_there_is_none(
    monkeypatch: pytest.MonkeyPatch, *, status: int, comes_again: bool
) -> None:
    monkeypatch.setattr(streamable_peer, "_PAUSE", 0.01)
    stream = Answer(200, [EVENTS])
    stream.pieces.put_nowait(b"data: " + CANCELLED + b"\n\n")
    answers = iter([Answer(status).whole(), Answer(status).whole(), stream])
    peer, server = streamable(lambda: next(answers))
    await peer.send(message(method="notifications/initialized"))
    if comes_again:
        async with asyncio.timeout(5):
            assert await anext(peer.messages()) == Line(CANCELLED)
    else:
        await until(lambda: not peer._tasks)
    assert len([request for request in server.asked if request.method == "GET"]) == (3 if comes_again else 1)
    await peer.close()
