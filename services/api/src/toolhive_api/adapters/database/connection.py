"""A connection whose failures are ours: what the database does not answer is a `StorageUnreachableError`.

Only what goes to the database is translated, never what a caller does meanwhile: a timeout or a broken socket of its
own is an ``OSError`` too, and says nothing about the database.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable

from toolhive_api.errors import StorageUnreachableError

__all__ = ["Connection", "connected", "translated"]


class Connection:
    """Executes statements."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> str:
        """The kind of database."""
        return self._connection.dialect.name

    async def execute(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> CursorResult[Any]:
        """Run a statement; its rows are all here when it returns.

        Raises
        ------
        StorageUnreachableError
            The database does not answer.
        """
        with translated():
            return await self._connection.execute(statement, parameters)


@asynccontextmanager
async def connected(opening: AbstractAsyncContextManager[AsyncConnection]) -> AsyncIterator[Connection]:
    """Open for the length of the block, and commit or roll back as ``opening`` does.

    Raises
    ------
    StorageUnreachableError
        The database does not answer at the beginning or at the end.
    """
    with translated():
        connection = await opening.__aenter__()
    try:
        yield Connection(connection)
    except BaseException as error:
        with translated():
            await opening.__aexit__(type(error), error, error.__traceback__)
        raise
    with translated():
        await opening.__aexit__(None, None, None)


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the connection into ours."""
    try:
        yield
    except (OperationalError, OSError) as error:
        raise StorageUnreachableError(_cause(error)) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StorageUnreachableError(_cause(error)) from error
        raise


def _cause(error: Exception) -> str:
    origin = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, SQLAlchemyError) and origin is None:
        origin = error
    return " ".join(str(origin).split())[:300] or type(origin).__name__
