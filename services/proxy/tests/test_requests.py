"""Requests that are refused before they reach a server, and the process itself."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from toolhive_common import subjects
from toolhive_common.messaging.events import EventLog
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import ObservedPhase
from toolhive_common.testing.factories import a_run_config
from toolhive_common.testing.nats_server import NatsServer

from .conftest import Fleet, Proxy, StartProxy, call, eventually, free_port


@pytest.fixture
async def ready(fleet: Fleet, proxy: Proxy) -> Proxy:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    return proxy


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"", -32700),
        (b"\xff", -32700),
        ('{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16-le"), -32700),
        (b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}', -32700),
        (b"[]", -32600),
        (b'"text"', -32600),
        (b'{"id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
    ],
)
async def test_a_body_that_is_no_message_is_400(ready: Proxy, body: bytes, code: int) -> None:
    answer = await ready.http.post("/time/mcp", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert answer.json().get("id", 1) == 1


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_413(*, fleet: Fleet, start_proxy: StartProxy, declared: bool) -> None:
    proxy = await start_proxy(proxy_max_body=1000)
    await fleet.stdio("time")
    await proxy.until("time", 200)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    answer = await proxy.http.post("/time/mcp", content=b"x" * 2000 if declared else pieces())
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost:1234"}, 200),
        ({}, 200),
    ],
)
async def test_a_tricked_browser_is_refused(ready: Proxy, headers: dict[str, str], status: int) -> None:
    body = {"jsonrpc": "2.0", **call("echo", text="x")}
    assert (await ready.http.post("/time/mcp", json=body, headers=headers)).status_code == status


async def test_the_proxys_own_origin_may_call(ready: Proxy) -> None:
    body = {"jsonrpc": "2.0", **call("echo", text="x")}
    assert (await ready.http.post("/time/mcp", json=body, headers={"origin": ready.url})).status_code == 200


async def test_an_unknown_workload_is_named_with_the_command_that_lists_them(ready: Proxy) -> None:
    answer = await ready.post("nothing", call("echo"))
    assert answer.status_code == 404
    assert "'nothing'" in answer.json()["error"]["message"]
    assert "thv list" in answer.json()["error"]["message"]
    assert (await ready.http.get("/nothing/health")).status_code == 404


@pytest.mark.parametrize("path", ["/", "/time", "/time/mcp/more", "//mcp", "/time%2Fmcp", "/time%2fmcp"])
async def test_any_other_path_is_404_with_a_hint(ready: Proxy, path: str) -> None:
    answer = await ready.http.get(path)
    assert answer.status_code == 404
    assert "/<workload>/mcp" in answer.json()["error"]


async def test_other_methods_are_405(ready: Proxy) -> None:
    answer = await ready.http.put("/time/mcp")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST, DELETE"


@pytest.mark.parametrize(("session", "status"), [("", 400), ("unknown", 404), ("with space", 400)])
async def test_a_get_stream_needs_a_known_session(ready: Proxy, session: str, status: int) -> None:
    headers = {"mcp-session-id": session} if session else {}
    assert (await ready.http.get("/time/mcp", headers=headers)).status_code == status


async def test_an_unsupported_version_is_400(ready: Proxy) -> None:
    answer = await ready.post("time", call("echo", text="x"), mcp_protocol_version="1999-01-01")
    assert answer.status_code == 400
    assert "1999-01-01" in answer.json()["error"]["message"]


async def test_the_health_of_a_workload_is_in_toolhives_form(ready: Proxy) -> None:
    answer = (await ready.http.get("/time/health")).json()
    assert answer["status"] == "healthy"
    assert answer["transport"] == "stdio"


async def test_an_http_workload_is_healthy_only_while_it_has_a_route(fleet: Fleet, proxy: Proxy) -> None:
    await fleet.declare("web", run_config=a_run_config("web", transport=Transport.STREAMABLE_HTTP))
    for seen, status in (
        ({"phase": ObservedPhase.STARTING, "endpoint": "http://127.0.0.1:9"}, 503),
        ({"endpoint": "http://127.0.0.1:9"}, 200),
        ({"endpoint": ""}, 503),
        ({"endpoint": "http://127.0.0.1:9"}, 200),
        ({"phase": ObservedPhase.UNHEALTHY, "endpoint": "http://127.0.0.1:9"}, 503),
    ):
        await fleet.observe("web", **seen)
        await proxy.until("web", status)
    await fleet.forget("web")
    await proxy.until("web", 404)


async def test_a_proxy_without_nats_starts_and_says_what_is_missing(
    nats: NatsServer, start_proxy: StartProxy
) -> None:
    await nats.kill()
    proxy = await start_proxy()
    assert (await proxy.http.get("/healthz")).status_code == 200
    ready = await proxy.http.get("/readyz")
    assert ready.status_code == 503
    assert "NATS" in ready.json()["problems"]["nats"]
    answer = await proxy.post("time", call("echo"))
    assert answer.status_code == 503
    assert "NATS" in answer.json()["error"]["message"]


async def test_a_signal_ends_the_streams_and_the_process_and_tells_it(
    fleet: Fleet, nats: NatsServer, start_proxy: StartProxy
) -> None:
    await fleet.stdio("time")
    port = free_port()
    environment = {
        **os.environ,
        "TOOLHIVE_NATS_URL": nats.url,
        "TOOLHIVE_NATS_PASSWORD": "test",
        "TOOLHIVE_PORT": str(port),
        "TOOLHIVE_PROXY_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "toolhive_proxy", env=environment, stderr=asyncio.subprocess.PIPE, cwd=Path("/")
    )
    proxy = Proxy(port)

    async def serves() -> bool:
        try:
            return (await proxy.http.get("/time/health")).status_code == 200
        except httpx.TransportError:
            return False

    await eventually(serves)
    session = await proxy.open_session("time")
    async with proxy.http.stream("GET", "/time/mcp", headers={"mcp-session-id": session}) as stream:
        assert stream.status_code == 200
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(8):
            async for _ in stream.aiter_bytes():
                pass
    async with asyncio.timeout(8):
        _, log = await process.communicate()
    await proxy.http.aclose()
    assert process.returncode == 0, log.decode()
    assert b"Traceback" not in log
    found = [
        str(stored.event.type)
        async for stored in EventLog(fleet.api).read(
            1, subject_filter=subjects.event_filter(workload="time"), follow=False
        )
    ]
    assert found == ["proxy.started", "proxy.stopped"]
    other = await start_proxy()
    await other.until("time", 200)
    answer = await other.post("time", call("echo", text="on"), mcp_session_id=session)
    assert answer.status_code == 200, "a session outlives the proxy that it was opened through"
