"""Lifecycle events of a proxy that has no NATS: lines of its log."""

import structlog

from toolhive_common.schemas.events import LifecycleEvent

__all__ = ["EventJournal"]

_log = structlog.get_logger(__name__)


class EventJournal:
    """Implements `toolhive_proxy.services.event_teller.EventSink`."""

    async def publish(self, event: LifecycleEvent) -> None:
        """Write one event."""
        _log.info("event", type=str(event.type), data=event.data)
