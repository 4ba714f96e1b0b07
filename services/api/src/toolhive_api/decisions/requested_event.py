"""The event that a user asked for something."""

from typing import Literal

from toolhive_api.models.records import WorkloadRecord
from toolhive_common.schemas.events import EventType, LifecycleEvent, RequestedData

__all__ = ["requested_event"]


def requested_event(
    record: WorkloadRecord, action: Literal["run", "stop", "restart", "delete"], *, event_id: str
) -> LifecycleEvent:
    """Tell of the wish that the row holds now.

    Parameters
    ----------
    event_id
        Unique for each wish.
    """
    return LifecycleEvent.about(
        EventType.WORKLOAD_REQUESTED,
        RequestedData(
            namespace=record.key.namespace, workload=record.key.name, revision=record.revision, action=action
        ),
        event_id=event_id,
        source="/toolhive/api",
        time=record.requested_at,
        correlation_id=record.correlation_id,
    )
