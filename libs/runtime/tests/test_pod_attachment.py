"""The streams of a pod, from a websocket server that speaks as a cluster does."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from toolhive_common.errors import ErrorCode
from toolhive_runtime.errors import ClusterFault, ClusterForbiddenError, ClusterUnreachableError, RuntimeFailure
from toolhive_runtime.kubernetes import Access
from toolhive_runtime.kubernetes.attachment import PodAttachment, attach

Talk = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def a_cluster(
    talk: Talk,
    *,
    speaks: Sequence[str] = ("v5.channel.k8s.io", "v4.channel.k8s.io"),
    refuses: tuple[int, str] | None = None,
) -> AsyncIterator[Access]:
    def check(connection: ServerConnection, request: Request) -> Response | None:
        asked.append(request.path)
        return connection.respond(*refuses) if refuses else None  # type: ignore[arg-type]

    asked: list[str] = []
    protocols = [Subprotocol(name) for name in speaks] or None
    async with serve(talk, "127.0.0.1", 0, subprotocols=protocols, process_request=check, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield _access(port)
    assert asked == [
        "/api/v1/namespaces/tools/pods/time-0/attach?container=mcp&stdin=true&stdout=true&stderr=false&tty=false"
    ]


def _access(port: int) -> Access:
    return Access(f"http://127.0.0.1:{port}", "tools", lambda: {"authorization": "Bearer t"}, None)


async def test_what_is_written_is_input_and_what_is_read_is_output() -> None:
    async def echo(connection: ServerConnection) -> None:
        await connection.send(b"\x01")
        async for message in connection:
            assert isinstance(message, bytes)
            await connection.send(b"\x02" + b"noise")
            await connection.send(b"\x01" + message[1:])

    async with a_cluster(echo) as access:
        held = await attach(access, "time-0", "mcp")
        await held.write(b"hello\n" * 20_000)
        assert await _read(held, 120_000) == b"hello\n" * 20_000
        await held.close()


@pytest.mark.parametrize("speaks", [["v5.channel.k8s.io"], ["v4.channel.k8s.io"]])
async def test_either_version_of_the_protocol_will_do(speaks: list[str]) -> None:
    async def hello(connection: ServerConnection) -> None:
        assert connection.subprotocol == speaks[0]
        await connection.send(b"\x01hi")
        await connection.wait_closed()

    async with a_cluster(hello, speaks=speaks) as access:
        held = await attach(access, "time-0", "mcp")
        assert await _read(held, 2) == b"hi"
        await held.close()


async def test_the_end_of_the_process_is_the_end_of_the_output_and_says_why() -> None:
    async def end(connection: ServerConnection) -> None:
        await connection.send(b"\x01last words")
        await connection.send(b"\x03" + json.dumps({"status": "Failure", "message": "the node is gone"}).encode())

    async with a_cluster(end) as access:
        held = await attach(access, "time-0", "mcp")
        assert [chunk async for chunk in held.read()] == [b"last words"]
        assert held.ended_because == "the node is gone"
        await held.close()


async def test_a_connection_that_breaks_is_an_end_too_and_takes_no_more() -> None:
    async def cut(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with a_cluster(cut) as access:
        held = await attach(access, "time-0", "mcp")
        assert [chunk async for chunk in held.read()] == []
        with pytest.raises(ConnectionError):
            await held.write(b"hello")
        await held.close()


async def test_writing_waits_while_the_container_does_not_read() -> None:
    let_go = asyncio.Event()

    async def deaf(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await let_go.wait()

    async with a_cluster(deaf) as access:
        held = await attach(access, "time-0", "mcp")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(held.write(b"x" * 64 * 1024 * 1024), 0.5)
        let_go.set()
        await held.close()


async def test_a_chatty_server_waits_while_nobody_reads() -> None:
    sent = 0

    async def chat(connection: ServerConnection) -> None:
        nonlocal sent
        while True:
            await connection.send(b"\x01" + b"x" * 32_000)
            sent += 1

    async with a_cluster(chat) as access:
        held = await attach(access, "time-0", "mcp")
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 2_000
        await held.close()


@pytest.mark.parametrize(
    ("refusal", "expected", "code"),
    [
        pytest.param((403, "no attach"), ClusterForbiddenError, ErrorCode.ENGINE_PERMISSION_DENIED, id="forbidden"),
        pytest.param((400, "not running"), ClusterFault, ErrorCode.ENGINE_ERROR, id="not-running"),
    ],
)
async def test_a_refusal_is_told_in_the_clusters_words(
    refusal: tuple[int, str], expected: type[RuntimeFailure], code: ErrorCode
) -> None:
    async def nothing(_: ServerConnection) -> None:
        pass

    async with a_cluster(nothing, refuses=refusal) as access:
        with pytest.raises(expected, match=refusal[1]) as caught:
            await attach(access, "time-0", "mcp")
    assert caught.value.code is code


async def test_a_cluster_that_speaks_neither_version_is_told() -> None:
    async def quiet(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with a_cluster(quiet, speaks=[]) as access:
        with pytest.raises(ClusterFault, match=r"v5\.channel\.k8s\.io"):
            await attach(access, "time-0", "mcp")


async def test_a_cluster_that_is_not_there_is_told() -> None:
    with pytest.raises(ClusterUnreachableError, match="does not answer"):
        await attach(_access(1), "time-0", "mcp")


async def _read(held: PodAttachment, size: int) -> bytes:
    found = b""
    async for chunk in held.read():
        found += chunk
        if len(found) >= size:
            break
    return found
