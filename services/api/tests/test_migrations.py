import asyncio
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from toolhive_api.adapters.database.engine import create_engine, open_database
from toolhive_api.adapters.database.migrate import alembic_config
from toolhive_api.adapters.database.tables import metadata


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_make_the_tables_that_the_code_expects(database_url: str) -> None:
    async with open_database(database_url):
        pass
    engine = create_engine(database_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()


async def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    async def start() -> str:
        async with open_database(database_url) as database:
            return await database.check()

    assert await asyncio.gather(*(start() for _ in range(4))) == ["", "", "", ""]


async def test_the_migrations_can_be_undone(database_url: str) -> None:
    async with open_database(database_url):
        pass
    engine = create_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "base"))
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == ["alembic_version"]
    await engine.dispose()
