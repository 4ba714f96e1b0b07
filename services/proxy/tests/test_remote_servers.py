"""Servers that run elsewhere: where requests for them go, and what goes with them."""

from pathlib import Path
from typing import Any

import pytest

from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.testing.factories import a_run_config

from .conftest import Fleet, Proxy, StartProxy, eventually, initialize
from .support.recording_server import Asked, RecordingServer
from .support.tls import self_signed

pytestmark = pytest.mark.wire

LIST = {"id": 7, "method": "tools/list"}


async def remote(fleet: Fleet, url: str, name: str = "far", **changes: Any) -> None:
    values = {"image": "", "remote_url": url, "transport": Transport.STREAMABLE_HTTP}
    config = RunConfig.model_validate(a_run_config(name).model_dump() | values | changes)
    await fleet.declare(name, run_config=config)
    await fleet.observe(name)


async def test_a_client_takes_away_no_header_that_the_workload_sets(fleet: Fleet, proxy: Proxy) -> None:
    async with RecordingServer() as server:
        sets = {"add_plaintext_headers": {"X-Tenant": "restricted"}}
        await remote(fleet, f"http://localhost:{server.port}/mcp", header_forward=sets)
        await proxy.until("far", 200)
        for connection in ("keep-alive", "keep-alive, X-Tenant", "x-tenant,x-own"):
            headers = {"connection": connection, "x-tenant": "another", "x-own": "1"}
            answer = await proxy.http.post("/far/mcp", json={"jsonrpc": "2.0", **LIST}, headers=headers)
            assert answer.status_code == 200
            got = server.asked[-1].headers
            assert (got["x-tenant"], "x-own" in got) == ("restricted", "x-own" not in connection)
            assert "connection" not in got


async def test_a_remote_server_is_reached_over_tls_with_an_authority_of_our_own(
    fleet: Fleet, start_proxy: StartProxy, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path / "server.pem")
    async with RecordingServer(certificate=certificate) as server:
        await remote(fleet, f"https://localhost:{server.port}/v1/mcp?key=1")
        stranger = await start_proxy()
        await stranger.until("far", 200)
        refused = await stranger.post("far", LIST)
        assert (refused.status_code, "certificate" in refused.text) == (503, True)
        proxy = await start_proxy(ca_bundle=certificate)
        await proxy.until("far", 200)
        for path in ("/far/v1/mcp", "/far/mcp"):
            answer = await proxy.http.post(f"{path}?q=2", json={"jsonrpc": "2.0", **LIST})
            assert answer.status_code == 200, answer.text
            assert server.asked[-1].target == "/v1/mcp?key=1&q=2"
        assert server.asked[-1].headers["host"] == f"localhost:{server.port}"
        assert (await proxy.http.post("/far/v2/mcp", json=LIST)).status_code == 404


async def test_an_empty_bundle_of_authorities_is_none(start_proxy: StartProxy) -> None:
    await start_proxy(ca_bundle=Path("/dev/null"))


async def test_a_remote_server_without_a_path_takes_what_the_client_asks_for(fleet: Fleet, proxy: Proxy) -> None:
    async with RecordingServer() as server:
        await remote(fleet, f"http://localhost:{server.port}")
        await proxy.until("far", 200)
        for path, asked in (("/far", "/"), ("/far/a%2Fb/c", "/a%2Fb/c"), ("/far/mcp", "/mcp")):
            answer = await proxy.http.post(path, json={"jsonrpc": "2.0", **LIST})
            assert (answer.status_code, server.asked[-1].target) == (200, asked)
        before = len(server.asked)
        assert (await proxy.http.get("/far/.well-known/openid-configuration")).status_code == 404
        assert (await proxy.http.get("/far/health")).status_code == 200
        assert len(server.asked) == before


async def test_what_is_between_client_and_proxy_stays_there(fleet: Fleet, proxy: Proxy) -> None:
    def answer(asked: Asked) -> Any:
        return 200, {"set-cookie": "a=b", "content-type": "application/json"}, b'{"jsonrpc":"2.0","id":7,"result":{}}'

    async with RecordingServer(answer) as server:
        await remote(fleet, f"http://localhost:{server.port}/mcp", trust_proxy_headers=True)
        await proxy.until("far", 200)
        said = {"cookie": "c=d", "x_forwarded_for": "1.2.3.4", "authorization": "Bearer theirs"}
        reply = await proxy.post("far", LIST, **said)
        got = server.asked[-1].headers
        assert {"cookie", "x-forwarded-for"} & got.keys() == set()
        assert got["authorization"] == "Bearer theirs", "it is meant for the server: this proxy asks for none"
        assert (reply.status_code, "set-cookie" in reply.headers) == (200, False)


async def test_redirects_are_followed_within_the_host_with_body_and_method(fleet: Fleet, proxy: Proxy) -> None:
    moves = {"/mcp": (307, "/v2/mcp"), "/v2/mcp": (308, "/v3/mcp?x=1")}

    def answer(asked: Asked) -> Any:
        if (move := moves.get(asked.target)) is None:
            return None
        return move[0], {"location": move[1]}, b"moved"

    async with RecordingServer(answer) as server:
        await remote(fleet, f"http://localhost:{server.port}/mcp")
        await proxy.until("far", 200)
        reply = await proxy.post("far", LIST)
        assert reply.status_code == 200, reply.text
        assert [asked.target for asked in server.asked] == ["/mcp", "/v2/mcp", "/v3/mcp?x=1"]
        assert {(asked.method, asked.message["method"]) for asked in server.asked} == {("POST", "tools/list")}


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("http://evil.example/mcp", "another host"),
        ("/mcp", "more than 10 times"),
        ("ftp://x/", "an address that is none"),
    ],
)
async def test_a_redirect_that_is_not_safe_is_told_and_not_followed(
    fleet: Fleet, proxy: Proxy, location: str, problem: str
) -> None:
    async with RecordingServer(lambda _asked: (307, {"location": location}, b"")) as server:
        await remote(fleet, f"http://localhost:{server.port}/mcp")
        await proxy.until("far", 200)
        reply = await proxy.post("far", LIST)
        assert (reply.status_code, reply.json()["id"]) == (502, 7)
        assert problem in reply.json()["error"]["message"]
        assert len(server.asked) == (11 if location == "/mcp" else 1)


async def test_the_older_transport_in_front_of_a_remote_server_asks_at_its_own_path(
    fleet: Fleet, proxy: Proxy
) -> None:
    async with RecordingServer() as server:
        forward = {"add_plaintext_headers": {"X-Api-Key": "ours"}}
        await remote(fleet, f"http://localhost:{server.port}/v1/x?key=1", header_forward=forward)
        await proxy.until("far", 200)
        mine = {"authorization": "Bearer mine"}
        async with proxy.http.stream("GET", "/far/sse", headers=mine) as stream:
            pieces = stream.aiter_text()
            endpoint = (await anext(pieces)).partition("data: ")[2].split()[0]
            assert endpoint.startswith("/far/messages?session_id=")
            await proxy.http.post(endpoint, json={"jsonrpc": "2.0", **initialize()}, headers=mine)
            assert "serverInfo" in await anext(pieces)
        got = server.asked[0]
        assert (got.target, got.headers["x-api-key"]) == ("/v1/x?key=1", "ours")
        assert got.headers["authorization"] == "Bearer mine"


async def test_a_remote_sse_server_is_asked_at_its_own_path_with_the_workloads_headers(
    fleet: Fleet, proxy: Proxy
) -> None:
    def answer(asked: Asked) -> Any:
        if asked.method == "GET" and asked.target == "/events?key=1":
            return 200, {"content-type": "text/event-stream"}, b"event: endpoint\ndata: /post?s=1\n\n"
        if asked.method == "GET":
            return 307, {"location": "/events?key=1"}, b""
        return 202, {}, b""

    async with RecordingServer(answer) as server:
        forward = {"add_plaintext_headers": {"X-Api-Key": "ours"}}
        url = f"http://localhost:{server.port}/old?key=1"
        await remote(fleet, url, transport=Transport.SSE, header_forward=forward)
        await proxy.until("far", 200)
        # The path that the server has at home leads to the older front.
        mine = {"authorization": "Bearer mine"}
        async with proxy.http.stream("GET", "/far/old", headers=mine) as stream:
            pieces = stream.aiter_text()  # kept: what is collected closes the stream
            endpoint = (await anext(pieces)).partition("data: ")[2].split()[0]
            taken = await proxy.http.post(endpoint, json={"jsonrpc": "2.0", **initialize()}, headers=mine)
            assert taken.status_code == 202

            async def posted() -> bool:
                return bool(server.asked) and server.asked[-1].method == "POST"

            await eventually(posted)
        assert [asked.target for asked in server.asked] == ["/old?key=1", "/events?key=1", "/post?s=1"]
        for asked in server.asked:
            assert (asked.headers["x-api-key"], asked.headers["authorization"]) == ("ours", "Bearer mine")


async def test_the_key_in_a_remote_url_stands_in_no_answer(fleet: Fleet, proxy: Proxy) -> None:
    async with RecordingServer(lambda _asked: (500, {}, b"")) as server:
        await remote(fleet, f"http://localhost:{server.port}/sse?key=hunter2", transport=Transport.SSE)
        await proxy.until("far", 200)
        reply = await proxy.http.post("/far/mcp", json={"jsonrpc": "2.0", **initialize()})
        assert "status 500" in reply.text
        assert "hunter2" not in reply.text, reply.text


@pytest.mark.parametrize("endpoint", ["http://elsewhere.example/m?key=hunter2", "http://[?key=hunter2"])
async def test_the_key_in_an_endpoint_that_is_refused_stands_in_no_answer(
    fleet: Fleet, proxy: Proxy, endpoint: str
) -> None:
    stream = f"event: endpoint\ndata: {endpoint}\n\n".encode()
    async with RecordingServer(lambda _asked: (200, {"content-type": "text/event-stream"}, stream)) as server:
        await remote(fleet, f"http://localhost:{server.port}/sse", transport=Transport.SSE)
        await proxy.until("far", 200)
        reply = await proxy.http.post("/far/mcp", json={"jsonrpc": "2.0", **initialize()})
        assert "named an endpoint" in reply.text
        assert "hunter2" not in reply.text, reply.text
