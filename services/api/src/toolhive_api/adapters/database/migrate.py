"""Brings the tables up to date at start-up."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["alembic_config", "upgrade"]

_MIGRATION_LOCK = 0x6D696772
"""Number of the PostgreSQL advisory lock that makes processes that start at once migrate one after the other."""


def alembic_config(connection: Connection) -> Config:
    """Point Alembic to this package's migrations and to an open connection."""
    config = Config()
    config.set_main_option("script_location", "toolhive_api:migrations")
    config.attributes["connection"] = connection
    return config


async def upgrade(engine: AsyncEngine) -> None:
    """Run the migrations that are missing, in one transaction."""
    async with engine.execution_options(toolhive_writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
