"""The main job, with real servers from PyPI and npm and the official client."""

import json
from datetime import datetime

import anyio
import httpx
import pytest
from mcp import Client

from .support.engine import containers_of, inspect
from .support.events import events_of, in_order, types_of
from .support.stack import Stack
from .support.workloads import created, reaches, ready_at, text_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


async def test_thv_runs_a_package_and_the_official_client_calls_its_tool(
    stack: Stack, api: httpx.AsyncClient
) -> None:
    done = stack.thv("run", "uvx://mcp-server-time", "--name", "time")
    assert done.returncode == 0, done.stderr
    url = f"{stack.proxy_url}/time/mcp"
    assert url in done.stdout + done.stderr
    async with Client(url) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} >= {"get_current_time"}
        result = await client.call_tool("get_current_time", {"timezone": "UTC"})
    told = json.loads(text_of(result))
    assert datetime.fromisoformat(told["datetime"]).tzinfo is not None
    happened = types_of(await events_of(api, "time"))
    assert in_order(["workload.starting", "container.started", "workload.running"], happened)
    assert {"workload.requested", "proxy.started"} <= set(happened)


async def test_stop_restart_and_delete_do_what_they_say(
    stack: Stack, api: httpx.AsyncClient, odd_server: str
) -> None:
    await created(api, "cycle", odd_server)
    first = await ready_at(api, "cycle")
    assert stack.thv("stop", "cycle").returncode == 0
    assert containers_of(stack.agent, running=True) == []
    assert stack.thv("stop", "cycle").returncode == 0, "stopping a stopped workload is no error"
    assert stack.thv("restart", "cycle").returncode == 0
    assert await ready_at(api, "cycle") == first, "clients keep their URL"
    assert stack.thv("rm", "cycle").returncode == 0
    assert containers_of(stack.agent) == []
    assert (await api.get("/api/v1beta/workloads/cycle")).status_code == 404
    wanted = [
        *("workload.starting", "workload.running", "workload.stopping", "workload.stopped"),
        *("workload.starting", "workload.running", "workload.removed"),
    ]
    assert in_order(wanted, types_of(await events_of(api, "cycle")))


async def test_the_container_is_locked_down_and_labelled(
    stack: Stack, api: httpx.AsyncClient, odd_server: str
) -> None:
    await created(api, "locked", odd_server, labels={"team": "blue"})
    await ready_at(api, "locked")
    facts = inspect("locked")
    assert facts["HostConfig"]["CapDrop"] == ["ALL"]
    assert not facts["HostConfig"]["Privileged"]
    assert "label:disable" in facts["HostConfig"]["SecurityOpt"]
    labels = facts["Config"]["Labels"]
    expected = {
        "toolhive": "true",
        "toolhive-name": "locked",
        "toolhive-basename": "locked",
        "toolhive-transport": "stdio",
        "toolhive-port": str(stack.proxy_port),
        "toolhive-agent": stack.agent,
        "team": "blue",
    }
    assert expected.items() <= labels.items()


@pytest.mark.parametrize(
    ("name", "transport", "argument"),
    [
        ("npm-stdio", "stdio", "stdio"),
        ("npm-http", "streamable-http", "streamableHttp"),
        ("npm-sse", "sse", "sse"),
    ],
)
async def test_one_npm_server_is_reached_over_each_transport(
    api: httpx.AsyncClient, name: str, transport: str, argument: str
) -> None:
    settings = {"transport": transport, "cmd_arguments": [argument]}
    if transport != "stdio":
        settings |= {"target_port": 3001, "env_vars": {"PORT": "3001"}}
    await created(api, name, "npx://@modelcontextprotocol/server-everything@2026.8.31", **settings)
    await reaches(api, name, "running", seconds=300)
    async with Client(await ready_at(api, name)) as client:
        result = await client.call_tool("echo", {"message": "over " + transport})
    assert "over " + transport in text_of(result)


async def test_clients_of_one_stdio_server_never_see_each_others_answers(
    api: httpx.AsyncClient, odd_server: str
) -> None:
    await created(api, "shared", odd_server)
    url = await ready_at(api, "shared")
    wrong: list[str] = []

    async def one_client(number: int) -> None:
        async with Client(url) as client:
            for call in range(20):
                said = f"client {number} call {call}"
                result = await client.call_tool("echo", {"text": said})
                if text_of(result) != said:
                    wrong.append(f"{said} got {text_of(result)}")

    async with anyio.create_task_group() as clients:
        for number in range(6):
            clients.start_soon(one_client, number)
    assert wrong == []


async def test_a_request_id_is_found_in_the_logs_and_events_of_all_services(
    stack: Stack, api: httpx.AsyncClient, odd_server: str
) -> None:
    answer = await api.post(
        "/api/v1beta/workloads", json={"name": "traced", "image": odd_server}, headers={"X-Request-Id": "trace-me-1"}
    )
    assert answer.headers["X-Request-Id"] == "trace-me-1"
    await reaches(api, "traced", "running")
    events = await events_of(api, "traced")
    assert {event["correlationid"] for event in events if event["type"].startswith("workload.")} == {"trace-me-1"}
    for service in ("api", "runtime-agent"):
        lines = [json.loads(line) for line in stack.logs(service).splitlines() if line.startswith("{")]
        assert any(line.get("correlation_id") == "trace-me-1" for line in lines), service
