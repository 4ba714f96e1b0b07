"""What clients see when a pod of the cluster dies under them, and what is there again afterwards."""

import asyncio

import httpx
import pytest

from ..integration.support.raw_session import RawSession, a_call, answer_in, open_session
from ..integration.support.stack import until
from .support.scene import Scene
from .support.workloads import IN_THE_POD, TRANSPORTS, a_workload, answers

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_open_call_fails_with_an_error_when_its_pod_is_killed_and_the_next_one_works(
    scene: Scene, transport: str
) -> None:
    runner = await scene.run(a_workload(transport), pod_patch=IN_THE_POD)
    await runner.ready()
    async with open_session(runner.url, seconds=60) as session:
        before = await session.call("process")
        async with session.stream(a_call("slow", 7, seconds=300)) as waiting:
            await scene.kill(f"{runner.name}-0")
            body = await waiting.aread()
            assert waiting.status_code in {200, 502, 503}, body
            lost = answer_in(waiting)
        assert lost["id"] == 7
        assert lost["error"]["message"]
        assert await answers(runner.url, other_than=before) != before
        if transport == "stdio":  # elsewhere the session was the server's, and went with it
            await _called_again(session)


async def test_a_process_that_ends_is_held_again_when_the_cluster_has_started_it(scene: Scene) -> None:
    runner = await scene.run(a_workload("stdio"), pod_patch=IN_THE_POD)
    await runner.ready()
    async with open_session(runner.url, seconds=60) as session:
        before = await session.call("process")
        lost = await session.request("tools/call", {"name": "die", "arguments": {"code": 3}}, number=8)
        assert "process ended" in lost["error"]["message"]
        await runner.ready()
        await _called_again(session)
        assert await session.call("process", number=10) != before


async def test_a_proxyrunner_that_is_killed_comes_back_to_the_same_process(scene: Scene) -> None:
    runner = await scene.run(a_workload("stdio"), pod_patch=IN_THE_POD)
    await runner.ready()
    process = await answers(runner.url)
    for _ in range(2):
        await runner.killed()
        assert await answers(runner.url) == process
    async with open_session(runner.url, seconds=60) as session:
        other = await session.call("process")
        assert other != process
        await runner.killed()
    assert await answers(runner.url) == process

    async def only_the_first() -> bool:
        return await scene.stateful_set(f"{runner.name}-legacy") is None

    await until("the further process of the killed proxy is gone", only_the_first)


async def test_a_proxyrunner_that_is_told_to_stop_ends_streams_and_leaves_the_server(scene: Scene) -> None:
    runner = await scene.run(a_workload("stdio"), pod_patch=IN_THE_POD)
    await runner.ready()
    process = await answers(runner.url)
    async with open_session(runner.url, seconds=60) as session, httpx.AsyncClient(timeout=60) as client:
        headers = {**session.headers, "accept": "text/event-stream"}
        async with client.stream("GET", runner.url, headers=headers) as stream:
            pod = await runner.pod()
            await asyncio.to_thread(
                scene.apps.patch_namespaced_deployment_scale, runner.name, scene.namespace, {"spec": {"replicas": 0}}
            )
            async with asyncio.timeout(20):
                async for _ in stream.aiter_bytes():
                    pass

        async def gone() -> bool:
            return pod not in await scene.pods(f"toolhive-name={runner.name},app=mcpserver")

        await until("the proxy's pod is gone", gone, seconds=20)
        assert await runner.server_pods() == [f"{runner.name}-0"]
        await asyncio.to_thread(
            scene.apps.patch_namespaced_deployment_scale, runner.name, scene.namespace, {"spec": {"replicas": 1}}
        )
        await runner.ready()
        assert await answers(runner.url) == process


async def test_a_stateful_set_that_was_removed_is_made_again(scene: Scene) -> None:
    runner = await scene.run(a_workload("streamable-http"), pod_patch=IN_THE_POD)
    await runner.ready()
    process = await answers(runner.url)
    await asyncio.to_thread(scene.apps.delete_namespaced_stateful_set, runner.name, scene.namespace)
    await runner.says("StatefulSet was removed")
    assert await answers(runner.url, other_than=process)


async def _called_again(session: RawSession) -> None:
    async def called() -> bool:
        answer = await session.send(a_call("process", 9))
        return answer.status_code == 200 and "result" in answer_in(answer)

    await until("the session goes on", called, seconds=90)
