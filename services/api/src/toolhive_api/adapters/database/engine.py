"""The connection to the database, and transactions on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from toolhive_api.adapters.database.connection import connected, translated
from toolhive_api.adapters.database.migrate import upgrade
from toolhive_api.adapters.database.stores import Transaction
from toolhive_api.errors import StorageUnreachableError

__all__ = ["Database", "open_database"]

_BUSY_TIMEOUT_MS = 10_000
"""How long a writer of SQLite waits for the one before it."""
_FAREWELL = 0.2
"""Seconds."""
_TURN_LOCK = 0x746F6F6C
"""Number of the PostgreSQL advisory lock that the publishing process holds."""


class Database:
    """Opens transactions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Read and write; all of it or, when the block raises, nothing.

        Raises
        ------
        StorageUnreachableError
            The database does not answer.
        """
        async with connected(self._engine.execution_options(toolhive_writes=True).begin()) as connection:
            yield Transaction(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Only read; holds up no writer.

        Raises
        ------
        StorageUnreachableError
            The database does not answer.
        """
        async with connected(self._engine.connect()) as connection:
            yield Transaction(connection)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Be the only one that publishes, among all processes on this database.

        Two publishers could overtake each other between reading a row and putting it into the bucket, and leave
        the older wish there.

        Raises
        ------
        StorageUnreachableError
            The database does not answer.
        """
        async with self._turn:
            if self._engine.dialect.name != "postgresql":
                yield  # a file belongs to one process
                return
            async with connected(self._engine.begin()) as connection:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _TURN_LOCK})
                yield

    async def check(self) -> str:
        """Health check: empty while the database answers."""
        try:
            async with asyncio.timeout(3), self.reading() as transaction:
                await transaction.ping()
        except StorageUnreachableError as error:
            return error.message
        except TimeoutError:
            return StorageUnreachableError("no answer within 3 seconds").message
        return ""


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Connect, bring the tables up to date, and disconnect in the end.

    Parameters
    ----------
    url
        ``sqlite+aiosqlite:///<path>`` or ``postgresql+asyncpg://<user>:<password>@<host>/<database>``.

    Raises
    ------
    StorageUnreachableError
        The database does not answer.
    """
    engine = create_engine(url)
    try:
        with translated():
            await upgrade(engine)
    except StorageUnreachableError:
        await engine.dispose()
        # The thread of a connection to SQLite that failed answers to this loop still, and complains when it is gone.
        await asyncio.sleep(_FAREWELL)
        raise
    try:
        yield Database(engine)
    finally:
        await engine.dispose()


def create_engine(url: str) -> AsyncEngine:
    """Set up the connections; none is made yet."""
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_async_engine(url, hide_parameters=True)  # of errors, which are logged
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    return create_async_engine(
        url, hide_parameters=True, pool_pre_ping=True, connect_args={"timeout": 5, "command_timeout": 30}
    )


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    # The driver would begin a transaction only at the first write, after the read that the write depends on.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",  # readers and the writer do not wait for each other
        "synchronous=FULL",  # what was answered with success outlives a power cut
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail when another wrote in between; IMMEDIATE makes it
    # wait its turn instead. This is also what lets exactly one of two creates of a name win.
    writes = connection.get_execution_options().get("toolhive_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
