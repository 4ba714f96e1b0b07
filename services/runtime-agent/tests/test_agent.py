"""A whole agent: a real nats-server, an engine in memory."""

import asyncio
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from toolhive_common import subjects
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.topology import ensure_topology
from toolhive_common.schemas.runconfig import RunConfig, RuntimeConfig, Transport
from toolhive_common.schemas.state import DesiredPhase, SyncMarker, WorkloadKey
from toolhive_common.testing.factories import a_desired, a_run_config
from toolhive_runtime.decisions.further_containers import further_spec
from toolhive_runtime.errors import EngineFault, ImageBuildFailedError, ImageNotFoundError, PortTakenError
from toolhive_runtime.runtime import BuilderOptions, ImageProgress, ImageSource
from toolhive_runtime.testing.fake_runtime import FakeContainer, FakeRuntime

from .support.servers import Client  # type: ignore[import-not-found]  # mypy stops at the dash
from .support.stage import REMOVED, STOPPED, Stage, an_agent, eventually  # type: ignore[import-not-found]  # mypy stops at the dash


async def test_a_declared_workload_is_brought_up_and_told(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        state = await stage.reaches("running")
    container = fake.named("time")
    assert state.container_id == container.status.container_id
    assert state.image == container.spec.image
    assert state.attachment
    assert container.spec.labels["toolhive-revision"] == "1"
    assert container.spec.restart_policy == "no"
    assert await stage.event_types() == ["image.built", "workload.starting", "container.started", "workload.running"]


async def test_stop_keeps_the_container_and_remove_takes_it(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        await stage.reaches("running")
        await stage.declare(revision=2, phase=STOPPED)
        await stage.reaches("stopped", revision=2)
        assert fake.named("time").status.state == "exited"
        await stage.declare(revision=3, phase=REMOVED)
        await stage.reaches("removed", revision=3)
        assert (fake.containers, fake.networks) == ({}, set())
    assert (await stage.event_types())[4:] == ["workload.stopping", "workload.stopped", "workload.removed"]


async def test_a_new_revision_gets_a_new_container(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        first = await stage.reaches("running")
        await stage.declare(revision=2)
        second = await stage.reaches("running", revision=2)
    assert first.container_id != second.container_id
    assert list(fake.containers) == [second.container_id]


async def test_a_dead_server_is_started_again_and_its_death_told(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        state = await stage.reaches("running")
        fake.named("time").complain(b"secret-free last words\n")
        fake.die(state.container_id, 137, oom=True)

        async def restarted() -> bool:
            now = await stage.state()
            return now is not None and now.phase == "running" and now.restarts == 1

        await eventually(restarted)
    events = await stage.events()
    died = next(event for event in events if event.type == "container.died")
    assert died.data["exit_code"] == 137
    assert died.data["reason"] == "oom"
    assert died.data["last_log_lines"] == ["secret-free last words"]
    types = [str(event.type) for event in events][4:]
    assert types[:2] == ["container.oom", "container.died"]
    assert types[-3:] == ["workload.starting", "container.started", "workload.running"]


async def test_values_of_the_environment_stand_in_no_report(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        await stage.declare(run_config=a_run_config(env_vars={"TOKEN": "hunter2hunter2"}))
        state = await stage.reaches("running")
        fake.named("time").complain(b"bad token hunter2hunter2\n")
        fake.die(state.container_id, 1)

        async def died() -> bool:
            return "container.died" in await stage.event_types()

        await eventually(died)
        now = await stage.state()
    assert now is not None
    told = b"".join(event.to_json() for event in await stage.events()) + now.to_json()
    assert b"hunter2" not in told
    assert b"bad token ***" in told


async def test_no_setting_that_holds_a_secret_stands_in_a_reason(stage: Stage, fake: FakeRuntime) -> None:
    fake.fail("ensure_image", ImageBuildFailedError("x", "401 for build-secret", ["npm --key=argument-secret"]))
    run_config = a_run_config(
        cmd_args=("--key=argument-secret",), runtime_config=RuntimeConfig(runtime_env={"NPM_TOKEN": "build-secret"})
    )
    async with an_agent(stage, fake):
        await stage.declare(run_config=run_config)
        state = await stage.reaches("error")
        events = await stage.events()
    told = state.to_json() + b"".join(event.to_json() for event in events)
    assert b"401 for ***" in told
    assert b"-secret" not in told


async def test_an_unknown_image_is_an_error_until_the_next_wish(stage: Stage) -> None:
    fake = FakeRuntime(registry=["uvx://good"])
    async with an_agent(stage, fake):
        await stage.declare()
        state = await stage.reaches("error")
        assert state.code == "image_not_found"
    assert fake.containers == {}
    async with an_agent(stage, fake):  # a restart asks for nothing again
        fake.fail("ensure_image", ImageNotFoundError("x", "asked again"))
        await eventually(lambda: stage.agents.get("default"))
        assert (await stage.state()) == state
    assert await stage.event_types() == ["workload.failed"]


async def test_a_taken_port_leaves_no_container(stage: Stage, fake: FakeRuntime) -> None:
    fake.fail("start", PortTakenError("8080"))
    async with an_agent(stage, fake):
        await stage.declare()
        state = await stage.reaches("error")

        async def nothing_left() -> bool:
            return not fake.containers and not fake.networks

        await eventually(nothing_left)
    assert state.code == "port_taken"
    assert not state.image


async def test_a_server_that_always_dies_is_given_up(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake, restart_delay=0.001, restart_delay_max=0.002, startup_grace=30):
        await stage.declare()

        async def kill() -> bool:
            for container in list(fake.containers.values()):
                if container.status.state == "running":
                    fake.die(container.status.container_id, 3)
            state = await stage.state()
            return state is not None and state.phase == "error"

        await eventually(kill)
        state = await stage.reaches("error")
    assert state.code == "server_exited"
    assert "exited with code 3" in state.reason
    assert "thv logs time" in state.reason
    assert state.restarts == 10


async def test_a_restarted_agent_takes_over_and_doubles_nothing(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        before = await stage.reaches("running")
    events = await stage.event_types()
    async with an_agent(stage, fake):

        async def held_again() -> bool:
            now = await stage.state()
            return now is not None and now.attachment not in {"", before.attachment}

        await eventually(held_again)
        after = await stage.reaches("running")
    assert (after.container_id, after.restarts) == (before.container_id, 0)
    assert len(fake.containers) == 1
    assert await stage.event_types() == events


async def test_a_death_while_the_agent_was_away_is_told(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        state = await stage.reaches("running")
    fake.die(state.container_id, 1)
    async with an_agent(stage, fake):

        async def running_again() -> bool:
            now = await stage.state()
            return now is not None and now.restarts == 1 and now.phase == "running"

        await eventually(running_again)
    assert (await stage.event_types()).count("container.died") == 1


async def test_nothing_is_lost_while_nats_is_away(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        state = await stage.reaches("running")
        await stage.nats.kill()
        fake.die(state.container_id, 9)

        async def up_again() -> bool:
            return fake.named("time").status.state == "running"

        await eventually(up_again)
        await stage.nats.start()

        async def told() -> bool:
            now = await stage.state()
            return now is not None and now.restarts == 1 and now.phase == "running"

        await stage.bus.wait_reconnected(0)
        await eventually(told)
    types = await stage.event_types()
    assert types.count("container.died") == 1
    assert types[-1] == "workload.running"


async def test_an_engine_that_goes_away_is_told_and_taken_up_again(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        await stage.reaches("running")
        fake.go_away()

        async def complains() -> bool:
            beat = await stage.agents.get("default")
            return beat is not None and beat.problem_code == "engine_unreachable" and bool(beat.problem)

        await eventually(complains)
        assert (await stage.state()) is not None
        assert (await stage.reaches("running")).code is None
        await stage.declare("second")
        assert (await stage.reaches("error", "second")).code == "engine_unreachable"
        fake.come_back()
        await stage.reaches("running", "second")
    assert len(fake.containers) == 2


async def test_containers_of_others_are_never_touched(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake, agent_name="other"):
        await stage.declare("theirs", agent="other")
        await stage.reaches("running", "theirs")
    async with an_agent(stage, fake):
        await stage.mark_synced()
        await stage.declare()
        await stage.reaches("running")
        await stage.declare(revision=2, phase=REMOVED)
        await stage.reaches("removed", revision=2)
        assert [container.spec.name for container in fake.containers.values()] == ["theirs"]


@pytest.mark.parametrize("synced", [True, False])
async def test_orphans_go_only_when_the_bucket_is_whole(stage: Stage, fake: FakeRuntime, *, synced: bool) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        await stage.declare("other")
        await stage.reaches("running")
        await stage.reaches("running", "other")
    await stage.desired.remove(WorkloadKey.default("time"))
    if synced:
        await stage.mark_synced()
    async with an_agent(stage, fake):
        await stage.declare("third")
        await stage.reaches("running", "third")  # by then the first look at everything is done
        await stage.declare("third", revision=2)
        await stage.reaches("running", "third", revision=2)
        names = {container.spec.name for container in fake.containers.values()}
    assert names == ({"other", "third"} if synced else {"time", "other", "third"})


async def test_a_removed_workload_leaves_nothing_behind_in_the_agent(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        for _ in range(2):  # a name is used again from its first revision on
            wish = await stage.declare(correlation_id=f"life {_}")
            await stage.reaches("running")
            await stage.declare(revision=2, phase=REMOVED, correlation_id=f"end {_}")
            await stage.reaches("removed", revision=2)
            await stage.desired.remove(wish.key)
            await stage.observed.remove(wish.key)
        assert await stage.state() is None
    assert (await stage.event_types()).count("workload.removed") == 2
    assert (await stage.event_types()).count("workload.running") == 2


async def test_a_nats_server_that_lost_its_disk_is_told_again_and_nothing_is_removed(
    stage: Stage, fake: FakeRuntime, tmp_path: Path
) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        before = await stage.reaches("running")
        await stage.mark_synced()
        generation = stage.bus.generation
        await stage.nats.kill()
        shutil.rmtree(tmp_path / "jetstream")
        await stage.nats.start()
        await stage.bus.wait_reconnected(generation)
        await ensure_topology(stage.bus, events_kept=timedelta(days=1))
        after = await stage.reaches("running")
        assert after.container_id == before.container_id
        await stage.declare("second")  # by then everything was looked at
        await stage.reaches("running", "second")
    assert len(fake.containers) == 2


@pytest.mark.parametrize(
    "title", ["\\ud800", "x" * 1_100_000], ids=["half a character", "more than a message of NATS holds"]
)
async def test_a_handshake_that_cannot_be_stored_ends_nothing(stage: Stage, title: str) -> None:
    def serve(container: FakeContainer, data: bytes) -> None:
        request = json.loads(data)
        if request.get("method") == "initialize":
            container.say(b'{"jsonrpc":"2.0","id":%d,"result":{"title":"%s"}}\n' % (request["id"], title.encode()))

    async with an_agent(stage, FakeRuntime(serve=serve)):
        await stage.declare()
        await stage.reaches("running")
        client = Client(stage.proxy_bus, "time")
        await client.open()
        assert "title" in (await client.begin())["result"]
        await stage.declare("second")
        await stage.reaches("running", "second")


async def test_a_marker_that_comes_after_the_look_at_everything_proves_nothing(
    stage: Stage, fake: FakeRuntime
) -> None:
    async with an_agent(stage, fake):
        await stage.declare("lost")
        await stage.reaches("running", "lost")
    await stage.desired.remove(WorkloadKey.default("lost"))
    async with an_agent(stage, fake, resync=600):
        for name in ("first", "second"):
            await stage.declare(name)
            await stage.reaches("running", name)
        await stage.mark_synced()
        await stage.desired.remove(WorkloadKey.default("first"))
        for name in ("third", "fourth"):
            await stage.declare(name)
            await stage.reaches("running", name)
        assert "lost" in {container.spec.name for container in fake.containers.values()}


async def test_what_cannot_be_read_is_left_alone_and_ends_nothing(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        for name in ("time", "newer"):
            await stage.declare(name)
            await stage.reaches("running", name)
    await stage.mark_synced()
    foreign = Bucket(stage.bus, subjects.DESIRED_BUCKET, SyncMarker)
    marker = SyncMarker(synced_at=a_desired().requested_at)
    for key in (WorkloadKey.default("newer"), "no-workload", "not.a.workload"):
        await foreign.put(key, marker)
    async with an_agent(stage, fake, resync=600):
        await stage.declare("second")
        await stage.reaches("running", "second")
        await stage.desired.remove(WorkloadKey.default("time"))  # taken back while the agent watches
        await foreign.remove("no-workload")

        async def gone() -> bool:
            return "time" not in {container.spec.name for container in fake.containers.values()}

        await eventually(gone)
        await stage.declare("third")
        await stage.reaches("running", "third")
    assert {container.spec.name for container in fake.containers.values()} == {"newer", "second", "third"}


@pytest.mark.parametrize(("phase", "method"), [(STOPPED, "stop"), (REMOVED, "remove")])
async def test_a_container_that_cannot_go_is_tried_with_pauses_and_told_why(
    stage: Stage, fake: FakeRuntime, phase: DesiredPhase, method: str
) -> None:
    async with an_agent(stage, fake, restart_delay=600, restart_delay_max=600):
        await stage.declare()
        await stage.reaches("running")
        fake.fail(method, EngineFault(500, "device or resource busy"), times=1000)
        await stage.declare(revision=2, phase=phase)

        async def told_why() -> bool:
            state = await stage.state()
            return state is not None and state.revision == 2 and "busy" in state.reason

        await eventually(told_why)
        for name in ("second", "third"):  # enough time for many more attempts
            await stage.declare(name)
            await stage.reaches("running", name)
        assert len(fake._failures[method]) > 990


async def test_a_new_wish_that_needs_the_same_image_does_not_take_the_old_ones(stage: Stage) -> None:
    began = asyncio.Event()

    class Hanging(FakeRuntime):
        async def ensure_image(
            self, source: str, *, progress: Callable[[ImageProgress], None], builder: BuilderOptions
        ) -> tuple[str, ImageSource]:
            if not began.is_set():
                began.set()
                await asyncio.Event().wait()
            return await super().ensure_image(source, progress=progress, builder=builder)

    async with an_agent(stage, Hanging()):
        await stage.declare(correlation_id="old")
        await began.wait()
        await stage.declare(correlation_id="new")
        assert (await stage.reaches("running")).correlation_id == "new"


@pytest.mark.parametrize(("image", "code"), [("uvx://hung", "image_build_failed"), ("hung", "image_pull_failed")])
async def test_a_hung_image_is_given_up_and_holds_nobody_up(stage: Stage, image: str, code: str) -> None:
    class Hanging(FakeRuntime):
        async def ensure_image(
            self, source: str, *, progress: Callable[[ImageProgress], None], builder: BuilderOptions
        ) -> tuple[str, ImageSource]:
            if source == image:
                await asyncio.Event().wait()
            return await super().ensure_image(source, progress=progress, builder=builder)

    async with an_agent(stage, Hanging(), prepare_timeout=0.2):
        for name in ("one", "two"):
            await stage.declare(name, run_config=a_run_config(name, image=image))
        await stage.declare()
        await stage.reaches("running")
        state = await stage.reaches("error", "one")
    assert state.code == code
    assert "TOOLHIVE_PREPARE_TIMEOUT" in state.reason


def elsewhere(url: str = "https://example.com/mcp?key=secret") -> RunConfig:
    return a_run_config(image="", remote_url=url, transport=Transport.STREAMABLE_HTTP, permission_profile=None)


async def test_a_remote_server_lives_through_stop_start_and_removal_without_a_container(
    stage: Stage, fake: FakeRuntime
) -> None:
    async with an_agent(stage, fake):
        await stage.declare(run_config=elsewhere())
        state = await stage.reaches("running")
        assert state.endpoint == "https://example.com/mcp"
        await stage.declare(revision=2, phase=STOPPED, run_config=elsewhere())
        await stage.reaches("stopped", revision=2)
        await stage.declare(revision=3, run_config=elsewhere())
        await stage.reaches("running", revision=3)
        await stage.declare(revision=4, phase=REMOVED, run_config=elsewhere())
        await stage.reaches("removed", revision=4)
    assert fake.containers == {}
    types = await stage.event_types()
    assert types[:4] == ["workload.starting", "workload.running", "workload.stopping", "workload.stopped"]
    assert types[4:] == ["workload.starting", "workload.running", "workload.stopping", "workload.removed"]
    assert "secret" not in "".join(event.to_json().decode() for event in await stage.events())


async def test_a_remote_server_needs_no_engine(stage: Stage, fake: FakeRuntime) -> None:
    fake.go_away()
    async with an_agent(stage, fake):
        await stage.declare(run_config=elsewhere())
        await stage.reaches("running")


async def test_a_remote_server_takes_the_place_of_a_container(stage: Stage, fake: FakeRuntime) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        await stage.reaches("running")
        await stage.declare(revision=2, run_config=elsewhere())
        await stage.reaches("running", revision=2)

        async def gone() -> bool:
            return fake.containers == {}

        await eventually(gone)


async def test_further_containers_of_an_earlier_life_are_removed_at_the_start(
    stage: Stage, fake: FakeRuntime
) -> None:
    async with an_agent(stage, fake):
        await stage.declare()
        first = await stage.reaches("running")
    twin = further_spec(fake.named("time").spec, workload="time", slot="s-0a1b2c3d")
    await fake.start(await fake.create(twin))
    async with an_agent(stage, fake, resync=1000):

        async def gone() -> bool:
            return list(fake.containers) == [first.container_id]

        await eventually(gone)
    assert "container.died" not in await stage.event_types()


@pytest.mark.parametrize(("phase", "reached"), [(STOPPED, "stopped"), (REMOVED, "removed")])
async def test_further_containers_go_with_their_workload(
    stage: Stage, fake: FakeRuntime, phase: DesiredPhase, reached: str
) -> None:
    async with an_agent(stage, fake, resync=1000):
        await stage.declare()
        first = await stage.reaches("running")
        for slot in ("modern", "s-0a1b2c3d"):
            await fake.start(await fake.create(further_spec(fake.named("time").spec, workload="time", slot=slot)))
        await stage.declare(revision=2, phase=phase)
        await stage.reaches(reached, revision=2)
        assert list(fake.containers) == ([first.container_id] if phase is STOPPED else [])
    assert "container.died" not in await stage.event_types()
