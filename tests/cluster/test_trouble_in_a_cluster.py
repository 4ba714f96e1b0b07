"""What a user is told when a workload cannot run in a cluster, and what a proxyrunner leaves alone."""

import asyncio
import json

import pytest

from ..integration.support.stack import until
from .support.scene import Runner, Scene
from .support.workloads import IN_THE_POD, a_workload, answers

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

_GENERATION = "toolhive.stacklok.dev/mcpserver-generation"


async def test_an_image_that_cannot_be_pulled_is_told_and_restarts_nothing(scene: Scene) -> None:
    runner = await scene.run(a_workload("stdio", image="127.0.0.1:9/no/such-image:1"))
    told = await runner.says("cannot be pulled")
    assert "127.0.0.1:9/no/such-image:1" in told
    health = await runner.asked("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert "cannot be pulled" in (await runner.asked("/mcp")).text
    assert "cannot be pulled" in await runner.log()
    assert await _restarts(runner) == 0


async def test_a_server_that_ends_at_once_is_told_with_its_exit_code(scene: Scene) -> None:
    ending = {"spec": {"containers": [{"name": "mcp", "command": ["/app/bin/python", "-c", "raise SystemExit(7)"]}]}}
    runner = await scene.run(a_workload("stdio"), pod_patch=ending)
    await runner.says("exit code 7")


async def test_a_proxyrunner_without_a_run_config_says_where_it_looked(scene: Scene) -> None:
    runner = await scene.run(a_workload("stdio"), configured=False)
    await _logs(runner, "there is no RunConfig: none of /etc/runconfig/runconfig.json, ")


async def test_a_right_that_the_role_lacks_is_named(scene: Scene) -> None:
    runner = await scene.run(a_workload("stdio"), without=("RoleBinding",))
    await _logs(runner, "the cluster does not let this process ")


async def test_a_setting_that_cannot_be_kept_is_refused_by_name(scene: Scene) -> None:
    profile = {"network": {"outbound": {}}}
    runner = await scene.run(a_workload("stdio", isolate_network=True, permission_profile=profile))
    await _logs(runner, "isolate_network in a cluster is not supported yet: write a NetworkPolicy")


async def test_a_later_declaration_is_left_alone_and_an_earlier_one_is_not(scene: Scene) -> None:
    runner = await scene.run(a_workload("stdio"), pod_patch=IN_THE_POD, generation=2)
    await runner.ready()
    for declared, then in (("7", "7"), ("1", "2")):
        noted = {"metadata": {"annotations": {_GENERATION: declared}}}
        await asyncio.to_thread(
            scene.apps.patch_namespaced_stateful_set,
            runner.name,
            scene.namespace,
            {**noted, "spec": {"template": noted}},
        )
        await runner.killed()
        await answers(runner.url)
        found = await scene.stateful_set(runner.name)
        assert found
        told = [part["metadata"]["annotations"][_GENERATION] for part in (found, found["spec"]["template"])]
        assert told == [then, then]


async def test_what_others_set_of_a_stateful_set_stays(scene: Scene) -> None:
    runner = await scene.run(a_workload("streamable-http"), pod_patch=IN_THE_POD)
    await runner.ready()
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    patch = {"spec": {"template": {"metadata": {"annotations": restarted}}}}
    await asyncio.to_thread(scene.apps.patch_namespaced_stateful_set, runner.name, scene.namespace, patch)
    await runner.killed()
    await answers(runner.url)
    found = await scene.stateful_set(runner.name)
    assert found
    assert found["spec"]["template"]["metadata"]["annotations"] == restarted


async def _logs(runner: Runner, text: str) -> None:
    async def it_does() -> bool:
        return text in await runner.log() + await runner.log(previous=True)

    await until(f"the log of {runner.name} has {text!r}", it_does)


async def _restarts(runner: Runner) -> int:
    answer = await asyncio.to_thread(
        runner.scene.core.read_namespaced_pod, await runner.pod(), runner.scene.namespace, _preload_content=False
    )
    return int(json.loads(answer.data)["status"]["containerStatuses"][0]["restartCount"])
