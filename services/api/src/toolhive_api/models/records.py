"""What the database holds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.state import DesiredPhase, DesiredWorkload, WorkloadKey
from toolhive_common.schemas.workload import WorkloadStatus

__all__ = ["OutboxEntry", "OutboxKind", "WorkloadRecord"]


@dataclass(frozen=True)
class WorkloadRecord:
    """One workload: the user's latest wish, and what became of it."""

    key: WorkloadKey
    revision: int
    """Number of the wish; grows over all workloads and is never used twice, also not after a removal."""
    phase: DesiredPhase
    run_config: RunConfig
    agent: str
    correlation_id: str
    """Of the request that made this revision."""
    created_at: datetime
    requested_at: datetime
    """When this revision was made."""
    status: WorkloadStatus
    status_context: str = ""
    started_at: datetime | None = None

    @property
    def desired(self) -> DesiredWorkload:
        """The wish, as agents and proxies read it."""
        return DesiredWorkload(
            key=self.key,
            revision=self.revision,
            phase=self.phase,
            run_config=self.run_config,
            agent=self.agent,
            correlation_id=self.correlation_id,
            requested_at=self.requested_at,
        )


class OutboxKind(StrEnum):
    """What there is to publish."""

    STATE = "state"
    """Make the buckets agree with the row as it is when this is published; it may be gone by then."""
    EVENT = "event"
    """Store the event of the payload in the stream."""


@dataclass(frozen=True)
class OutboxEntry:
    """Something that a committed transaction promised to publish."""

    number: int
    """Order of publishing."""
    key: WorkloadKey
    kind: OutboxKind
    payload: str = ""
    """JSON of a LifecycleEvent; empty for ``STATE``."""
