"""Tells when clients' sessions begin and end."""

import uuid
from collections.abc import Callable
from datetime import datetime

import structlog

from toolhive_agent.services.reporter import Reporter
from toolhive_common.mcp.session_ids import shown_part
from toolhive_common.schemas.events import EventType, LifecycleEvent, SessionData
from toolhive_common.schemas.state import DesiredWorkload

__all__ = ["SessionEvents"]

_log = structlog.get_logger(__name__)
_MOST_WAITING = 1000
"""Of one workload, while NATS is away. Clients open as many sessions as they care to."""


class SessionEvents:
    """Publishes ``session.opened`` and ``session.closed``."""

    def __init__(self, agent: str, reporter: Reporter, now: Callable[[], datetime]) -> None:
        self._source = f"/toolhive/agent/{agent}"
        self._reporter = reporter
        self._now = now

    def opened(self, desired: DesiredWorkload, session: str, client: str) -> None:
        """A client finished its handshake."""
        self._tell(EventType.SESSION_OPENED, desired, session, client)

    def closed(self, desired: DesiredWorkload, session: str, client: str) -> None:
        """A session is over."""
        self._tell(EventType.SESSION_CLOSED, desired, session, client)

    def _tell(self, event_type: EventType, desired: DesiredWorkload, session: str, client: str) -> None:
        if self._reporter.waiting(desired.key) >= _MOST_WAITING:
            _log.warning("no room for a session's event", workload=desired.key.name, type=str(event_type))
            return
        data = SessionData(
            namespace=desired.key.namespace,
            workload=desired.key.name,
            revision=desired.revision,
            session=shown_part(session),
            client=client,
        )
        event_id = uuid.uuid4().hex
        self._reporter.tell(
            LifecycleEvent.about(
                event_type, data, event_id=event_id, source=self._source, time=self._now(), correlation_id=""
            )
        )
