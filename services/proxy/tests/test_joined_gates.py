"""Gates, metadata and numbers of the whole proxy, as its clients and Prometheus meet them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.testing.factories import a_run_config
from toolhive_proxy import factory
from toolhive_proxy.config import Settings
from toolhive_proxy.decisions.routing_table import container_target
from toolhive_proxy.errors import LinkBrokenError
from toolhive_proxy.main import listening
from toolhive_proxy.models.routes import Origin, Route
from toolhive_proxy.protocol.sse import SseParser
from toolhive_proxy.services.event_journal import EventJournal
from toolhive_proxy.services.single_directory import SingleDirectory

from .conftest import Fleet, Proxy, StartProxy, call, free_port, initialize
from .support.frame_server import FrameServer
from .support.oidc import NodeProvider, installed_providers
from .support.recording_server import Asked, RecordingServer, echo

pytestmark = pytest.mark.wire

BOTH = {"accept": "application/json, text/event-stream"}
LIST = {"id": 7, "method": "tools/list"}


def config_of(name: str, **changes: Any) -> RunConfig:
    return RunConfig.model_validate(a_run_config(name).model_dump() | changes)


async def stdio(fleet: Fleet, name: str, **changes: Any) -> FrameServer:
    server = await FrameServer(fleet.agent, WorkloadKey.default(name)).begin()
    fleet.servers.append(server)
    await fleet.declare(name, run_config=config_of(name, **changes))
    await fleet.observe(name, attachment="first")
    return server


async def http(fleet: Fleet, name: str, port: int, **changes: Any) -> None:
    config = config_of(name, **{"transport": Transport.STREAMABLE_HTTP} | changes)
    await fleet.declare(name, run_config=config)
    await fleet.observe(name, endpoint=f"http://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def folder() -> Path:
    return installed_providers()


@pytest.fixture
async def provider(folder: Path) -> AsyncIterator[NodeProvider]:
    async with NodeProvider(folder, "mock_provider.mjs") as running:
        yield running


def oidc_of(provider: NodeProvider) -> dict[str, Any]:
    values = {"Issuer": provider.issuer, "Audience": "mcp", "AllowPrivateIP": True, "InsecureAllowHTTP": True}
    return {"oidc_config": values | {"Scopes": ["openid", "tools"]}}


async def test_a_token_opens_a_stdio_and_an_http_workload(fleet: Fleet, proxy: Proxy, provider: NodeProvider) -> None:
    async with RecordingServer() as server:
        await stdio(fleet, "time", **oidc_of(provider))
        await http(fleet, "web", server.port, **oidc_of(provider))
        token = await provider.tell("token", payload={"scope": "openid tools"})
        for name in ("time", "web"):
            await proxy.until(name, 200)
            refused = await proxy.post(name, initialize())
            assert refused.status_code == 401
            told = f'resource_metadata="{proxy.url}/.well-known/oauth-protected-resource/{name}/mcp"'
            assert told in refused.headers["www-authenticate"]
            assert (await proxy.post(name, initialize(), authorization=f"Bearer {token}x")).status_code == 401
            opened = await proxy.post(name, initialize(), authorization=f"Bearer {token}")
            assert opened.status_code == 200, opened.text
        session = {
            "mcp_session_id": str(
                (await proxy.post("time", initialize(), authorization=f"Bearer {token}")).headers["mcp-session-id"]
            )
        }
        called = await proxy.post("time", call("echo", text="hello"), authorization=f"Bearer {token}", **session)
        assert "hello" in called.text
        assert (await proxy.post("time", call("echo", text="hello"), **session)).status_code == 401
        assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {token}"}


async def test_a_session_is_of_use_only_to_the_caller_who_opened_it(
    fleet: Fleet, proxy: Proxy, provider: NodeProvider
) -> None:
    await stdio(fleet, "time", **oidc_of(provider))
    await proxy.until("time", 200)
    first, renewed = [await provider.tell("token", payload={"sub": "anna", "scope": scope}) for scope in ("a", "b")]
    other = await provider.tell("token", payload={"sub": "ben"})
    opened = await proxy.post("time", initialize(), authorization=f"Bearer {first}")
    session = {"mcp_session_id": opened.headers["mcp-session-id"]}
    headers = {"authorization": f"Bearer {other}", "mcp-session-id": session["mcp_session_id"]}
    assert (
        await proxy.post("time", call("echo", text="x"), authorization=f"Bearer {other}", **session)
    ).status_code == 404
    for method in ("GET", "DELETE"):
        assert (await proxy.http.request(method, "/time/mcp", headers=headers)).status_code == 404
    called = await proxy.post("time", call("echo", text="hello"), authorization=f"Bearer {renewed}", **session)
    assert "hello" in called.text


_SERVERS_ID = "id-of-the-server"


def with_session(asked: Asked) -> tuple[int, dict[str, str], bytes]:
    """Answer as a server that keeps sessions, and names them in all answers, as the Python SDK does."""
    status, headers, body = echo(asked)
    return status, headers | {"mcp-session-id": _SERVERS_ID}, body


@pytest.mark.parametrize("remote", [False, True])
async def test_a_session_that_its_server_keeps_is_of_use_only_to_who_opened_it_through_any_proxy(
    fleet: Fleet, start_proxy: StartProxy, provider: NodeProvider, *, remote: bool
) -> None:
    first, second = await start_proxy(), await start_proxy()
    async with RecordingServer(with_session) as server:
        where = {"image": "", "remote_url": f"http://localhost:{server.port}/mcp"} if remote else {}
        await http(fleet, "web", server.port, **where, **oidc_of(provider))
        await first.until("web", 200)
        await second.until("web", 200)
        anna, renewed, ben = [
            f"Bearer {await provider.tell('token', payload={'sub': sub, 'scope': scope})}"
            for sub, scope in (("anna", "a"), ("anna", "b"), ("ben", "a"))
        ]
        opened = await first.post("web", initialize(), authorization=anna)
        session = opened.headers["mcp-session-id"]
        assert session.startswith(f"{_SERVERS_ID}.")

        called = await second.post("web", LIST, authorization=renewed, mcp_session_id=session)
        assert called.headers["mcp-session-id"] == session, "an id that is told again stays the same"
        assert server.asked[-1].headers["mcp-session-id"] == _SERVERS_ID

        before = len(server.asked)
        for proxy in (first, second):
            refused = await proxy.post("web", LIST, authorization=ben, mcp_session_id=session)
            assert (refused.status_code, refused.json()["id"]) == (404, LIST["id"])
            assert (await proxy.post("web", LIST, authorization=ben, mcp_session_id=_SERVERS_ID)).status_code == 404
            for method in ("GET", "DELETE"):
                headers = {"authorization": ben, "mcp-session-id": session}
                assert (await proxy.http.request(method, "/web/mcp", headers=headers)).status_code == 404
        assert len(server.asked) == before

        await first.http.post("/web/mcp", json=LIST, headers={"authorization": ben, "mcp_session_id": _SERVERS_ID})
        assert "mcp_session_id" not in server.asked[-1].headers, "some servers take it for the other"
        ended = await second.http.delete("/web/mcp", headers={"authorization": anna, "mcp-session-id": session})
        assert ended.status_code == 405, "the server was asked"
        assert server.asked[-1].headers["mcp-session-id"] == _SERVERS_ID


async def test_without_authentication_a_servers_session_id_is_passed_on_as_it_is(fleet: Fleet, proxy: Proxy) -> None:
    async with RecordingServer(with_session) as server:
        await http(fleet, "web", server.port)
        await proxy.until("web", 200)
        assert (await proxy.post("web", initialize())).headers["mcp-session-id"] == _SERVERS_ID
        assert (await proxy.post("web", LIST, mcp_session_id="any")).status_code == 200
        assert server.asked[-1].headers["mcp-session-id"] == "any"


async def test_the_era_without_sessions_passes_over_an_id_that_is_somebody_elses(
    fleet: Fleet, proxy: Proxy, provider: NodeProvider
) -> None:
    async with RecordingServer() as server:
        await http(fleet, "web", server.port, **oidc_of(provider))
        await proxy.until("web", 200)
        headers = {"authorization": f"Bearer {await provider.tell('token')}", "mcp_protocol_version": "2026-07-28"}
        assert (await proxy.post("web", LIST, mcp_session_id=_SERVERS_ID, **headers)).status_code == 200
        assert "mcp-session-id" not in server.asked[-1].headers


async def test_a_stranger_is_told_nothing_but_that_it_is_one(
    fleet: Fleet, proxy: Proxy, provider: NodeProvider
) -> None:
    await stdio(fleet, "time", **oidc_of(provider))
    await proxy.until("time", 200)
    for method in ("PUT", "PATCH", "OPTIONS", "GET", "DELETE"):
        assert (await proxy.http.request(method, "/time/mcp")).status_code == 401, method
    token = await provider.tell("token")
    known = await proxy.http.put("/time/mcp", headers={"authorization": f"Bearer {token}"})
    assert (known.status_code, known.headers["allow"]) == (405, "GET, POST, DELETE")


async def test_a_token_without_a_scope_that_is_required_is_forbidden(
    fleet: Fleet, proxy: Proxy, provider: NodeProvider
) -> None:
    values = oidc_of(provider)["oidc_config"] | {"RequiredScopes": ["tools"]}
    await stdio(fleet, "time", oidc_config=values)
    await proxy.until("time", 200)
    poor = await provider.tell("token", payload={"scope": "openid"})
    refused = await proxy.post("time", initialize(), authorization=f"Bearer {poor}")
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    rich = await provider.tell("token", payload={"scope": "openid tools"})
    assert (await proxy.post("time", initialize(), authorization=f"Bearer {rich}")).status_code == 200


async def test_a_token_for_this_proxy_goes_to_no_server_elsewhere(
    fleet: Fleet, proxy: Proxy, provider: NodeProvider
) -> None:
    async with RecordingServer() as server:
        url = f"http://localhost:{server.port}/mcp"
        config = config_of("far", image="", remote_url=url, transport="streamable-http", **oidc_of(provider))
        await fleet.declare("far", run_config=config)
        await fleet.observe("far")
        await proxy.until("far", 200)
        token = await provider.tell("token")
        answer = await proxy.post("far", LIST, authorization=f"Bearer {token}")
        assert answer.status_code == 200, answer.text
        assert "authorization" not in server.asked[-1].headers


async def test_metadata_says_how_to_get_a_token_to_whoever_asks(
    fleet: Fleet, proxy: Proxy, provider: NodeProvider
) -> None:
    await stdio(fleet, "time", **oidc_of(provider))
    await stdio(fleet, "open")
    await proxy.until("time", 200)
    await proxy.until("open", 200)
    paths = ["/.well-known/oauth-protected-resource/time/mcp", "/time/.well-known/oauth-protected-resource"]
    for path in paths:
        answer = await proxy.http.get(path, headers={"origin": "https://app.example.com"})
        assert answer.status_code == 200
        assert answer.json()["resource"] == proxy.mcp("time")
        assert answer.json()["authorization_servers"] == [provider.issuer]
        assert answer.headers["access-control-allow-origin"] == "*"
        preflight = await proxy.http.options(path, headers={"origin": "https://app.example.com"})
        assert (preflight.status_code, preflight.headers["access-control-allow-methods"]) == (204, "GET, OPTIONS")
    for path in (
        "/.well-known/oauth-protected-resource/open/mcp",
        "/.well-known/oauth-protected-resource/nothing/mcp",
        "/.well-known/oauth-protected-resource",
        "/.well-known/openid-configuration",
        "/time/.well-known/openid-configuration",
    ):
        answer = await proxy.http.get(path)
        assert (answer.status_code, answer.json()) == (404, {"error": "not_found"}), path


async def test_a_workload_that_asks_for_a_part_that_does_not_exist_is_shut(fleet: Fleet, proxy: Proxy) -> None:
    server = await stdio(fleet, "time", middleware_configs=[{"type": "made-up", "parameters": {}}])
    await proxy.until_shut("time", "made-up")
    answer = await proxy.post("time", initialize())
    assert answer.status_code == 503
    assert "made-up" in answer.json()["error"]["message"]
    assert server.heard.empty()


FILTER = {"tools_filter": ["say", "large"], "tools_override": {"echo": {"name": "say", "description": "Says it."}}}


def names_in(text: str) -> list[str]:
    """Tools in an answer, which is JSON or an event stream."""
    if not text.startswith("{"):
        text = next(event.data for event in SseParser(max_event=10**6).feed(text.encode()) if event.data).decode()
    return [tool["name"] for tool in json.loads(text)["result"]["tools"]]


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/event-stream"])
async def test_clients_of_a_stdio_server_know_only_the_tools_they_may_use(
    fleet: Fleet, proxy: Proxy, accept: str
) -> None:
    server = await stdio(fleet, "time", **FILTER)
    await proxy.until("time", 200)
    headers = {"accept": accept, "mcp_session_id": await proxy.open_session("time")}
    assert names_in((await proxy.post("time", LIST, **headers)).text) == ["say"]
    assert "hello" in (await proxy.post("time", call("say", text="hello"), **headers)).text
    while not server.heard.empty():
        heard = server.heard.get_nowait()
    assert heard["params"]["name"] == "echo"
    assert "tool not found" in (await proxy.post("time", call("echo", text="hello"), **headers)).text
    assert server.heard.empty()


async def test_a_batch_is_filtered_like_single_messages(fleet: Fleet, proxy: Proxy) -> None:
    await stdio(fleet, "time", **FILTER)
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    batch = [{"jsonrpc": "2.0", **LIST}, {"jsonrpc": "2.0", **call("say", request_id=8, text="hello")}]
    answer = await proxy.http.post("/time/mcp", json=batch, headers={"mcp-session-id": session})
    found = {each["id"]: each["result"] for each in answer.json()}
    assert [tool["name"] for tool in found[7]["tools"]] == ["say"]
    assert found[8]["content"][0]["text"] == "hello"
    refused = await proxy.http.post(
        "/time/mcp",
        json=[batch[0], {"jsonrpc": "2.0", **call("echo", text="x")}],
        headers={"mcp-session-id": session},
    )
    assert {each["id"]: each["error"]["code"] for each in refused.json()} == {7: -32600, 1: -32602}


async def test_a_stream_that_is_taken_up_again_is_filtered_too(fleet: Fleet, proxy: Proxy) -> None:
    server = await stdio(fleet, "time", **FILTER)
    await proxy.until("time", 200)
    answer = server.server._answer

    def tell_progress_first(message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            token = message["params"]["_meta"]["progressToken"]
            server.server.say(method="notifications/progress", params={"progressToken": token, "progress": 1})
        answer(message)

    server.server._answer = tell_progress_first  # type: ignore[method-assign]
    session = await proxy.open_session("time")
    asked = {**LIST, "params": {"_meta": {"progressToken": "p"}}}
    headers = {"mcp_session_id": session, "mcp_protocol_version": "2025-11-25", **BOTH}
    first = (await proxy.post("time", asked, **headers)).content
    begun, _progress, told = SseParser(max_event=10**6).feed(first)
    assert names_in(told.data.decode()) == ["say"]
    again = {key.replace("_", "-"): value for key, value in headers.items()} | {"last-event-id": begun.id or ""}
    resumed = await proxy.http.get("/time/mcp", headers=again)
    events = [event for event in SseParser(max_event=10**6).feed(resumed.content) if event.data]
    assert names_in(events[-1].data.decode()) == ["say"]


async def test_a_call_without_a_session_is_renamed_with_its_header(fleet: Fleet, proxy: Proxy) -> None:
    async with RecordingServer() as server:
        await http(fleet, "web", server.port, **FILTER)
        await proxy.until("web", 200)
        headers = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call", "mcp_name": "say"}
        answer = await proxy.post("web", call("say", text="hello"), **headers)
        assert answer.json()["result"] == {"asked": {"name": "echo", "arguments": {"text": "hello"}}}
        assert server.asked[-1].headers["mcp-name"] == "echo"
        assert names_in((await proxy.post("web", LIST)).text) == []


@asynccontextmanager
async def alone(port: int, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a proxy of one workload, whose server is at that port."""
    own = free_port()
    url = f"http://127.0.0.1:{own}"
    settings = Settings(host="127.0.0.1", port=own, proxy_public_url=url, proxy_metrics_port=0)
    config = config_of("web", transport="streamable-http", **changes)
    origin, target = Origin("127.0.0.1", port), container_target(config.transport)
    directory = SingleDirectory(Route(WorkloadKey.default("web"), 0, config.transport, config, origin, target))
    directory.up(directory.route)
    parts = factory.build_single(settings, factory.Single(directory, EventJournal(), NoFurther()))
    async with httpx.AsyncClient(base_url=url) as client:
        async with listening(settings, parts, single="web"):
            yield client
        await parts.ports.goodbye()
        parts.http.close()


@pytest.mark.parametrize("oidc", [None, {"Issuer": "https://issuer.example.com", "Audience": "mcp"}])
async def test_sessions_of_who_has_to_say_who_it_is_are_different_peoples(oidc: dict[str, Any] | None) -> None:
    config = config_of("web", transport="stdio", oidc_config=oidc)
    route = Route(WorkloadKey.default("web"), 0, config.transport, config, None, None)
    parts = factory.build_single(Settings(), factory.Single(SingleDirectory(route), EventJournal(), NoFurther()))
    assert parts.ports._make_local(route).host._broker._policy.private is (oidc is not None)
    parts.http.close()


async def test_a_proxy_of_one_workload_tells_how_to_get_a_token_at_the_root() -> None:
    async with alone(free_port(), oidc_config={"Issuer": "https://issuer.example.com", "Audience": "mcp"}) as client:
        url = str(client.base_url).rstrip("/")
        refused = await client.post("/mcp", json={"jsonrpc": "2.0", **LIST})
        assert f'"{url}/.well-known/oauth-protected-resource/mcp"' in refused.headers["www-authenticate"]
        for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
            assert (await client.get(path)).json()["resource"] == f"{url}/mcp"
        assert (await client.get("/health")).status_code == 200
        missing = await client.get("/web/mcp")
        assert (missing.status_code, "the MCP server is at /mcp" in missing.text) == (404, True)


async def test_a_proxy_of_one_workload_has_both_transports_at_the_root() -> None:
    async with RecordingServer() as server, alone(server.port) as client:
        assert names_in((await client.post("/mcp", json={"jsonrpc": "2.0", **LIST})).text) == ["a", "b"]
        assert server.asked[-1].target == "/mcp"
        async with asyncio.timeout(15), client.stream("GET", "/sse") as stream:
            told = await anext(stream.aiter_text())
        assert "data: /messages?session_id=" in told


class NoFurther:
    """A launcher of a server that is no process."""

    async def start(self, slot: str) -> Any:
        raise LinkBrokenError(slot)

    async def stop(self, slot: str) -> None:
        return


async def test_a_tool_that_is_hidden_cannot_be_called_behind_another(fleet: Fleet, proxy: Proxy) -> None:
    async with RecordingServer() as server:
        await http(fleet, "web", server.port, tools_filter=["good"])
        await proxy.until("web", 200)
        body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad","name":"good"}}'
        answer = await proxy.http.post("/web/mcp", content=body, headers={"content-type": "application/json"})
        assert answer.json()["result"] == {"asked": {"name": "good"}}
        assert b'"bad"' not in server.asked[-1].body


async def test_the_older_transport_is_filtered_too(fleet: Fleet, proxy: Proxy) -> None:
    await stdio(fleet, "time", **FILTER, endpoint_prefix="/tools", trust_proxy_headers=True)
    await proxy.until("time", 200)
    parser = SseParser(max_event=10**6)
    forwarded = {"x-forwarded-host": "mcp.example.com", "x-forwarded-proto": "https"}
    async with asyncio.timeout(15), proxy.http.stream("GET", "/time/sse", headers=forwarded) as stream:
        pieces = stream.aiter_bytes()

        async def event() -> str:
            async for piece in pieces:
                if found := [each for each in parser.feed(piece) if each.data]:
                    return found[0].data.decode()
            raise AssertionError("the stream ended")

        endpoint = await event()
        assert endpoint.startswith("https://mcp.example.com/tools/time/messages?session_id=")
        target = "/time/messages?" + endpoint.partition("?")[2]
        for message in (initialize(), LIST):
            assert (await proxy.http.post(target, json={"jsonrpc": "2.0", **message})).status_code == 202
            answer = await event()
    assert names_in(answer) == ["say"]


async def test_a_list_is_filtered_whichever_proxy_was_asked_for_it_and_however_often(
    fleet: Fleet, proxy: Proxy, start_proxy: StartProxy
) -> None:
    await stdio(fleet, "time", **FILTER)
    other = await start_proxy()
    for each in (proxy, other):
        await each.until("time", 200)
    port = int(proxy.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 26)
    writer.write(f"GET /time/sse HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode())
    target = (await reader.readuntil(b"\n\n")).split(b"data: ")[1].split()[0].decode()

    async def post(by: Proxy, message: dict[str, Any]) -> None:
        taken = await by.http.post(target, json={"jsonrpc": "2.0", **message})
        assert taken.status_code == 202, taken.text

    async with asyncio.timeout(15):
        await post(proxy, initialize())
        await reader.readuntil(b"serverInfo")
        # So that the answers wait in the proxy. It is a transport both ways, whatever its type says.
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(3):
            await post(proxy, call("large", request_id=100 + number, size=4_000_000))
        for each in (other, proxy):
            while not await taken_under(each, target, LIST):
                pass
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        text = b""
        while text.count(b'"id":7') < 2:
            text += await reader.read(1 << 20)
    writer.close()
    assert b'"name":"say"' in text
    assert b'"name":"echo"' not in text


async def taken_under(proxy: Proxy, target: str, message: dict[str, Any]) -> bool:
    """Whether the message was taken: not, as long as its id is still in use."""
    return (await proxy.http.post(target, json={"jsonrpc": "2.0", **message})).status_code == 202


async def test_a_list_with_a_number_that_json_does_not_have_is_filtered_too(fleet: Fleet, proxy: Proxy) -> None:
    def answer(_asked: Asked) -> tuple[int, dict[str, str], bytes]:
        tools = b'[{"name":"bad","inputSchema":{"default":NaN}},{"name":"good"}]'
        body = b'{"jsonrpc":"2.0","id":7,"result":{"tools":%b}}' % tools
        return 200, {"content-type": "application/json"}, body

    async with RecordingServer(answer) as server:
        await http(fleet, "web", server.port, tools_filter=["good"])
        await proxy.until("web", 200)
        assert names_in((await proxy.post("web", LIST)).text) == ["good"]


async def test_a_workloads_headers_reach_its_server_and_stateless_means_post_only(fleet: Fleet, proxy: Proxy) -> None:
    async with RecordingServer() as server:
        headers = {"add_plaintext_headers": {"X-Api-Key": "ours"}}
        await http(fleet, "web", server.port, header_forward=headers, stateless=True)
        await proxy.until("web", 200)
        answer = await proxy.post("web", LIST, x_api_key="theirs", x_forwarded_for="1.2.3.4")
        assert answer.status_code == 200
        got = server.asked[-1].headers
        assert (got["x-api-key"], "x-forwarded-for" in got) == ("ours", False)
        alike = {"X_Forwarded_For": "1.2.3.4", "x_own": "theirs"}
        answer = await proxy.http.post("/web/mcp", json={"jsonrpc": "2.0", **LIST}, headers=alike)
        got = server.asked[-1].headers
        assert ("x_forwarded_for" in got, got["x_own"]) == (False, "theirs")
        for method in ("GET", "DELETE"):
            refused = await proxy.http.request(method, "/web/mcp", headers=BOTH)
            assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


async def test_headers_of_a_workload_reach_a_server_that_the_proxy_keeps_sessions_with(
    fleet: Fleet, proxy: Proxy
) -> None:
    """The older transport in front of a streamable-http server: the connection is the session's own."""
    async with RecordingServer() as server:
        headers = {"add_plaintext_headers": {"X-Api-Key": "ours"}}
        await http(fleet, "web", server.port, header_forward=headers)
        await proxy.until("web", 200)
        parser = SseParser(max_event=10**6)
        auth = {"authorization": "Bearer mine"}
        async with asyncio.timeout(15), proxy.http.stream("GET", "/web/sse", headers=auth) as stream:
            pieces = stream.aiter_bytes()
            endpoint = parser.feed(await anext(pieces))[0].data.decode()
            await proxy.http.post(endpoint, json={"jsonrpc": "2.0", **initialize()}, headers=auth)
            while not (events := [each for each in parser.feed(await anext(pieces)) if each.data]):
                pass
        assert b"serverInfo" in events[0].data
        got = server.asked[0]
        assert (got.target, got.headers["x-api-key"], got.headers["authorization"]) == ("/mcp", "ours", "Bearer mine")


async def test_prometheus_finds_the_numbers_at_a_port_of_their_own(fleet: Fleet, start_proxy: StartProxy) -> None:
    port = free_port()
    proxy = await start_proxy(proxy_metrics_port=port)
    await stdio(fleet, "time")
    await http(fleet, "web", free_port())
    await proxy.until("time", 200)
    await proxy.until("web", 200)
    await proxy.open_session("time")
    assert (await proxy.post("web", LIST)).status_code == 503
    transport = await proxy.http.get("/metrics")
    assert (transport.status_code, transport.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    found = {
        (
            sample.name,
            sample.labels["server"],
            sample.labels.get("mcp_method") or sample.labels.get("trouble"),
        ): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if "server" in sample.labels and "le" not in sample.labels
    }
    assert found["toolhive_mcp_requests_total", "time", "initialize"] == 1
    assert found["toolhive_mcp_requests_total", "time", "notification"] == 1
    assert found["toolhive_mcp_requests_total", "web", "tools/list"] == 1
    assert found["toolhive_proxy_upstream_failures_total", "web", "unreachable"] == 1
    assert found["toolhive_proxy_in_flight", "time", None] == 0
    assert found["toolhive_proxy_bytes_out_total", "time", None] > 10
