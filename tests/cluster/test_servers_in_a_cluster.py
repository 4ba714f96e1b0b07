"""Servers of every transport in a real cluster, called by the official client through a proxyrunner."""

import asyncio

import pytest
from mcp import Client

from ..integration.support.raw_session import open_session
from .support.scene import Scene
from .support.workloads import IN_THE_POD, TRANSPORTS, a_workload, answers, call

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_official_client_calls_a_server_in_its_own_pod(scene: Scene, transport: str) -> None:
    config = a_workload(transport, env_vars={"GREETING": "hello"})
    runner = await scene.run(config, pod_patch=IN_THE_POD)
    await runner.ready()
    assert await call(runner.url, "variable", name="GREETING") == "hello"
    assert await call(runner.url, "variable", name="HOSTNAME") == f"{runner.name}-0"
    async with open_session(runner.url) as session:
        assert await session.call("variable", {"name": "MCP_TRANSPORT"}) == transport
    found = await scene.stateful_set(runner.name)
    assert found
    assert "toolhive-container-manager" in {each["manager"] for each in found["metadata"]["managedFields"]}


async def test_messages_longer_than_a_frame_arrive_whole(scene: Scene) -> None:
    runner = await scene.run(a_workload("stdio"), pod_patch=IN_THE_POD)
    await runner.ready()
    async with open_session(runner.url) as session:
        assert len(await session.call("big", {"size": 3_000_000})) == 3_000_000
        assert await session.call("variable", {"name": "x" * 500_000}) == ""
        many = [session.call("variable", {"name": "HOSTNAME"}, number=number) for number in range(2, 40)]
        assert set(await asyncio.gather(*many)) == {f"{runner.name}-0"}


async def test_a_stdio_server_has_a_process_for_each_era(scene: Scene) -> None:
    runner = await scene.run(a_workload("stdio"), pod_patch=IN_THE_POD)
    await runner.ready()
    async with open_session(runner.url) as session:
        old = await session.call("process")
        new = await call(runner.url, "process")
        assert old != new
        assert await session.call("process", number=2) == old
    found = await scene.stateful_set(f"{runner.name}-modern")
    assert found
    assert [owner["name"] for owner in found["metadata"]["ownerReferences"]] == [runner.name]


async def test_each_session_has_a_pod_of_its_own_where_that_is_asked_for(scene: Scene) -> None:
    runner = await scene.run(a_workload("stdio", stdio_process="per-session"), pod_patch=IN_THE_POD)
    await runner.ready()
    async with open_session(runner.url, seconds=60) as one, open_session(runner.url, seconds=60) as two:
        assert await one.call("process") != await two.call("process")


async def test_the_settings_of_the_proxy_act_as_elsewhere(scene: Scene) -> None:
    config = a_workload("streamable-http", tools_filter=["process"])
    runner = await scene.run(config, pod_patch=IN_THE_POD)
    await runner.ready()
    async with Client(runner.url) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["process"]


async def test_replicas_are_whoever_scales_by_hands(scene: Scene) -> None:
    runner = await scene.run(a_workload("streamable-http"), pod_patch=IN_THE_POD)
    await runner.ready()
    await asyncio.to_thread(
        scene.apps.patch_namespaced_stateful_set_scale, runner.name, scene.namespace, {"spec": {"replicas": 0}}
    )
    await runner.says("scaled to nothing")
    await scene.kill(await runner.pod())
    await runner.says("scaled to nothing")
    await asyncio.to_thread(
        scene.apps.patch_namespaced_stateful_set_scale, runner.name, scene.namespace, {"spec": {"replicas": 1}}
    )
    await answers(runner.url)
