import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config

from toolhive_common.testing.nats_server import NatsServer

from .support.harness import NATS_CONFIG, PlayedAgent, playing_agent, running_api


@pytest_asyncio.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    folder = tmp_path / "nats"
    folder.mkdir()
    async with NatsServer(folder, NATS_CONFIG) as server:
        yield server


@pytest_asyncio.fixture
async def api(tmp_path: Path, nats: NatsServer) -> AsyncIterator[httpx.AsyncClient]:
    async with running_api(tmp_path, nats) as client:
        yield client


@pytest_asyncio.fixture
async def agent(api: httpx.AsyncClient, nats: NatsServer) -> AsyncIterator[PlayedAgent]:
    async with playing_agent(nats) as played:
        yield played


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real PostgreSQL: one that is there already, or a container."""
    if given := os.environ.get("TOOLHIVE_TEST_POSTGRES_URL"):
        yield given
        return
    # Its reaper is one more image, which cannot be pulled everywhere; the container is removed below.
    testcontainers_config.ryuk_disabled = True
    image = os.environ.get("TOOLHIVE_TEST_POSTGRES_IMAGE", "toolhive-test-postgres:15")
    with PostgresContainer(image, driver="asyncpg") as container:
        yield container.get_connection_url()


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.engine)])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """URL of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
        return
    server = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.rsplit("/", 1)[0] + f"/{name}"
    async with engine.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()
