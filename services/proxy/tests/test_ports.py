"""Whose keeper serves a request that was given its way a while ago."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from toolhive_common.mcp.port import Note
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.testing.factories import a_run_config
from toolhive_proxy.adapters.stdio_port import StdioPort, StdioPorts
from toolhive_proxy.errors import StaleRouteError
from toolhive_proxy.models.routes import Lookup, Origin, Route, Unavailable, Unknown
from toolhive_proxy.services.inbox import Inboxes, InboxLimits
from toolhive_proxy.services.local_port import LocalPort
from toolhive_proxy.services.ports import Ports

KEY = WorkloadKey.default("time")
OLD = Route(KEY, 1, Transport.SSE, a_run_config("time", transport=Transport.SSE), origin=Origin("10.0.0.1", 80))
NEW = replace(OLD, revision=2, origin=Origin("10.0.0.2", 80))
STDIO = Route(KEY, 1, Transport.STDIO, a_run_config("time"), attachment="first")
AWAY = Unavailable(KEY, "it is being started", 2)


class Keeper:
    """Plays a `LocalPort`."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.host = self
        self.ended = False

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


class Stdio:
    """Plays `StdioPorts`."""

    def port(self, key: WorkloadKey) -> StdioPort:
        return StdioPort(cast("StdioPorts", Edge()), key)

    async def goodbye(self) -> None:
        pass


class Edge:
    edge = "e"


class World:
    def __init__(self) -> None:
        self.table: dict[str, Lookup] = {}
        self.made: list[Keeper] = []
        self.inboxes = Inboxes(InboxLimits())
        self.ports = Ports(cast("StdioPorts", Stdio()), self.inboxes, self._make, self._find)

    def _make(self, route: Route) -> LocalPort:
        self.made.append(Keeper(route))
        return cast("LocalPort", self.made[-1])

    def _find(self, name: str) -> Lookup:
        return self.table.get(name, Unknown(name))

    async def is_now(self, now: Lookup | None) -> None:
        self.table = {KEY.name: now} if now is not None else {}
        self.ports.on_change([], self.table)
        await asyncio.sleep(0)

    def of(self, route: Route) -> Any:
        return self.ports.of(route)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.ports.goodbye()


async def test_a_request_that_waited_does_not_end_the_sessions_at_the_new_address(world: World) -> None:
    await world.is_now(OLD)
    assert world.of(OLD).route is OLD
    await asyncio.sleep(0)
    await world.is_now(NEW)
    assert world.made[0].ended
    present = world.of(NEW)
    await asyncio.sleep(0)
    with pytest.raises(StaleRouteError, match="call again"):
        world.of(OLD)
    await asyncio.sleep(0)
    assert not present.ended
    assert world.of(NEW) is present
    assert len(world.made) == 2


@pytest.mark.parametrize("now", [NEW, AWAY, None])
async def test_a_request_that_waited_makes_no_keeper_in_place_of_another_or_of_none(
    world: World, now: Lookup | None
) -> None:
    await world.is_now(NEW)
    world.of(NEW)
    await world.is_now(now)
    with pytest.raises(StaleRouteError):
        world.of(OLD)
    assert len(world.made) == 1


async def test_a_keeper_is_made_before_its_server_can_be_called(world: World) -> None:
    await world.is_now(AWAY)
    keeper = world.of(OLD)
    await world.is_now(OLD)
    assert world.of(OLD) is keeper


async def test_local_streams_of_a_name_that_was_once_stdio_outlive_nats(world: World) -> None:
    await world.is_now(STDIO)
    world.of(STDIO)
    await world.is_now(OLD)
    world.of(OLD)
    with pytest.raises(StaleRouteError):
        world.of(STDIO)
    inbox = world.inboxes.open(KEY)
    world.ports.nats_lost()
    assert not inbox.over
    await world.is_now(STDIO)
    world.of(STDIO)
    world.ports.nats_lost()
    assert (await inbox.get(1)).note is Note.REFUSED
