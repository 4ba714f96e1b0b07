"""The way of a request to an HTTP server and back, over real sockets and without NATS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.testing.factories import a_run_config
from toolhive_proxy.adapters.http_server import HttpServer
from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.handlers.forwarded import Forwarded
from toolhive_proxy.middleware.parser import parse_body
from toolhive_proxy.models.gates import RequestContext, ResultRewrite
from toolhive_proxy.models.http import Exchange, HttpLimits
from toolhive_proxy.models.routes import Origin, Route, Target
from toolhive_proxy.models.upstream import UpstreamLimits, UpstreamRequest
from toolhive_proxy.protocol.sse import SseParser
from toolhive_proxy.services.forwarding import Forwarding
from toolhive_proxy.services.metrics import Metrics

from .support.tls import self_signed

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Silent:
    def session(self, *_: Any, **__: Any) -> None: ...


@asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
    return head + await reader.readexactly(int(length))


@pytest.fixture
async def proxy() -> AsyncIterator[Callable[..., Awaitable[httpx.AsyncClient]]]:
    async with AsyncExitStack() as stack:

        async def start(port: int, *rewrites: ResultRewrite) -> httpx.AsyncClient:
            http = UpstreamHttp(UpstreamLimits())
            forwarding = Forwarding(http, Silent(), Metrics())  # type: ignore[arg-type]  # has what is used
            config = a_run_config("web", transport=Transport.STREAMABLE_HTTP)
            origin = Origin("127.0.0.1", port)
            key = WorkloadKey.default("web")
            route = Route(key, 1, Transport.STREAMABLE_HTTP, config, origin=origin, target=Target("/mcp"))

            def handle(exchange: Exchange) -> None:
                context = RequestContext(exchange.request, route, exchange.request.headers)
                context.rewrites.extend(rewrites)
                assert parse_body(context) is None
                Forwarded(exchange, context, forwarding).go()

            server = HttpServer(handle, HttpLimits(), new_correlation_id=lambda given: given or "made")
            await server.listen("127.0.0.1", 0)
            client = httpx.AsyncClient(base_url="http://{}:{}".format(*server.addresses[0]), timeout=20)
            stack.push_async_callback(server.stop, 1)
            stack.callback(http.close)
            stack.push_async_callback(client.aclose)
            return client

        yield start


Start = Callable[..., Awaitable[httpx.AsyncClient]]


async def test_a_client_that_leaves_a_stream_is_seen_to_leave_by_the_server(proxy: Start) -> None:
    left = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(STREAM_HEAD + chunk(b"data: {}\n\n"))
        try:
            await reader.read(-1)
        except ConnectionError:
            pass
        finally:
            left.set()

    async with serving(script) as port:
        client = await proxy(port)
        async with client.stream("POST", "/mcp", json=CALL) as answer:
            assert await anext(answer.aiter_bytes()) == b"data: {}\n\n"
            assert not left.is_set()
        async with asyncio.timeout(5):
            await left.wait()


async def test_a_client_that_leaves_before_the_answer_is_seen_to_leave(proxy: Start) -> None:
    came, left = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        came.set()
        try:
            await reader.read(-1)
        finally:
            left.set()

    async with serving(script) as port:
        client = await proxy(port)
        call = asyncio.create_task(client.post("/mcp", json=CALL))
        await came.wait()
        call.cancel()
        async with asyncio.timeout(5):
            await left.wait()


async def test_a_server_waits_for_a_client_that_does_not_read(proxy: Start) -> None:
    written = 0
    stuck = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(STREAM_HEAD)
        piece = chunk(b": " + b"x" * 65_533 + b"\n")
        while written < 256 * 1024 * 1024:
            writer.write(piece)
            written += len(piece)
            try:
                async with asyncio.timeout(1):
                    await writer.drain()
            except TimeoutError:
                stuck.set()
                await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with serving(script) as port:
        client = await proxy(port)
        async with client.stream("POST", "/mcp", json=CALL) as answer:
            async with asyncio.timeout(15):
                await stuck.wait()
            before = written
            assert before < 64 * 1024 * 1024  # what the sockets hold, and not much more
            got = 0
            async for data in answer.aiter_bytes():
                got += len(data)
                if got > before + 1024 * 1024:
                    break
        assert written > before


def shout(result: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value).upper() for key, value in result.items()}


ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"a":"b"}}'
CHANGED = {"jsonrpc": "2.0", "id": 1, "result": {"a": "B"}}


async def test_the_result_in_a_json_body_is_changed_where_that_is_wanted(proxy: Start) -> None:
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(chunk(ANSWER[:10]))
        await writer.drain()
        writer.write(chunk(ANSWER[10:]) + b"0\r\n\r\n")

    async with serving(script) as port:
        client = await proxy(port, shout)
        answer = await client.post("/mcp", json=CALL)
    assert answer.json() == CHANGED
    assert b"accept-encoding" not in heads[0].lower()


async def test_results_in_an_event_stream_are_changed_and_the_rest_is_as_it_was(proxy: Start) -> None:
    told = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"result":{"a":"b"}}}'
    events = b"id: 7\nretry: 5\ndata: " + told + b"\n\n: a comment\n\nevent: other\ndata: " + ANSWER + b"\n\n"
    events += (
        b'event: other\ndata: {"id":1,"result":{"tools":[]}}\n\nevent: other\ndata: [{"result":{"tools":1}}]\n\n'
    )

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(STREAM_HEAD + chunk(events) + chunk(b"data: " + ANSWER[:20]))
        await writer.drain()
        writer.write(chunk(ANSWER[20:] + b"\n\n") + b"0\r\n\r\n")

    async with serving(script) as port:
        client = await proxy(port, shout)
        answer = await client.post("/mcp", json=CALL)
    first, other, last = SseParser().feed(answer.content)
    assert (first.data, first.id, first.retry) == (told, "7", 5)
    assert (other.event, other.data) == ("other", ANSWER)
    assert orjson.loads(last.data) == CHANGED


@pytest.mark.parametrize(
    ("told", "kind", "body", "status", "answered"),
    [
        (200, b"content-type: application/json\r\ncontent-encoding: gzip", b"xx", 502, b"compressed"),
        (200, b"content-type: text/plain", ANSWER, 502, b"neither JSON nor an event stream"),
        (202, b"x-none: 1", ANSWER, 502, b"neither JSON nor an event stream"),
        (200, b"content-type: application/json", b"{", 200, b"cannot be filtered"),
        (202, b"content-type: text/plain", b"", 202, b""),
        (404, b"content-type: text/plain", b"no", 404, b"no"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_refused_and_one_without_results_is_passed(
    proxy: Start, told: int, kind: bytes, body: bytes, status: int, answered: bytes
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 %d X\r\n%b\r\ncontent-length: %d\r\n\r\n%b" % (told, kind, len(body), body))

    async with serving(script) as port:
        client = await proxy(port, shout)
        answer = await client.post("/mcp", json=CALL)
    assert answer.status_code == status
    assert answered in answer.content
    assert b'"a":"b"' not in answer.content


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "server.pem")


@pytest.fixture(params=[True, False])
def known(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def trusted(certificate: Path, known: bool) -> str:
    return certificate.read_text() if known else ""


async def test_a_tls_server_is_talked_to_only_when_its_certificate_is_good(
    certificate: Path, known: bool, trusted: str
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    http = UpstreamHttp(UpstreamLimits(), ca_bundle=trusted)
    request = UpstreamRequest("POST", "/mcp", b"", "", b"{}", safe=False)
    async with serving(script, context) as port:
        origin = Origin("localhost", port, "https")
        if known:
            async with http.request(origin, request) as response:
                assert [piece async for piece in response.body()] == [b"{}"]
        else:
            with pytest.raises(UpstreamError, match="certificate"):
                async with http.request(origin, request):
                    pass
    http.close()
