"""Bad input and bad servers: a clear sentence, the right code, and nothing left behind."""

import httpx
import pytest
from mcp import Client

from .support.engine import docker
from .support.events import events_of
from .support.registry import an_empty_registry
from .support.stack import Stack, until
from .support.workloads import created, reaches, ready_at, text_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["run", "no-such-image:1"], "no-such-image:1", id="unknown image"),
        pytest.param(["run", "uvx://no-such-package-4711"], "no-such-package-4711", id="unknown package"),
        pytest.param(["run", "uvx://x", "--name", "no/slash"], "no/slash", id="invalid name"),
        pytest.param(["run", "x:1", "--authz-config", "policies.json"], "--authz-config", id="unsupported flag"),
        pytest.param(["status", "nobody"], "nobody", id="unknown workload"),
        pytest.param(["logs", "nobody"], "nobody", id="logs of an unknown workload"),
        pytest.param(["stop", "nobody"], "nobody", id="stop of an unknown workload"),
        pytest.param(["rm", "nobody"], "nobody", id="removal of an unknown workload"),
    ],
)
def test_thv_says_what_is_wrong_and_fails(
    stack: Stack, api: httpx.AsyncClient, arguments: list[str], sentence: str
) -> None:
    done = stack.thv(*arguments)
    assert done.returncode == 1, done
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert stack.thv("list", "--all").stdout.strip() == "No MCP servers found"


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        pytest.param({"name": "a1", "image": "uvx://no-such-package-4711"}, 404, "4711", id="unknown package"),
        pytest.param({"name": "a b", "image": "x:1"}, 400, "a b", id="invalid name"),
        pytest.param({"image": "x:1"}, 400, "name", id="no name"),
        pytest.param({"name": "a1"}, 400, "image", id="nothing to run"),
        pytest.param({"name": "a1", "image": "x:1", "transport": "pigeon"}, 400, "pigeon", id="unknown transport"),
        pytest.param({"name": "a1", "image": "x:1", "proxy_port": 70000}, 400, "proxy_port", id="no such port"),
        pytest.param(
            {"name": "a1", "image": "x:1", "authz_config": "policies.json"},
            400,
            "authz_config",
            id="not supported yet",
        ),
    ],
)
async def test_a_bad_request_gets_the_right_status(
    api: httpx.AsyncClient, body: dict[str, str], status: int, sentence: str
) -> None:
    answer = await api.post("/api/v1beta/workloads", json=body)
    assert (answer.status_code, sentence in answer.text) == (status, True), answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert (await api.get("/api/v1beta/workloads", params={"all": "true"})).json()["workloads"] in ([], None)


async def test_an_image_that_its_registry_does_not_have_is_404(api: httpx.AsyncClient) -> None:
    with an_empty_registry() as address:
        image = f"{address}/no-such-image:1"
        answer = await api.post("/api/v1beta/workloads", json={"name": "a1", "image": image})
    assert (answer.status_code, image in answer.text) == (404, True), answer.text


async def test_a_registry_that_is_away_is_502(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/v1beta/workloads", json={"name": "a1", "image": "127.0.0.1:9/server:1"})
    assert (answer.status_code, "127.0.0.1:9/server:1" in answer.text) == (502, True), answer.text


async def test_a_request_that_is_no_json_is_400(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/v1beta/workloads", content=b"{nope", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "JSON" in answer.text


async def test_a_name_is_given_once(stack: Stack, api: httpx.AsyncClient, odd_server: str) -> None:
    await created(api, "taken", odd_server)
    again = await api.post("/api/v1beta/workloads", json={"name": "taken", "image": odd_server})
    assert (again.status_code, "already exists" in again.text) == (409, True)
    done = stack.thv("run", odd_server, "--name", "taken")
    assert (done.returncode, "already exists" in done.stderr) == (1, True)


async def test_a_foreign_container_of_the_name_is_left_alone(api: httpx.AsyncClient, odd_server: str) -> None:
    docker("create", "--name", "toolhive-test-foreign", odd_server)
    try:
        answer = await api.post("/api/v1beta/workloads", json={"name": "toolhive-test-foreign", "image": odd_server})
        assert answer.status_code == 409, answer.text
        assert "toolhive-test-foreign" in answer.text
    finally:
        docker("rm", "toolhive-test-foreign")


async def test_a_taken_port_is_named(stack: Stack, api: httpx.AsyncClient, odd_server: str) -> None:
    answer = await api.post(
        "/api/v1beta/workloads",
        json={"name": "ports", "image": odd_server, "publish": [f"{stack.api_port}:9000"]},
    )
    assert answer.status_code == 409, answer.text
    assert str(stack.api_port) in answer.text


async def test_a_server_that_exits_at_once_is_told_with_its_last_words(
    stack: Stack, api: httpx.AsyncClient, odd_server: str
) -> None:
    done = stack.thv("run", odd_server, "--name", "dying", "--", "--exit", "3")
    assert done.returncode == 1
    assert "code 3" in done.stderr
    assert "no configuration found" in done.stderr
    died = [event for event in await events_of(api, "dying") if event["type"] == "container.died"]
    assert died[0]["data"]["exit_code"] == 3
    assert "fatal: no configuration found" in died[0]["data"]["last_log_lines"]


async def test_garbage_on_standard_output_is_passed_over(api: httpx.AsyncClient, odd_server: str) -> None:
    await created(api, "garbage", odd_server, cmd_arguments=["--garbage"])
    async with Client(await ready_at(api, "garbage")) as client:
        for number in range(3):
            result = await client.call_tool("echo", {"text": f"clean {number}"})
            assert text_of(result) == f"clean {number}"


async def test_a_result_of_20_mb_arrives_whole(api: httpx.AsyncClient, odd_server: str) -> None:
    await created(api, "big", odd_server)
    async with Client(await ready_at(api, "big")) as client:
        result = await client.call_tool("big", {"size": 20_000_000})
    assert text_of(result) == "x" * 20_000_000


async def test_a_server_that_dies_in_a_call_fails_it_and_serves_the_next(
    api: httpx.AsyncClient, odd_server: str
) -> None:
    await created(api, "fragile", odd_server)
    url = await ready_at(api, "fragile")
    async with Client(url) as client:
        with pytest.raises(Exception, match=r"process ended|exited"):
            await client.call_tool("die", {"code": 7})

    async def works_again() -> bool:
        try:
            async with Client(url) as client:
                return text_of(await client.call_tool("echo", {"text": "back"})) == "back"
        except ExceptionGroup:
            return False

    await until("the next calls work", works_again)
    died = [event for event in await events_of(api, "fragile") if event["type"] == "container.died"]
    assert [event["data"]["exit_code"] for event in died] == [7]


async def test_the_proxy_refuses_what_is_no_json_rpc(stack: Stack, api: httpx.AsyncClient, odd_server: str) -> None:
    await created(api, "strict", odd_server)
    url = await ready_at(api, "strict")
    async with httpx.AsyncClient() as client:
        garbage = await client.post(url, content=b"{nope", headers={"content-type": "application/json"})
        assert (garbage.status_code, garbage.json()["error"]["code"]) == (400, -32700)
        unknown = await client.post(
            f"{stack.proxy_url}/nobody/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}
        )
        assert (unknown.status_code, "nobody" in unknown.text) == (404, True)


async def test_a_stopped_workload_says_so_to_clients(api: httpx.AsyncClient, odd_server: str) -> None:
    await created(api, "resting", odd_server)
    url = await ready_at(api, "resting")
    assert (await api.post("/api/v1beta/workloads/resting/stop")).status_code == 202
    await reaches(api, "resting", "stopped")
    async with httpx.AsyncClient() as client:
        answer = await client.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert (answer.status_code, "stopped" in answer.text) == (503, True)
