"""Lifecycle events: CloudEvents 1.0 in JSON, one class for each type's data.

This is the only place where events are defined. ``docs/events/asyncapi.json`` and the JSON Schemas beside it are
generated from here. An event names a fact in the past tense, and is kept in the stream ``TOOLHIVE_EVENTS``.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field

from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.base import Wire
from toolhive_common.schemas.state import DeathReason, WorkloadKey

__all__ = [
    "EVENT_DATA",
    "ContainerDiedData",
    "ContainerStartedData",
    "EventData",
    "EventType",
    "ImageData",
    "LifecycleEvent",
    "ProblemData",
    "ProxyData",
    "RequestedData",
    "SessionData",
]


class EventType(StrEnum):
    """All facts that are told."""

    WORKLOAD_REQUESTED = "workload.requested"
    WORKLOAD_STARTING = "workload.starting"
    WORKLOAD_RUNNING = "workload.running"
    WORKLOAD_UNHEALTHY = "workload.unhealthy"
    WORKLOAD_STOPPING = "workload.stopping"
    WORKLOAD_STOPPED = "workload.stopped"
    WORKLOAD_FAILED = "workload.failed"
    WORKLOAD_REMOVED = "workload.removed"
    IMAGE_PULLED = "image.pulled"
    IMAGE_BUILT = "image.built"
    CONTAINER_STARTED = "container.started"
    CONTAINER_DIED = "container.died"
    CONTAINER_OOM = "container.oom"
    PROXY_STARTED = "proxy.started"
    PROXY_STOPPED = "proxy.stopped"
    SESSION_OPENED = "session.opened"
    SESSION_CLOSED = "session.closed"


class EventData(Wire):
    """What every event tells."""

    namespace: str
    workload: str
    revision: int = 0
    """The declared revision that the fact belongs to."""


class RequestedData(EventData):
    """The user asked for something."""

    action: Literal["run", "stop", "restart", "delete"]


class ImageData(EventData):
    """An image is there now."""

    image: str


class ContainerStartedData(EventData):
    """A container was started."""

    container_id: str
    image: str
    restarts: int = 0


class ContainerDiedData(EventData):
    """A container ended without being asked to."""

    container_id: str
    reason: DeathReason
    exit_code: int
    last_log_lines: tuple[str, ...] = ()
    """What the server said last, oldest first."""


class ProblemData(EventData):
    """Something is wrong with the workload."""

    code: ErrorCode
    reason: str


class ProxyData(EventData):
    """A proxy took up or gave up serving the workload."""

    proxy: str
    """Id of the proxy process."""
    url: str = ""


class SessionData(EventData):
    """A client's session began or ended."""

    proxy: str = ""
    """Of a session that lives in one proxy. Those of stdio servers live beside the server: any proxy serves them."""
    session: str
    """First eight characters of the session id; the whole would let a reader of events take it over."""
    client: str = ""
    """Name and version the client gave of itself."""


EVENT_DATA: dict[EventType, type[EventData]] = {
    EventType.WORKLOAD_REQUESTED: RequestedData,
    EventType.WORKLOAD_STARTING: EventData,
    EventType.WORKLOAD_RUNNING: EventData,
    EventType.WORKLOAD_UNHEALTHY: ProblemData,
    EventType.WORKLOAD_STOPPING: EventData,
    EventType.WORKLOAD_STOPPED: EventData,
    EventType.WORKLOAD_FAILED: ProblemData,
    EventType.WORKLOAD_REMOVED: EventData,
    EventType.IMAGE_PULLED: ImageData,
    EventType.IMAGE_BUILT: ImageData,
    EventType.CONTAINER_STARTED: ContainerStartedData,
    EventType.CONTAINER_DIED: ContainerDiedData,
    EventType.CONTAINER_OOM: ContainerDiedData,
    EventType.PROXY_STARTED: ProxyData,
    EventType.PROXY_STOPPED: ProxyData,
    EventType.SESSION_OPENED: SessionData,
    EventType.SESSION_CLOSED: SessionData,
}
"""The shape of each type's ``data``."""


class LifecycleEvent(Wire):
    """One CloudEvent."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    """Unique per fact: a retry has the same id, so that the stream keeps it once."""
    source: str
    """The process that tells it, such as ``/toolhive/agent/default``."""
    type: EventType
    subject: str
    """``<namespace>/<workload>``."""
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: str = ""
    """Extension attribute: the request that led to it."""
    data: dict[str, Any] = Field(default_factory=dict)
    """Of the shape that ``EVENT_DATA`` gives for the type."""

    @property
    def key(self) -> WorkloadKey:
        """The workload that the event is about."""
        namespace, _, name = self.subject.partition("/")
        return WorkloadKey(namespace=namespace, name=name)

    @classmethod
    def about(
        cls,
        event_type: EventType,
        data: EventData,
        *,
        event_id: str,
        source: str,
        time: datetime,
        correlation_id: str,
    ) -> Self:
        """Build an event from typed data.

        Raises
        ------
        TypeError
            The data is not of the type's class: a mistake in our code, not in input.
        """
        if type(data) is not EVENT_DATA[event_type]:
            raise TypeError(f"{event_type} takes {EVENT_DATA[event_type].__name__}, not {type(data).__name__}")
        return cls(
            id=event_id,
            source=source,
            type=event_type,
            subject=f"{data.namespace}/{data.workload}",
            time=time,
            correlationid=correlation_id,
            data=data.model_dump(mode="json"),
        )
