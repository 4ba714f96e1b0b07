"""The HTTP server, spoken to byte by byte."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from toolhive_proxy.adapters.http_server import HttpServer
from toolhive_proxy.errors import AddressError, ClientLeftError, SlowClientError
from toolhive_proxy.models.http import Exchange, HttpLimits, Response

GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def echo(exchange: Exchange) -> None:
    """Answer with what the request said."""
    request = exchange.request
    told = [request.method, request.path, request.query, request.body.decode()]
    exchange.respond(Response(200, "|".join(told).encode()))


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, bytes, bytes]:
        """Status, head and body of the next answer; the body must have a length."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            body = await self.reader.readexactly(int(length[1])) if length else b""
        return int(head.split()[1]), head, body

    async def rest(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.read(-1)


class Running:
    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, *, limit: int = 2**16) -> Client:
        reader, writer = await asyncio.open_connection(*self.server.addresses[0], limit=limit)
        self._writers.append(writer)
        return Client(reader, writer)

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def running(handler: Callable[[Exchange], None] = echo, **limits: float) -> AsyncIterator[Running]:
    server = HttpServer(handler, HttpLimits(**limits), new_correlation_id=lambda given: given or "made")  # type: ignore[arg-type]
    await server.listen("127.0.0.1", 0)
    run = Running(server)
    try:
        yield run
    finally:
        run.close()
        await server.stop(1)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with running() as run:
        yield await run.connect()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"GET /x HTTP/1.1\r\n\r\n", 400, id="no Host"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, id="two Hosts"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, id="a Host with a path"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, id="a Host with a user"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, id="a list of Hosts"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost : a\r\n\r\n", 400, id="space before the colon"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", 400, id="folded line"),
        pytest.param(b"GET /x HTTP/1.1\r\n Host: a\r\n\r\n", 400, id="folded first line"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400, id="NUL in a value"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", 400, id="NUL in a name"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400, id="no name"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400, id="no colon"),
        pytest.param(b"GET /x HTTP/1.1\nHost: a\n\n", 400, id="bare LF throughout"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400, id="bare LF in the midst"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400, id="bare CR"),
        pytest.param(b"GET /x\r\n\r\n", 400, id="HTTP/0.9"),
        pytest.param(b"GET /x HTTP/1.1 \r\nHost: a\r\n\r\n", 400, id="space behind the version"),
        pytest.param(b"GET  /x HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="two spaces"),
        pytest.param(b"GET /x y HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="space in the address"),
        pytest.param(b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="address that is not ASCII"),
        pytest.param(b"GET /x HTTP/2.0\r\nHost: a\r\n\r\n", 505, id="another version"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, id="HTTP/2 without asking"),
        pytest.param(b"get /x HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="method in lower case"),
        pytest.param(b"G@T /x HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="no method"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS"),
        pytest.param(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="no path"),
        pytest.param(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400, id="tunnel"),
        pytest.param(b"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="whole address of another host"),
        pytest.param(b"GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="whole address of another scheme"),
        pytest.param(b"GET http HTTP/1.0\r\n\r\n", 400, id="scheme without an address"),
        pytest.param(b"GET /x#y HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="fragment"),
        pytest.param(b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="bad escape"),
        pytest.param(b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="escaped NUL"),
        pytest.param(b"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="path that is not UTF-8"),
        pytest.param(
            b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400, id="twice"
        ),
        pytest.param(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", 400, id="list of lengths"),
        pytest.param(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400, id="length with a sign"),
        pytest.param(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx", 400, id="negative length"),
        pytest.param(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx", 400, id="length in hex"),
        pytest.param(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nx", 400, id="empty length"),
        pytest.param(
            b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="length and chunks",
        ),
        pytest.param(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400, id="gzip"),
        pytest.param(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400, id="unknown coding"),
        pytest.param(
            b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            id="coding twice",
        ),
        pytest.param(
            b"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, id="chunks in HTTP/1.0"
        ),
        pytest.param(CHUNKED + b"x\r\n", 400, id="chunk without a size"),
        pytest.param(CHUNKED + b"-1\r\n", 400, id="chunk of negative size"),
        pytest.param(CHUNKED + b"0x1\r\na\r\n", 400, id="chunk size with a prefix"),
        pytest.param(CHUNKED + b"1\r\nab\r\n", 400, id="chunk that is too long"),
        pytest.param(CHUNKED + b"1\na\n0\n\n", 400, id="chunks with bare LF"),
        pytest.param(CHUNKED + b"1\ra\r\n", 400, id="chunk size with bare CR"),
        pytest.param(CHUNKED + b"1;" + b"x" * 600 + b"\r\n", 400, id="long chunk extension"),
        pytest.param(CHUNKED + b"1;" + b"x" * 600, 400, id="chunk extension without end"),
        pytest.param(CHUNKED + b"1;\0\r\na\r\n", 400, id="NUL in a chunk extension"),
        pytest.param(CHUNKED + b"0\r\nbad trailer\r\n\r\n", 400, id="bad trailer"),
        pytest.param(CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, id="framing in a trailer"),
        pytest.param(CHUNKED + b"1;a?b\r\na\r\n", 400, id="malformed chunk extension"),
        pytest.param(CHUNKED + b"0\r\n" + b"X: y\r\n" * 3000, 400, id="trailers without end"),
        pytest.param(CHUNKED + b"1" * 20 + b"\r\n", 400, id="chunk of absurd size"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\nOrigin: a\r\nOrigin: b\r\n\r\n", 400, id="two origins"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\nExpect: cookies\r\n\r\n", 417, id="expects something else"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431, id="101 headers"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 65_536, 431, id="large head without end"),
        pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 65_536 + b"\r\n\r\n", 431, id="large head"),
        pytest.param(b"GET /" + b"y" * 8192 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, id="long address"),
        pytest.param(b"GET /" + b"y" * 9000, 414, id="long address without end"),
    ],
)
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_what_could_be_understood_in_two_ways_is_refused_and_the_connection_closed(
    *, client: Client, sent: bytes, status: int, in_pieces: bool
) -> None:
    if in_pieces:
        middle = len(sent) // 2
        client.send(sent[:middle])
        await asyncio.sleep(0)
        sent = sent[middle:]
    client.send(sent + GET)
    found, head, body = await client.answer()
    assert found == status
    assert b"connection: close" in head
    assert b'"jsonrpc":"2.0"' in body
    assert b"x-request-id: made" in head
    client.writer.write_eof()
    assert await client.rest() == b""  # what came behind it was not taken for a request


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET /a%20b?c=%20 HTTP/1.1\r\nHost: h\r\n\r\n", b"GET|/a b|c=%20|"),
        (b"GET http://h:1/x?y HTTP/1.1\r\nHost: H:1\r\n\r\n", b"GET|/x|y|"),
        (b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", b"GET|/||"),
        (b"\r\nGET /x HTTP/1.1\r\nHost:h\r\n\r\n", b"GET|/x||"),
        (b"GET /x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"GET|/x||"),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b"GET|/x||"),
        (b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", b"POST|/x||abc"),
        (CHUNKED + b"1\r\na\r\n02;x=y\r\nbc\r\n0\r\nX-T: 1\r\n\r\n", b"POST|/x||abc"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_good_request_is_understood_in_pieces_of_any_size(
    client: Client, sent: bytes, said: bytes, size: int
) -> None:
    for start in range(0, len(sent), size):
        client.send(sent[start : start + size])
        await asyncio.sleep(0)
    status, _, body = await client.answer()
    assert (status, body) == (200, said)
    client.send(GET)
    assert (await client.answer())[2] == b"GET|/x||"


async def test_requests_sent_at_once_are_answered_in_order_one_at_a_time() -> None:
    waiting: list[Exchange] = []
    came = asyncio.Event()

    def wait(exchange: Exchange) -> None:
        waiting.append(exchange)
        came.set()

    async with running(wait) as run:
        client = await run.connect()
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(5)))
        for number in range(5):
            await came.wait()
            came.clear()
            assert [exchange.request.path for exchange in waiting] == [f"/{number}"]
            waiting.pop().respond(Response(200, b"%d" % number))
            assert (await client.answer())[2] == b"%d" % number


async def test_a_thousand_requests_at_once_take_no_stack(client: Client) -> None:
    client.send(GET * 3000)
    for _ in range(3000):
        assert (await client.answer())[0] == 200


@pytest.mark.parametrize(
    ("head", "closes"),
    [
        (b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", True),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n", True),
        (b"GET /x HTTP/1.0\r\n\r\n", True),
    ],
)
async def test_a_client_that_asks_for_it_gets_one_answer_only(client: Client, head: bytes, *, closes: bool) -> None:
    client.send(head)
    _, answered, _ = await client.answer()
    assert (b"connection: close" in answered) == closes
    assert await client.rest() == b""


async def test_head_gets_the_length_and_no_body(client: Client) -> None:
    client.send(b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n")
    async with asyncio.timeout(5):
        head = await client.reader.readuntil(b"\r\n\r\n")
    assert b"content-length: 9" in head
    client.send(GET)
    assert (await client.answer())[2] == b"GET|/x||"


async def test_a_client_that_expects_it_is_told_to_go_on(client: Client) -> None:
    client.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    async with asyncio.timeout(5):
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"abc")
    assert (await client.answer())[2] == b"POST|/x||abc"


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000,
        CHUNKED + b"65\r\n" + b"x" * 101 + b"\r\n" + b"40000\r\n" + b"x" * 0x40000 + b"\r\n0\r\n\r\n",
    ],
)
async def test_a_body_over_the_limit_is_413_and_the_client_sees_it_though_it_sends_on(sent: bytes) -> None:
    async with running(max_body=100) as run:
        client = await run.connect()
        client.send(sent)
        await client.writer.drain()
        status, _, body = await client.answer()
    assert status == 413
    assert b"TOOLHIVE_PROXY_MAX_BODY" in body


async def test_a_body_of_the_limit_is_taken() -> None:
    async with running(max_body=100) as run:
        client = await run.connect()
        client.send(CHUNKED + b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n")
        assert (await client.answer())[0] == 200


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b""),
        (b"GET /x HTTP/1.1\r\n", b"HTTP/1.1 408 "),
        (b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na", b"HTTP/1.1 408 "),
    ],
)
async def test_a_client_that_does_not_go_on_is_cut_off(sent: bytes, answered: bytes) -> None:
    async with running(head_timeout=0.1, body_timeout=0.1, linger=0.1) as run:
        client = await run.connect()
        client.send(sent)
        assert (await client.rest()).startswith(answered)


async def test_an_idle_connection_is_closed_in_time() -> None:
    async with running(keep_alive=0.1) as run:
        client = await run.connect()
        client.send(GET)
        assert (await client.answer())[0] == 200
        assert await client.rest() == b""


async def test_one_connection_too_many_is_told_so() -> None:
    async with running(max_connections=1) as run:
        first = await run.connect()
        first.send(GET)
        await first.answer()
        second = await run.connect()
        assert (await second.answer())[0] == 503
        first.send(GET)
        assert (await first.answer())[0] == 200


async def test_a_client_that_leaves_is_noticed_while_it_is_served() -> None:
    left = asyncio.Event()
    served: asyncio.Queue[Exchange] = asyncio.Queue()

    def wait(exchange: Exchange) -> None:
        exchange.on_close(left.set)
        served.put_nowait(exchange)

    async with running(wait) as run:
        client = await run.connect()
        client.send(GET)
        exchange = await served.get()
        client.writer.close()
        async with asyncio.timeout(5):
            await left.wait()
        assert exchange.closed
        exchange.respond(Response(200, b"dropped"))  # of concern to nobody
        with pytest.raises(ClientLeftError):
            await exchange.drain()


async def test_a_streamed_answer_is_framed_and_ended() -> None:
    def stream(exchange: Exchange) -> None:
        exchange.start(200, [(b"content-type", b"text/plain")])
        exchange.write(b"one")
        exchange.write(b"")
        exchange.write(b"two")
        exchange.end()
        exchange.write(b"late")

    async with running(stream) as run:
        client = await run.connect()
        client.send(b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        old = await run.connect()
        old.send(b"GET /x HTTP/1.0\r\n\r\n")
        head, _, body = (await old.rest()).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert body == b"onetwo"


@pytest.mark.parametrize("pieces", [(b"abc",), (b"ab", b"cdef")])
async def test_an_answer_of_another_length_than_it_said_is_broken_off(pieces: tuple[bytes, ...]) -> None:
    def stream(exchange: Exchange) -> None:
        exchange.start(200, [(b"content-length", b"5")])
        for piece in pieces:
            exchange.write(piece)
        exchange.end()

    async with running(stream) as run:
        client = await run.connect()
        client.send(GET * 2)
        try:
            answered = await client.rest()
        except ConnectionError:
            answered = b""
        assert answered.count(b"HTTP/1.1") <= 1
        assert b"cdef" not in answered


async def test_a_header_that_would_end_its_line_is_never_written() -> None:
    raised: list[bool] = []

    def split(exchange: Exchange) -> None:
        try:
            exchange.respond(Response(200, b"", [(b"x", b"a\r\nset-cookie: b")]))
        except ValueError:
            raised.append(True)
            exchange.respond(Response(500))

    async with running(split) as run:
        client = await run.connect()
        client.send(GET)
        assert (await client.answer())[0] == 500
    assert raised == [True]


async def test_a_slow_client_holds_its_writer_back_and_is_cut_off_in_the_end() -> None:
    told: list[str] = []
    over: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    tasks: list[asyncio.Task[None]] = []

    async def flood(exchange: Exchange) -> None:
        exchange.on_pressure(lambda: told.append("pause"), lambda: told.append("resume"))
        exchange.start(200, [])
        try:
            while True:
                exchange.write(b"x" * 65_536)
                await exchange.drain()
        except (SlowClientError, ClientLeftError) as error:
            over.set_result(error)

    async with running(lambda exchange: tasks.append(asyncio.create_task(flood(exchange))), write_timeout=0.2) as run:
        client = await run.connect()
        client.send(GET)
        await client.reader.readexactly(20 * 1024 * 1024)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(10):
            assert isinstance(await over, SlowClientError)
    assert told[0] == "pause"
    assert "resume" in told


async def test_a_stop_ends_idle_connections_and_waits_for_the_others() -> None:
    served: asyncio.Queue[Exchange] = asyncio.Queue()
    async with running(served.put_nowait) as run:
        idle, busy = await run.connect(), await run.connect()
        busy.send(GET)
        exchange = await served.get()
        stopping = asyncio.create_task(run.server.stop(10))
        assert await idle.rest() == b""
        assert not stopping.done()
        exchange.respond(Response(200, b"last"))
        assert (await busy.answer())[2] == b"last"
        async with asyncio.timeout(5):
            await stopping


async def test_an_address_in_use_is_said_with_what_to_do() -> None:
    async with running() as run:
        host, port = run.server.addresses[0]
        with pytest.raises(AddressError, match="TOOLHIVE_PORT"):
            await HttpServer(echo, HttpLimits(), new_correlation_id=str).listen(host, port)


async def test_a_stop_cuts_off_what_takes_longer_than_its_grace() -> None:
    served: asyncio.Queue[Exchange] = asyncio.Queue()
    async with running(served.put_nowait) as run:
        client = await run.connect()
        client.send(GET)
        await served.get()
        async with asyncio.timeout(5):
            await run.server.stop(0.1)


POST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"


async def test_all_bodies_that_are_not_whole_have_one_bound_and_a_request_above_it_is_put_off() -> None:
    async with running(bodies=1000) as run:
        first, second = await run.connect(), await run.connect()
        first.send(POST % 900 + b"a" * 800)
        await until(lambda: run.server.bodies == 800)
        second.send(POST % 900 + b"b" * 300)
        status, head, body = await second.answer()
        assert status == 503
        assert b"retry-after: 2\r\n" in head
        assert b"try again" in body
        third = await run.connect()
        third.send(CHUNKED + b"fa\r\n" + b"c" * 250)
        assert (await third.answer())[0] == 503
        whole = await run.connect()
        whole.send(POST % 900 + b"d" * 900)
        assert (await whole.answer())[0] == 200, "one that is whole at once waits for nothing"
        first.send(b"a" * 100)
        assert (await first.answer())[0] == 200
        await until(lambda: run.server.bodies == 0)


@pytest.mark.parametrize("ends", ["leaves", "is too slow", "breaks a rule"])
async def test_a_body_that_never_becomes_whole_gives_its_room_back(ends: str) -> None:
    async with running(body_timeout=0.1 if ends == "is too slow" else 10, linger=0.1) as run:
        client = await run.connect()
        client.send(CHUNKED + b"5\r\nhello\r\n")
        await until(lambda: run.server.bodies == 5)
        if ends == "leaves":
            client.writer.close()
        elif ends == "breaks a rule":
            client.send(b"no number\r\n")
        await until(lambda: run.server.bodies == 0)


async def test_a_body_that_comes_in_drops_is_cut_off_and_one_that_comes_at_its_rate_is_not() -> None:
    async with running(body_timeout=0.3, body_rate=1000) as run:
        slow, fair = await run.connect(), await run.connect()
        slow.send(POST % 1000)
        fair.send(POST % 1000)
        for _ in range(10):
            await asyncio.sleep(0.1)
            slow.send(b"a")
            fair.send(b"a" * 100)
        assert (await fair.answer())[0] == 200
        status, _, body = await slow.answer()
        assert (status, b"bytes a second" in body) == (408, True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # the server tells nobody
            await asyncio.sleep(0.01)
