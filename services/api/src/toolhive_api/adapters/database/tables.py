"""Tables. A change here needs a migration; a test compares the two."""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

__all__ = ["metadata", "outbox", "revisions", "workloads"]

metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"})


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, aware, also on SQLite, which keeps no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert to UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Say that it is UTC."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value


_Number = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up by itself only in a column that is declared INTEGER."""

workloads = Table(
    "workloads",
    metadata,
    Column("namespace", String(100), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("phase", String(20), nullable=False),
    Column("run_config", Text, nullable=False),
    Column("agent", String(100), nullable=False),
    Column("correlation_id", String(128), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("status", String(40), nullable=False),
    Column("status_context", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=True),
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("namespace", String(100), nullable=False),
    Column("name", String(100), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("payload", Text, nullable=False),
    Index("ix_outbox_workload", "namespace", "name"),
    sqlite_autoincrement=True,
)

revisions = Table(
    "revisions",
    metadata,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)
"""One row: the number of the latest revision of any workload."""
