"""Further containers of one stdio server, on an engine in memory and on a real one."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import docker
import pytest

from toolhive_agent.decisions.containers import owner_labels, workload_labels
from toolhive_agent.errors import NoTwinsError, TooManyTwinsError
from toolhive_agent.services.engine import Engine
from toolhive_agent.services.slot_containers import SlotContainers
from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.schemas.state import WorkloadKey
from toolhive_runtime.docker import DockerRuntime, detect_runtime
from toolhive_runtime.errors import EngineFault
from toolhive_runtime.runtime import (
    Attachment,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    NetworkSpec,
    Runtime,
)
from toolhive_runtime.testing.fake_runtime import FakeAttachment, FakeContainer, FakeRuntime

pytestmark = pytest.mark.timeout(180)

IMAGE = os.environ.get("TOOLHIVE_TEST_BASE_IMAGE", "toolhive-base:bookworm")
SERVER = """
import sys
for line in sys.stdin:
    if line.startswith("exit "):
        sys.exit(int(line.split()[1]))
    print("heard " + line, end="", flush=True)
"""


@dataclass
class Bench:
    """A workload that runs, and the slots beside it."""

    runtime: Runtime
    key: WorkloadKey
    spec: ContainerSpec
    agent: str
    most: int = 60

    def __post_init__(self) -> None:
        self.slots = self.another()
        self.open: list[Attachment] = []

    async def start(self, slot: str) -> Attachment:
        attachment = await self.slots.start(self.key, slot)
        self.open.append(attachment)
        return attachment

    def another(self) -> SlotContainers:
        """Slots as a new life of the agent has them."""

        async def detect() -> Runtime:
            return self.runtime

        return SlotContainers(Engine(detect, self.agent), self.agent, most=self.most, grace=timedelta(seconds=1))

    async def begin(self) -> str:
        container_id = await self.runtime.create(self.spec)
        await self.runtime.start(container_id)
        self.slots.offer(self.key, self.spec)
        return container_id

    async def there(self) -> list[ContainerStatus]:
        return list(await self.runtime.list(workload_labels(self.agent, self.key)))


def a_spec(name: str, agent: str, key: WorkloadKey) -> ContainerSpec:
    return ContainerSpec(
        name=name,
        image=IMAGE,
        command=("python3", "-u", "-c", SERVER),
        environment={"A": "1"},
        labels={"toolhive": "true", **owner_labels(agent, key, 1)},
        mounts=(),
        network=NetworkSpec(f"{name}-internal", internal=True),
        ports=(),
        stdin_open=True,
        privileged=False,
        restart_policy="no",
    )


def serve(container: FakeContainer, data: bytes) -> None:
    if not data.startswith(b"exit "):
        container.say(b"heard " + data)


def fake_bench() -> Bench:
    key = WorkloadKey.default("time")
    return Bench(FakeRuntime(serve=serve), key, a_spec("time", "default", key), "default")


@pytest.fixture
async def real_bench() -> AsyncIterator[Bench]:
    mark = f"slot-test-{uuid.uuid4().hex[:8]}"
    key = WorkloadKey.default(mark)
    runtime = await detect_runtime(os.environ)
    made = Bench(runtime, key, a_spec(mark, mark, key), mark)
    yield made
    for attachment in made.open:
        await attachment.close()
    for one in await made.there():
        await runtime.remove(one.container_id)
    await runtime.close()


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.engine)])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "fake":
        return fake_bench()
    made: Bench = request.getfixturevalue("real_bench")
    return made


async def said(attachment: Attachment, word: str) -> bytes:
    output, text = attachment.read(), b""
    await attachment.write(f"{word}\n".encode())
    async with asyncio.timeout(20):
        while not text.endswith(b"\n"):
            text += await anext(output)
    return text


async def ended(attachment: Attachment) -> None:
    async with asyncio.timeout(20):
        async for _ in attachment.read():
            pass


async def test_each_slot_is_a_process_of_its_own_made_like_the_first(bench: Bench) -> None:
    first = await bench.begin()
    one = await bench.start("modern")
    two = await bench.start("s-0a1b2c3d")
    assert (await said(one, "one"), await said(two, "two")) == (b"heard one\n", b"heard two\n")
    slots = {status.name: status for status in await bench.there() if status.container_id != first}
    assert set(slots) == {f"{bench.spec.name}-modern", f"{bench.spec.name}-s-0a1b2c3d"} == bench.slots.names()
    labels = slots[f"{bench.spec.name}-modern"].labels
    assert labels.items() >= bench.spec.labels.items()
    assert labels["toolhive-auxiliary"] == "true"
    assert (labels["toolhive-workload"], labels["toolhive-slot"]) == (bench.key.name, "modern")
    await bench.slots.remove_all(bench.key)
    assert [status.container_id for status in await bench.there()] == [first]


async def test_a_slot_that_ends_is_seen_and_removed_and_had_again(bench: Bench) -> None:
    await bench.begin()
    attachment = await bench.start("modern")
    if isinstance(bench.runtime, FakeRuntime):
        bench.runtime.die(bench.runtime.named("time-modern").status.container_id, 3)
    else:
        await attachment.write(b"exit 3\n")
    await ended(attachment)
    await bench.slots.remove(bench.key, "modern")
    await bench.slots.remove(bench.key, "modern")
    assert len(await bench.there()) == 1
    assert bench.slots.names() == frozenset()
    assert await said(await bench.start("modern"), "again") == b"heard again\n"


async def test_a_slot_that_is_started_again_is_a_new_process(bench: Bench) -> None:
    await bench.begin()
    before = await bench.start("modern")
    after = await bench.start("modern")
    await ended(before)
    assert await said(after, "new") == b"heard new\n"
    assert len(await bench.there()) == 2


async def test_a_slot_of_an_earlier_life_is_taken_over_by_replacing_it(bench: Bench) -> None:
    await bench.begin()
    await bench.start("modern")
    bench.slots = bench.another()
    bench.slots.offer(bench.key, bench.spec)
    assert await said(await bench.start("modern"), "me") == b"heard me\n"
    assert len(await bench.there()) == 2


async def test_fifty_slots_started_and_removed_leave_nothing(bench: Bench) -> None:
    first = await bench.begin()
    names = [f"s-{number:08x}" for number in range(50)]
    busy = asyncio.Semaphore(5)

    async def start(name: str) -> Attachment:
        async with busy:
            return await bench.start(name)

    attachments = await asyncio.gather(*(start(name) for name in names))
    assert len(await bench.there()) == 51
    for name in names[:25]:
        await bench.slots.remove(bench.key, name)
    await bench.slots.remove_all(bench.key)
    await asyncio.gather(*(ended(attachment) for attachment in attachments))
    assert [status.container_id for status in await bench.there()] == [first]
    assert bench.slots.names() == frozenset()


async def test_a_workload_that_does_not_run_has_no_slots(bench: Bench) -> None:
    with pytest.raises(NoTwinsError, match="does not run"):
        await bench.start("modern")
    await bench.begin()
    bench.slots.withdraw(bench.key)
    with pytest.raises(NoTwinsError):
        await bench.start("modern")
    assert len(await bench.there()) == 1


async def test_there_are_at_most_as_many_as_may_be() -> None:
    bench = fake_bench()
    bench.most = 2
    bench.slots = bench.another()
    await bench.begin()
    await asyncio.gather(bench.start("a"), bench.start("b"))
    with pytest.raises(TooManyTwinsError, match="TOOLHIVE_STDIO_MAX_PROCESSES") as caught:
        await bench.start("c")
    assert caught.value.code is ErrorCode.LIMIT_REACHED
    await bench.start("a")  # not one more
    await bench.slots.remove(bench.key, "b")
    await bench.start("c")
    assert len(await bench.there()) == 3


@pytest.mark.parametrize("method", ["create", "attach", "start"])
async def test_a_start_that_fails_leaves_nothing(method: str) -> None:
    bench = fake_bench()
    await bench.begin()
    assert isinstance(bench.runtime, FakeRuntime)
    bench.runtime.fail(method, EngineFault(500, "hm"))
    with pytest.raises(EngineFault):
        await bench.start("modern")
    assert len(await bench.there()) == 1
    assert bench.slots.names() == frozenset()
    await bench.start("modern")


async def test_a_container_that_does_not_start_is_removed_also_when_its_streams_cannot_be_let_go_of() -> None:
    class Stuck(FakeAttachment):
        async def close(self) -> None:
            await super().close()
            raise EngineFault(500, "stuck")

    class StuckRuntime(FakeRuntime):
        async def attach(self, container_id: str) -> FakeAttachment:
            return Stuck(self.containers[container_id])

    bench = fake_bench()
    bench.runtime = runtime = StuckRuntime()
    bench.slots = bench.another()
    await bench.begin()
    runtime.fail("start", EngineFault(500, "hm"))
    with pytest.raises(EngineFault):
        await bench.start("modern")
    assert len(await bench.there()) == 1


async def test_a_workload_that_is_replaced_during_a_start_gets_none_of_the_old_kind() -> None:
    bench = fake_bench()
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def detect() -> Runtime:
        asked.set()
        await go_on.wait()
        return bench.runtime

    bench.slots = SlotContainers(Engine(detect, bench.agent), bench.agent, most=9, grace=timedelta(seconds=1))
    await bench.begin()
    starting = asyncio.create_task(bench.start("modern"))
    await asked.wait()
    labels = {**bench.spec.labels, **owner_labels(bench.agent, bench.key, 2)}
    bench.slots.offer(bench.key, replace(bench.spec, labels=labels))
    go_on.set()
    with pytest.raises(NoTwinsError):
        await starting
    assert len(await bench.there()) == 1


async def test_a_slot_that_cannot_be_removed_now_is_held_by_nobody() -> None:
    bench = fake_bench()
    await bench.begin()
    attachment = await bench.start("modern")
    assert isinstance(bench.runtime, FakeRuntime)
    bench.runtime.go_away()
    with pytest.raises(ToolHiveError):
        await bench.slots.remove(bench.key, "modern")
    assert bench.slots.names() == frozenset()
    bench.runtime.come_back()
    assert await said(await bench.start("modern"), "back") == b"heard back\n"
    await attachment.close()


@pytest.mark.parametrize("slot", ["", "A", "-a", "a-", "a b", "a" * 41, "../x"])
async def test_a_slot_that_cannot_be_a_name_is_refused(slot: str) -> None:
    bench = fake_bench()
    await bench.begin()
    with pytest.raises(ValueError, match="cannot name a slot"):
        await bench.start(slot)


@pytest.mark.engine
async def test_an_image_that_was_removed_is_named(real_bench: Bench) -> None:
    assert isinstance(real_bench.runtime, DockerRuntime)
    client = docker.APIClient(base_url=f"unix://{real_bench.runtime.socket}", version="auto")
    copy = f"{real_bench.spec.name}:1"
    client.tag(IMAGE, real_bench.spec.name, "1")
    real_bench.spec = replace(real_bench.spec, image=copy)
    await real_bench.begin()
    client.remove_image(copy)
    client.close()
    with pytest.raises(ToolHiveError, match=copy) as caught:
        await real_bench.start("modern")
    assert caught.value.code is ErrorCode.IMAGE_NOT_FOUND
    [first] = await real_bench.there()
    assert first.state is ContainerState.RUNNING
