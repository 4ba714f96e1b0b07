"""Further containers of a proxy that holds its server's container itself, on an engine in memory."""

import itertools

import pytest

from toolhive_common.errors import ToolHiveError
from toolhive_proxy.services.attached_server import AttachedServer
from toolhive_proxy.services.containers import Containers
from toolhive_runtime.errors import EngineFault
from toolhive_runtime.runtime import ContainerSpec, NetworkSpec
from toolhive_runtime.testing.fake_runtime import FakeRuntime

SPEC = ContainerSpec("time", "i", (), {}, {}, (), NetworkSpec("n"), (), True, False, "no")


def a_server(runtime: FakeRuntime) -> AttachedServer:
    clock = itertools.count().__next__
    backend = Containers(runtime, SPEC, "1", name="time")
    return AttachedServer(backend, name="time", limit=1000, clock=lambda: float(clock()))


async def test_a_further_container_is_held_from_its_start_to_its_end() -> None:
    runtime = FakeRuntime()
    server = a_server(runtime)
    peer = await server.start("modern")
    [container] = runtime.containers.values()
    assert len(container.attachments) == 1
    await peer.close()
    await server.stop("modern")
    assert container.attachments == []
    assert runtime.containers == {}


@pytest.mark.parametrize("method", ["create", "attach", "start"])
async def test_nothing_is_held_of_a_further_container_that_does_not_start(method: str) -> None:
    runtime = FakeRuntime()
    server = a_server(runtime)
    runtime.fail(method, EngineFault(500, "hm"))
    with pytest.raises(ToolHiveError):
        await server.start("modern")
    assert [each for container in runtime.containers.values() for each in container.attachments] == []
    await server.stop("modern")
    assert runtime.containers == {}
