import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from toolhive_api.services.creation import Patience
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.state import DesiredPhase, ObservedPhase, WorkloadKey
from toolhive_common.testing.nats_server import NatsServer

from .support.harness import API, IMAGE, PlayedAgent, eventually, playing_agent, running_api

REQUEST = {"name": "time", "image": IMAGE}


async def create(api: httpx.AsyncClient, name: str = "time", **more: Any) -> httpx.Response:
    return await api.post(API, json={**REQUEST, "name": name, **more})


async def status(api: httpx.AsyncClient, name: str = "time") -> str:
    answer = await api.get(f"{API}/{name}/status")
    return str(answer.json()["status"]) if answer.status_code == 200 else str(answer.status_code)


async def has_status(api: httpx.AsyncClient, wanted: str, name: str = "time") -> None:
    async def check() -> bool:
        return await status(api, name) == wanted

    await eventually(check)


async def test_a_created_workload_is_answered_with_name_and_port_and_runs(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    made = await create(api)
    assert (made.status_code, made.json()) == (201, {"name": "time", "port": 8081})
    await has_status(api, "running")


async def test_a_listing_has_toolhives_keys(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    await create(api, labels={"team": "aa"})
    await has_status(api, "running")
    [workload] = (await api.get(API)).json()["workloads"]
    workload.pop("created_at")
    assert workload == {
        "name": "time",
        "package": IMAGE,
        "url": "http://127.0.0.1:8081/time/mcp",
        "port": 8081,
        "transport_type": "stdio",
        "proxy_mode": "streamable-http",
        "status": "running",
        "labels": {"team": "aa"},
        "group": "default",
        "started_at": "2026-01-01T00:00:00Z",
    }


async def test_a_listing_shows_stopped_workloads_only_when_asked_for_all(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    await create(api, "bb", labels={"team": "bb"})
    await create(api, "aa", labels={"team": "aa"})
    await api.post(f"{API}/bb/stop")
    await has_status(api, "stopped", "bb")
    await has_status(api, "running", "aa")

    async def names(**query: str) -> list[str]:
        return [found["name"] for found in (await api.get(API, params=query)).json()["workloads"]]

    assert await names() == ["aa"]
    assert await names(all="true") == ["aa", "bb"]
    assert await names(all="true", labels="team=bb") == ["bb"]
    assert await names(all="true", group="default") == ["aa", "bb"]
    assert (await api.get(API, params={"group": "none"})).status_code == 404
    assert (await api.get(API, params={"labels": "nonsense"})).status_code == 400


async def test_a_workload_is_shown_as_the_request_that_would_make_it_again(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    await create(api, env_vars={"TZ": "UTC", "MCP_HOST": "::"}, cmd_arguments=["--x"], network_isolation=False)
    shown = (await api.get(f"{API}/time")).json()
    assert shown["env_vars"] == {"TZ": "UTC", "MCP_HOST": "::"}
    assert shown["network_isolation"] is False
    again = await api.post(API, json={**shown, "name": "again"})
    assert again.status_code == 201, again.text
    assert {**(await api.get(f"{API}/again")).json(), "name": "time"} == shown


async def test_an_export_is_a_run_config(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    await create(api, transport="sse")
    exported = RunConfig.from_json((await api.get(f"{API}/time/export")).content)
    assert exported.target_port >= 10_000
    assert exported.env_vars["MCP_PORT"] == str(exported.target_port)
    assert exported.container_labels["toolhive-transport"] == "sse"


async def test_logs_are_the_agents(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    await create(api)
    logs = await api.get(f"{API}/time/logs")
    assert (logs.status_code, logs.text) == (200, "the last 1000 lines of time\n")
    assert logs.headers["content-type"].startswith("text/plain")


async def test_a_stopped_workload_can_be_restarted_under_new_revisions(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    await create(api)
    assert (await api.post(f"{API}/time/stop")).status_code == 202
    await has_status(api, "stopped")
    assert (await api.post(f"{API}/time/stop")).status_code == 202
    assert (await api.post(f"{API}/time/restart")).status_code == 202
    await has_status(api, "running")
    revisions = [wish.revision for wish in agent.seen]
    assert revisions == sorted(set(revisions))
    assert [wish.phase for wish in agent.seen] == ["running", "stopped", "running"]


async def test_a_deleted_workload_is_removing_until_the_agent_says_so_and_then_gone_everywhere(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    await create(api)
    agent.removing.clear()
    assert (await api.delete(f"{API}/time")).status_code == 202
    assert await status(api) == "removing"
    restarted = await api.post(f"{API}/time/restart")
    assert (restarted.status_code, "is being removed" in restarted.text) == (400, True)
    agent.removing.set()
    await has_status(api, "404")
    key = WorkloadKey.default("time")

    async def buckets_are_clear() -> bool:
        return await agent.desired.get(key) is None and await agent.observed.get(key) is None

    await eventually(buckets_are_clear)


async def test_a_name_can_be_taken_again_while_its_old_workload_is_being_removed(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    await create(api)
    agent.removing.clear()
    await api.delete(f"{API}/time")
    assert (await create(api)).status_code == 201
    agent.removing.set()
    await has_status(api, "running")


@pytest.mark.parametrize("action", ["stop", "restart", "delete"])
async def test_bulk_actions_take_names_or_a_group(api: httpx.AsyncClient, agent: PlayedAgent, action: str) -> None:
    await create(api, "aa")
    await create(api, "bb")
    final = {"stop": "stopped", "restart": "running", "delete": "404"}[action]
    assert (await api.post(f"{API}/{action}", json={"names": ["aa"]})).status_code == 202
    await has_status(api, final, "aa")
    assert (await api.post(f"{API}/{action}", json={"group": "default"})).status_code == 202
    await has_status(api, final, "bb")
    for body in ({}, {"names": ["aa"], "group": "default"}, {"group": "other"}):
        assert (await api.post(f"{API}/{action}", json=body)).status_code == 400
    missing = await api.post(f"{API}/{action}", json={"names": ["nobody"]})
    assert (missing.status_code, "workload not found: nobody" in missing.text) == (404, True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/status"),
        ("GET", "/logs"),
        ("GET", "/export"),
        ("POST", "/stop"),
        ("POST", "/restart"),
        ("DELETE", ""),
    ],
)
async def test_an_unknown_workload_is_404_with_what_to_do(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, f"{API}/nobody{path}")
    assert answer.status_code == 404
    assert answer.text == "workload not found: nobody; `thv list --all` shows those that there are\n"
    assert answer.headers["content-type"].startswith("text/plain")


async def test_of_two_creates_of_a_name_exactly_one_wins(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    answers = await asyncio.gather(*(create(api) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert "already exists" in next(answer.text for answer in answers if answer.status_code == 409)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (ErrorCode.INVALID_REQUEST, 400),
        (ErrorCode.UNSUPPORTED_SETTING, 400),
        (ErrorCode.IMAGE_NOT_FOUND, 404),
        (ErrorCode.PACKAGE_NOT_FOUND, 404),
        (ErrorCode.CONTAINER_NAME_TAKEN, 409),
        (ErrorCode.PORT_TAKEN, 409),
        (ErrorCode.INVALID_MOUNT, 400),
        (ErrorCode.ENGINE_UNREACHABLE, 503),
        (ErrorCode.IMAGE_BUILD_FAILED, 502),
        (ErrorCode.IMAGE_PULL_FAILED, 502),
    ],
)
async def test_a_workload_that_can_never_start_is_refused_and_leaves_no_row(
    api: httpx.AsyncClient, agent: PlayedAgent, code: ErrorCode, expected: int
) -> None:
    agent.failures["bad:1"] = (code, "there is no such thing; take another")
    refused = await create(api, image="bad:1")
    assert (refused.status_code, refused.text) == (expected, "there is no such thing; take another\n")
    assert (await api.get(API, params={"all": "true"})).json() == {"workloads": []}
    assert (await create(api)).status_code == 201


async def test_a_server_that_exits_at_once_is_created_and_in_error_and_its_name_is_free(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    agent.failures["bad:1"] = (ErrorCode.SERVER_EXITED, "it exited with code 1")
    assert (await create(api, image="bad:1")).status_code == 201
    assert await status(api) == "error"
    [shown] = (await api.get(API, params={"all": "true"})).json()["workloads"]
    assert shown["status_context"] == "it exited with code 1"
    assert (await create(api)).status_code == 201
    await has_status(api, "running")


async def test_an_image_that_takes_too_long_is_504_and_the_work_goes_on(tmp_path: Path, nats: NatsServer) -> None:
    async with (
        running_api(tmp_path, nats, patience=Patience(image=timedelta(milliseconds=300))) as api,
        playing_agent(nats) as agent,
    ):
        agent.pulling.clear()
        late = await create(api)
        assert (late.status_code, "the work goes on, `thv status time` tells" in late.text) == (504, True), late.text
        streamed = await api.post(API, json={**REQUEST, "name": "two"}, headers={"Accept": "text/event-stream"})
        name, error = list(parse_sse(streamed.text))[-1]
        assert (name, error["status"], error["code"]) == ("error", 504, "timeout")
        agent.pulling.set()
        await has_status(api, "running")
        await has_status(api, "running", "two")


async def test_a_create_is_streamed_to_those_who_ask_for_it(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    made = await api.post(API, json=REQUEST, headers={"Accept": "text/event-stream"})
    events = list(parse_sse(made.text))
    assert [name for name, _ in events] == ["progress", "progress", "created"]
    assert events[1][1]["message"] == "step 1 of 2"
    assert events[-1][1] == {"name": "time", "port": 8081}


async def test_a_streamed_create_that_fails_ends_with_the_error(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    agent.failures[IMAGE] = (ErrorCode.PACKAGE_NOT_FOUND, "no such package")
    made = await api.post(API, json=REQUEST, headers={"Accept": "text/event-stream"})
    assert list(parse_sse(made.text))[-1] == (
        "error",
        {"status": 404, "code": "package_not_found", "message": "no such package"},
    )


async def test_a_client_that_leaves_during_a_create_does_not_lose_the_workload(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    agent.pulling.clear()
    async with api.stream("POST", API, json=REQUEST, headers={"Accept": "text/event-stream"}) as answer:
        await anext(lines_of(answer, "event: progress"))
    agent.pulling.set()
    await has_status(api, "running")


async def test_what_an_agent_reports_late_does_not_overwrite_a_newer_wish(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    await create(api)
    await has_status(api, "running")
    await api.post(f"{API}/time/stop")
    await has_status(api, "stopped")
    await agent.report(agent.seen[0], ObservedPhase.RUNNING)
    await create(api, "after")  # its report is taken after the late one
    assert await status(api) == "stopped"


async def test_a_create_is_refused_at_once_while_no_agent_can_run_it(
    api: httpx.AsyncClient, nats: NatsServer
) -> None:
    refused = await create(api)
    assert (refused.status_code, "no agent named 'default' has reported yet" in refused.text) == (503, True)
    assert (await api.get("/health")).status_code == 503
    async with playing_agent(nats) as agent:
        assert (await api.get("/health")).status_code == 204
        agent.problem = "Docker does not answer; start it"
        await agent.beat()
        refused = await create(api)
        assert (refused.status_code, refused.text) == (503, "Docker does not answer; start it\n")
        assert (await api.get("/health")).text == "Docker does not answer; start it\n"
    assert (await api.get(API, params={"all": "true"})).json() == {"workloads": []}


async def test_the_correlation_id_follows_a_request_to_the_agent(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    made = await api.post(API, json=REQUEST, headers={"X-Request-Id": "my-request"})
    assert made.headers["x-request-id"] == "my-request"
    assert made.headers["x-content-type-options"] == "nosniff"
    assert agent.seen[0].correlation_id == "my-request"


async def test_workloads_go_to_the_agent_and_the_proxy_of_the_settings(tmp_path: Path, nats: NatsServer) -> None:
    async with (
        running_api(tmp_path, nats, agent="far", proxy_public_url="https://mcp.example/") as api,
        playing_agent(nats, name="far") as agent,
    ):
        assert (await create(api)).json() == {"name": "time", "port": 443}
        await has_status(api, "running")
        [shown] = (await api.get(API)).json()["workloads"]
        assert shown["url"] == "https://mcp.example/time/mcp"
        assert (agent.seen[0].agent, agent.seen[0].phase) == ("far", DesiredPhase.RUNNING)


def parse_sse(text: str) -> list[tuple[str, Any]]:
    frames = [frame.splitlines() for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    return [(frame[-2].removeprefix("event: "), json.loads(frame[-1].removeprefix("data: "))) for frame in frames]


async def lines_of(answer: httpx.Response, wanted: str) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        if line.startswith(wanted):
            yield line


REMOTE = {"name": "example", "url": "https://mcp.example.com/v2/mcp?key=hunter2", "transport": "streamable-http"}


async def test_a_remote_server_is_a_workload_like_others(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    made = await api.post(API, json={**REMOTE, "labels": {"team": "a"}})
    assert (made.status_code, made.json()) == (201, {"name": "example", "port": 8081})
    await has_status(api, "running", "example")
    [shown] = (await api.get(API)).json()["workloads"]
    assert (shown["remote"], shown["package"]) == (True, "remote")
    assert shown["url"] == "http://127.0.0.1:8081/example/v2/mcp"
    assert "hunter2" not in json.dumps(shown)
    again = (await api.get(f"{API}/example")).json()
    assert (again["url"], again["network_isolation"]) == (REMOTE["url"], False)
    assert (await api.post(API, json={**again, "name": "copy"})).status_code == 201
    assert (await api.get(f"{API}/example/export")).json()["remote_url"] == REMOTE["url"]
    for action, status in (("stop", "stopped"), ("restart", "running")):
        assert (await api.post(f"{API}/example/{action}")).status_code == 202
        await has_status(api, status, "example")
    await api.delete(f"{API}/example")
    await has_status(api, "404", "example")


async def test_a_remote_server_needs_an_agent_and_no_engine(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    agent.problem = "Docker does not answer; start it"
    await agent.beat()
    assert (await create(api)).status_code == 503
    assert (await api.post(API, json=REMOTE)).status_code == 201


async def test_a_remote_server_has_no_log_here(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    await api.post(API, json=REMOTE)
    answer = await api.get(f"{API}/example/logs")
    assert answer.status_code == 400
    assert "kept where it runs" in answer.text
