"""Rows in and out, within one transaction."""

from collections.abc import Sequence

from sqlalchemy import Row, and_, delete, insert, select, text, update
from sqlalchemy.sql import ColumnElement

from toolhive_api.adapters.database import tables
from toolhive_api.adapters.database.connection import Connection
from toolhive_api.models.records import OutboxEntry, OutboxKind, WorkloadRecord
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.state import DesiredPhase, WorkloadKey
from toolhive_common.schemas.workload import WorkloadStatus

__all__ = ["OutboxStore", "Transaction", "WorkloadStore"]


class WorkloadStore:
    """Workloads, by key."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, key: WorkloadKey) -> WorkloadRecord | None:
        """Read one."""
        found = await self._connection.execute(select(tables.workloads).where(_is(key)))
        row = found.one_or_none()
        return None if row is None else _record(row)

    async def get_for_change(self, key: WorkloadKey) -> WorkloadRecord | None:
        """Read one, and keep all others from changing it, or from making one of the name, until the end."""
        if self._connection.dialect == "postgresql":
            # A row that is not there yet cannot be locked; its name can.
            await self._connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
                {"key": f"{key.namespace}/{key.name}"},
            )
        return await self.get(key)

    async def list(self) -> Sequence[WorkloadRecord]:
        """Read all, sorted by namespace and name."""
        found = await self._connection.execute(select(tables.workloads))
        return sorted((_record(row) for row in found), key=lambda record: (record.key.namespace, record.key.name))

    async def put(self, record: WorkloadRecord) -> None:
        """Write one. Call `get_for_change` first."""
        values = _values(record)
        changed = await self._connection.execute(update(tables.workloads).where(_is(record.key)).values(values))
        if changed.rowcount == 0:
            await self._connection.execute(insert(tables.workloads).values(values))

    async def remove(self, key: WorkloadKey) -> None:
        """Delete one; nothing happens when there is none."""
        await self._connection.execute(delete(tables.workloads).where(_is(key)))

    async def next_revision(self) -> int:
        """Draw a number that no revision of any workload had."""
        drawn = await self._connection.execute(
            update(tables.revisions).values(last=tables.revisions.c.last + 1).returning(tables.revisions.c.last)
        )
        return int(drawn.scalar_one())


class OutboxStore:
    """What is still to be published."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, key: WorkloadKey, kind: OutboxKind, payload: str = "") -> None:
        """Promise to publish something once this transaction is committed."""
        await self._connection.execute(
            insert(tables.outbox).values(namespace=key.namespace, name=key.name, kind=kind, payload=payload)
        )

    async def list(self, *, after: int = 0, limit: int = 200) -> Sequence[OutboxEntry]:
        """Read entries with a number above ``after``, oldest first."""
        found = await self._connection.execute(
            select(tables.outbox).where(tables.outbox.c.number > after).order_by(tables.outbox.c.number).limit(limit)
        )
        return [
            OutboxEntry(
                number=row.number,
                key=WorkloadKey(namespace=row.namespace, name=row.name),
                kind=OutboxKind(row.kind),
                payload=row.payload,
            )
            for row in found
        ]

    async def remove(self, number: int) -> None:
        """Forget an entry that was published."""
        await self._connection.execute(delete(tables.outbox).where(tables.outbox.c.number == number))


class Transaction:
    """The stores, on one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.workloads = WorkloadStore(connection)
        self.outbox = OutboxStore(connection)

    async def ping(self) -> None:
        """Ask the database anything."""
        await self._connection.execute(text("SELECT 1"))


def _is(key: WorkloadKey) -> ColumnElement[bool]:
    return and_(tables.workloads.c.namespace == key.namespace, tables.workloads.c.name == key.name)


def _values(record: WorkloadRecord) -> dict[str, object]:
    return {
        "namespace": record.key.namespace,
        "name": record.key.name,
        "revision": record.revision,
        "phase": str(record.phase),
        "run_config": record.run_config.to_json().decode(),
        "agent": record.agent,
        "correlation_id": record.correlation_id,
        "created_at": record.created_at,
        "requested_at": record.requested_at,
        "status": str(record.status),
        "status_context": record.status_context,
        "started_at": record.started_at,
    }


def _record(row: Row[tuple[object, ...]]) -> WorkloadRecord:
    return WorkloadRecord(
        key=WorkloadKey(namespace=row.namespace, name=row.name),
        revision=row.revision,
        phase=DesiredPhase(row.phase),
        run_config=RunConfig.from_json(row.run_config),
        agent=row.agent,
        correlation_id=row.correlation_id,
        created_at=row.created_at,
        requested_at=row.requested_at,
        status=WorkloadStatus(row.status),
        status_context=row.status_context,
        started_at=row.started_at,
    )
