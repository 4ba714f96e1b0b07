"""A real nats-server for the tests of messaging."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from toolhive_common.access import Role
from toolhive_common.messaging.bus import Bus, open_bus
from toolhive_common.messaging.topology import ensure_topology
from toolhive_common.testing.nats_server import NatsServer

CONFIG = Path(__file__).parents[3] / "deploy/nats/nats.conf"


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with NatsServer(tmp_path, CONFIG) as server:
        yield server


async def _open(server: NatsServer, role: Role) -> AsyncIterator[Bus]:
    async with open_bus(server.settings(role)) as bus:
        await bus.wait_connected()
        yield bus


@pytest.fixture
async def api(nats_server: NatsServer) -> AsyncIterator[Bus]:
    async for bus in _open(nats_server, Role.API):
        await ensure_topology(bus, events_kept=timedelta(days=1))
        yield bus


@pytest.fixture
async def agent(nats_server: NatsServer, api: Bus) -> AsyncIterator[Bus]:
    async for bus in _open(nats_server, Role.AGENT):
        yield bus


@pytest.fixture
async def proxy(nats_server: NatsServer, api: Bus) -> AsyncIterator[Bus]:
    async for bus in _open(nats_server, Role.PROXY):
        yield bus


@pytest.fixture
async def subscriber(nats_server: NatsServer, api: Bus) -> AsyncIterator[Bus]:
    async for bus in _open(nats_server, Role.SUBSCRIBER):
        yield bus
