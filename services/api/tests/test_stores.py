import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from toolhive_api.adapters.database.engine import Database, open_database
from toolhive_api.errors import StorageUnreachableError
from toolhive_api.models.records import OutboxKind, WorkloadRecord
from toolhive_common.schemas.state import DesiredPhase, WorkloadKey
from toolhive_common.schemas.workload import WorkloadStatus
from toolhive_common.testing.factories import a_run_config

NOW = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


def a_record(name: str = "time", *, revision: int = 1) -> WorkloadRecord:
    return WorkloadRecord(
        key=WorkloadKey.default(name),
        revision=revision,
        phase=DesiredPhase.RUNNING,
        run_config=a_run_config(name, env_vars={"A": "ä\x00"}),
        agent="default",
        correlation_id="c",
        created_at=NOW,
        requested_at=NOW,
        status=WorkloadStatus.STARTING,
    )


async def put(database: Database, record: WorkloadRecord) -> None:
    async with database.transaction() as transaction:
        await transaction.workloads.put(record)


async def get(database: Database, name: str) -> WorkloadRecord | None:
    async with database.reading() as transaction:
        return await transaction.workloads.get(WorkloadKey.default(name))


async def test_a_workload_is_read_as_it_was_written(database_url: str) -> None:
    async with open_database(database_url) as database:
        await put(database, a_record())
        assert await get(database, "time") == a_record()
        assert await get(database, "other") is None


async def test_a_time_of_any_zone_is_kept(database_url: str) -> None:
    async with open_database(database_url) as database:
        there = NOW.astimezone(timezone(timedelta(hours=5)))
        await put(database, WorkloadRecord(**{**vars(a_record()), "started_at": there}))
        found = await get(database, "time")
        assert found is not None
        assert (found.started_at, found.started_at.tzinfo if found.started_at else None) == (NOW, UTC)


async def test_a_second_put_replaces_the_first(database_url: str) -> None:
    async with open_database(database_url) as database:
        await put(database, a_record(revision=1))
        await put(database, a_record(revision=2))
        found = await get(database, "time")
        assert found is not None
        assert found.revision == 2


async def test_workloads_are_listed_by_name_and_removed(database_url: str) -> None:
    async with open_database(database_url) as database:
        for name in ("b", "a", "B"):
            await put(database, a_record(name))
        async with database.transaction() as transaction:
            assert [record.key.name for record in await transaction.workloads.list()] == ["B", "a", "b"]
            await transaction.workloads.remove(WorkloadKey.default("a"))
            assert [record.key.name for record in await transaction.workloads.list()] == ["B", "b"]


async def test_the_outbox_keeps_its_order_over_pages(database_url: str) -> None:
    key = WorkloadKey.default("time")
    async with open_database(database_url) as database:
        async with database.transaction() as transaction:
            await transaction.outbox.add(key, OutboxKind.EVENT, "1")
            await transaction.outbox.add(key, OutboxKind.STATE)
            await transaction.outbox.add(key, OutboxKind.EVENT, "3")
        async with database.transaction() as transaction:
            first, second = await transaction.outbox.list(limit=2)
            [third] = await transaction.outbox.list(after=second.number)
            assert [entry.payload for entry in (first, second, third)] == ["1", "", "3"]
            await transaction.outbox.remove(second.number)
            assert await transaction.outbox.list() == [first, third]


async def test_a_transaction_that_fails_writes_nothing(database_url: str) -> None:
    async with open_database(database_url) as database:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012  # raised in the block's middle is the point
            async with database.transaction() as transaction:
                await transaction.workloads.put(a_record())
                raise ZeroDivisionError
        assert await get(database, "time") is None


async def test_a_revision_is_never_used_twice(database_url: str) -> None:
    drawn: list[int] = []

    async def draw(database: Database) -> None:
        async with database.transaction() as transaction:
            drawn.append(await transaction.workloads.next_revision())

    async with open_database(database_url) as database:
        await asyncio.gather(*(draw(database) for _ in range(10)))
    async with open_database(database_url) as database:  # after a restart
        await draw(database)
    assert len(set(drawn)) == len(drawn)
    assert max(drawn) == drawn[-1]


async def test_of_many_makers_of_a_name_each_sees_the_one_before(database_url: str) -> None:
    key = WorkloadKey.default("time")

    async def grow(database: Database) -> None:
        async with database.transaction() as transaction:
            existing = await transaction.workloads.get_for_change(key)
            await transaction.workloads.put(a_record(revision=existing.revision + 1 if existing else 1))

    async with open_database(database_url) as database, open_database(database_url) as other:
        await asyncio.gather(*(grow(each) for each in (database, other) * 5))
        found = await get(database, "time")
        assert found is not None
        assert found.revision == 10


async def test_a_reader_does_not_wait_for_a_writer(database_url: str) -> None:
    async with open_database(database_url) as database:
        await put(database, a_record())
        async with database.transaction() as transaction, asyncio.timeout(5):
            await transaction.workloads.put(a_record(revision=2))
            found = await get(database, "time")
        assert found is not None
        assert found.revision == 1


# The library's thread may tell a failed opening to a loop that the test has closed by then.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    "url", ["sqlite+aiosqlite:////no/such/folder/x.db", "postgresql+asyncpg://a:b@127.0.0.1:1/x"]
)
async def test_a_database_that_does_not_answer_is_named_as_the_cause(url: str) -> None:
    with pytest.raises(StorageUnreachableError, match="TOOLHIVE_DATABASE_URL"):
        async with open_database(url):
            pass


@pytest.mark.parametrize("method", ["transaction", "reading", "turn"])
@pytest.mark.parametrize("error", [TimeoutError("of mine"), ConnectionResetError("of mine")])
async def test_what_fails_meanwhile_is_not_taken_for_the_database(
    database_url: str, method: str, error: Exception
) -> None:
    async with open_database(database_url) as database:
        with pytest.raises(type(error), match="of mine"):
            async with getattr(database, method)():
                raise error
        await put(database, a_record())  # nothing is left open


async def test_a_statement_that_the_database_fails_is_named_as_the_cause(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    async with open_database(url) as database:
        async with database.reading() as transaction:
            await transaction.ping()
        with sqlite3.connect(tmp_path / "test.db") as other:
            other.execute("DROP TABLE outbox")
        other.close()
        async with database.reading() as transaction:
            with pytest.raises(StorageUnreachableError, match="no such table"):
                await transaction.outbox.list()
