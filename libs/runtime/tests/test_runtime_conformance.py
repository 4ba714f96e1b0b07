"""What every runtime does. The fake one has to behave as the real one, or tests that use it prove nothing."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from toolhive_common.errors import ErrorCode
from toolhive_runtime.decisions.further_containers import SLOT_LABEL, further_spec
from toolhive_runtime.errors import RuntimeFailure
from toolhive_runtime.runtime import (
    Attachment,
    ContainerEvent,
    ContainerEventKind,
    ContainerSpec,
    ContainerState,
    NetworkSpec,
    PortBinding,
    Runtime,
)
from toolhive_runtime.testing.fake_runtime import FakeContainer, FakeRuntime

pytestmark = pytest.mark.timeout(30)

SERVER = """
import sys
for line in sys.stdin:
    if line.startswith("exit "):
        sys.exit(int(line.split()[1]))
    print("not for you: " + line, end="", file=sys.stderr, flush=True)
    print("heard " + line, end="", flush=True)
"""


@dataclass
class Bench:
    """A runtime, and a container to make on it."""

    runtime: Runtime
    spec: ContainerSpec

    async def started(self, **changes: Any) -> tuple[str, Attachment]:
        container_id = await self.runtime.create(replace(self.spec, **changes))
        attachment = await self.runtime.attach(container_id)
        await self.runtime.start(container_id)
        return container_id, attachment


def fake_bench() -> Bench:
    def serve(container: FakeContainer, data: bytes) -> None:
        if data.startswith(b"exit "):
            runtime.die(container.status.container_id, int(data.split()[1]))
        else:
            container.complain(b"not for you: " + data)
            container.say(b"heard " + data)

    runtime = FakeRuntime(serve=serve)
    spec = ContainerSpec(
        name="time",
        image="image:1",
        command=(),
        environment={},
        labels={"toolhive-test": "fake"},
        mounts=(),
        network=NetworkSpec("time-internal", internal=True),
        ports=(),
        stdin_open=True,
        privileged=False,
        restart_policy="no",
    )
    return Bench(runtime, spec)


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.engine)])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "fake":
        return fake_bench()
    engine = request.getfixturevalue("engine")
    return Bench(engine.runtime, engine.spec("python3", "-c", SERVER))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def line(output: AsyncIterator[bytes]) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        text += await anext(output)
    return text


async def until(events: AsyncIterator[ContainerEvent], kind: ContainerEventKind) -> list[ContainerEvent]:
    seen = []
    async for event in events:
        seen.append(event)
        if event.kind is kind:
            break
    await events.aclose()  # type: ignore[attr-defined]  # both are generators, and the stream has to end here
    return seen


async def test_a_container_that_was_made_is_listed_by_its_labels(bench: Bench) -> None:
    container_id = await bench.runtime.create(bench.spec)
    (status,) = await bench.runtime.list(bench.spec.labels)
    assert (status.container_id, status.name, status.image) == (container_id, bench.spec.name, bench.spec.image)
    assert (status.state, status.exit_code) == (ContainerState.CREATED, None)
    assert await bench.runtime.list({**bench.spec.labels, "other": "1"}) == []


async def test_a_started_container_runs_and_has_an_address(bench: Bench) -> None:
    container_id, attachment = await bench.started()
    status = await bench.runtime.info(container_id)
    assert status is not None
    assert status.state is ContainerState.RUNNING
    assert status.started_at is not None
    assert status.address
    await attachment.close()


async def test_starting_what_runs_changes_nothing(bench: Bench) -> None:
    container_id, attachment = await bench.started()
    before = await bench.runtime.info(container_id)
    await bench.runtime.start(container_id)
    assert await bench.runtime.info(container_id) == before
    await attachment.close()


async def test_what_is_written_is_heard_and_answered_without_standard_error(bench: Bench) -> None:
    _, attachment = await bench.started()
    output = attachment.read()
    await attachment.write(b"hello\n")
    assert await line(output) == b"heard hello\n"
    await attachment.write(b"again\n")
    assert await line(output) == b"heard again\n"
    await attachment.close()


async def test_letting_go_of_the_streams_leaves_the_server_running_for_the_next_holder(bench: Bench) -> None:
    container_id, first = await bench.started()
    await first.close()
    second = await bench.runtime.attach(container_id)
    await second.write(b"hello\n")
    assert await line(second.read()) == b"heard hello\n"
    await second.close()


async def test_a_death_ends_the_streams_and_is_told_with_its_exit_code(bench: Bench) -> None:
    events = bench.runtime.events(bench.spec.labels)
    container_id, attachment = await bench.started()
    await attachment.write(b"exit 3\n")
    assert [chunk async for chunk in attachment.read()] == []
    with pytest.raises(ConnectionError):
        await attachment.write(b"too late\n")
    seen = await until(events, ContainerEventKind.DIED)
    assert [event.kind for event in seen] == [ContainerEventKind.STARTED, ContainerEventKind.DIED]
    assert (seen[-1].exit_code, seen[-1].container_id, seen[-1].name) == (3, container_id, bench.spec.name)
    assert bench.spec.labels.items() <= seen[-1].labels.items()
    status = await bench.runtime.info(container_id)
    assert status is not None
    assert (status.state, status.exit_code, status.oom_killed) == (ContainerState.EXITED, 3, False)
    assert status.finished_at is not None
    assert status.address == ""
    await attachment.close()


async def test_a_container_that_died_can_be_started_again(bench: Bench) -> None:
    events = bench.runtime.events(bench.spec.labels)
    container_id, attachment = await bench.started()
    await attachment.write(b"exit 0\n")
    await until(events, ContainerEventKind.DIED)
    await attachment.close()
    again = await bench.runtime.attach(container_id)
    await bench.runtime.start(container_id)
    await again.write(b"hello\n")
    assert await line(again.read()) == b"heard hello\n"
    await again.close()


async def test_stopping_is_the_same_once_or_twice_or_when_nothing_is_there(bench: Bench) -> None:
    container_id, attachment = await bench.started()
    await bench.runtime.stop(container_id, grace=5)
    await bench.runtime.stop(container_id, grace=5)
    await bench.runtime.stop("f" * 64, grace=5)
    status = await bench.runtime.info(container_id)
    assert status is not None
    # Ended by SIGTERM: nobody waited for the grace to be over.
    assert (status.state, status.exit_code) == (ContainerState.EXITED, 143)
    await attachment.close()


async def test_removing_a_running_container_leaves_nothing_and_can_be_repeated(bench: Bench) -> None:
    events = bench.runtime.events(bench.spec.labels)
    container_id, attachment = await bench.started()
    await bench.runtime.remove(container_id)
    await bench.runtime.remove(container_id)
    assert await bench.runtime.info(container_id) is None
    assert await bench.runtime.list(bench.spec.labels) == []
    kinds = [event.kind for event in await until(events, ContainerEventKind.REMOVED)]
    assert kinds[-2:] == [ContainerEventKind.DIED, ContainerEventKind.REMOVED]
    await attachment.close()


async def test_a_name_can_be_had_once(bench: Bench) -> None:
    await bench.runtime.create(bench.spec)
    with pytest.raises(RuntimeFailure) as failure:
        await bench.runtime.create(bench.spec)
    assert failure.value.code is ErrorCode.CONTAINER_NAME_TAKEN
    assert bench.spec.name in failure.value.message


async def test_a_name_can_be_had_again_after_its_container_is_removed(bench: Bench) -> None:
    first = await bench.runtime.create(bench.spec)
    await bench.runtime.remove(first)
    assert await bench.runtime.create(bench.spec) != first


async def test_the_log_is_standard_error_alone_where_standard_output_is_a_conversation(bench: Bench) -> None:
    container_id, attachment = await bench.started()
    output = attachment.read()
    for word in (b"one\n", b"two\n", b"three\n"):
        await attachment.write(word)
        await line(output)
    text = await bench.runtime.logs(container_id, lines=100)
    assert text.splitlines() == ["not for you: one", "not for you: two", "not for you: three"]
    assert len((await bench.runtime.logs(container_id, lines=1)).splitlines()) == 1
    await attachment.close()


async def test_events_of_others_are_not_told(bench: Bench) -> None:
    others = bench.runtime.events({**bench.spec.labels, "which": "second"})
    _, first = await bench.started(labels={**bench.spec.labels, "which": "first"})
    _, second = await bench.started(name=f"{bench.spec.name}-2", labels={**bench.spec.labels, "which": "second"})
    seen = await until(others, ContainerEventKind.STARTED)
    assert [event.labels["which"] for event in seen] == ["second"]
    await first.close()
    await second.close()


async def test_what_is_not_there_is_none_or_empty_or_an_error(bench: Bench) -> None:
    missing = "f" * 64
    assert await bench.runtime.info(missing) is None
    assert await bench.runtime.logs(missing, lines=5) == ""
    with pytest.raises(RuntimeFailure):
        await bench.runtime.attach(missing)
    with pytest.raises(RuntimeFailure):
        await bench.runtime.start(missing)


async def test_the_engine_says_who_it_is(bench: Bench) -> None:
    name, _, version = (await bench.runtime.describe()).partition(" ")
    assert name
    assert version[0].isdigit()


async def test_a_further_container_stands_beside_the_first_and_outlives_nothing(bench: Bench) -> None:
    # One of the two can have the port, which engines publish on networks with a way out only.
    bench.spec = spec = replace(
        bench.spec,
        ports=(PortBinding(8000, free_port(), "127.0.0.1"),),
        network=NetworkSpec(f"{bench.spec.network.name}-open"),
    )
    first, held = await bench.started()
    await held.close()
    twin = further_spec(spec, workload="time", slot="s-0a1b2c3d")
    second = await bench.runtime.create(twin)
    attachment = await bench.runtime.attach(second)
    await bench.runtime.start(second)
    await attachment.write(b"hi\n")
    assert await line(attachment.read()) == b"heard hi\n"
    await attachment.close()
    listed = await bench.runtime.list({**spec.labels, SLOT_LABEL: "s-0a1b2c3d"})
    assert [(one.container_id, one.name) for one in listed] == [(second, f"{spec.name}-s-0a1b2c3d")]
    # The network of both is there as long as one of them is.
    await bench.runtime.remove(first)
    again, held = await bench.started()
    await held.close()
    await bench.runtime.remove(second)
    assert [one.container_id for one in await bench.runtime.list(spec.labels)] == [again]
