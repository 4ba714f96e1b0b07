"""Tells lifecycle events without ever making a request wait."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.session_ids import shown_part
from toolhive_common.observability.correlation import correlation_id
from toolhive_common.schemas.events import EventData, EventType, LifecycleEvent, ProxyData, SessionData
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy.models.routes import Route

__all__ = ["EventSink", "EventTeller"]

_log = structlog.get_logger(__name__)


class EventSink(Protocol):
    """Where events go."""

    async def publish(self, event: LifecycleEvent) -> object:
        """Publish one.

        Raises
        ------
        ToolHiveError
            Not now.
        """
        ...


class EventTeller:
    """Queues events and publishes them as soon as NATS takes them.

    Events of routes are never dropped: there are as many as workloads. Those of sessions are as many as clients
    care to open, so they have a bound; what is over it is counted and logged.

    Parameters
    ----------
    proxy
        Id of this process.
    url
        Public address of this proxy, without a slash at the end.
    bound
        Session events that wait at most.
    pause
        Seconds between two attempts while NATS is down.
    """

    def __init__(
        self,
        log: EventSink,
        *,
        proxy: str,
        url: str,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        bound: int = 1000,
        pause: float = 1.0,
    ) -> None:
        self._events = log
        self._proxy = proxy
        self._url = url
        self._now = now
        self._new_id = new_id
        self._bound = bound
        self._pause = pause
        self._queue: deque[LifecycleEvent] = deque()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self.dropped = 0
        """Session events that found no room."""

    def route(self, event_type: EventType, route: Route) -> None:
        """Tell that a workload is served now, or is not any more."""
        data = ProxyData(
            namespace=route.key.namespace,
            workload=route.key.name,
            revision=route.revision,
            proxy=self._proxy,
            url=f"{self._url}/{route.key.name}/mcp",
        )
        self._add(event_type, data)

    def session(self, event_type: EventType, key: WorkloadKey, revision: int, *, session: str, client: str) -> None:
        """Tell that a client's session began or ended."""
        if len(self._queue) >= self._bound:
            self.dropped += 1
            _log.warning("no room for a session's event", dropped=self.dropped, type=str(event_type))
            return
        data = SessionData(
            namespace=key.namespace,
            workload=key.name,
            revision=revision,
            proxy=self._proxy,
            session=shown_part(session),
            client=client,
        )
        self._add(event_type, data)

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            await self._filled.wait()
            event = self._queue[0]
            try:
                await self._events.publish(event)
            except ToolHiveError as error:
                _log.info("an event waits for NATS", type=str(event.type), cause=error.message)
                await asyncio.sleep(self._pause)
                continue
            except Exception as error:  # noqa: BLE001  # such as a stream that the API has not made yet
                # No message of the error: it may quote what a client said.
                cause = type(error).__name__
                if event.is_writable:
                    _log.error("an event could not be published; trying again", type=str(event.type), cause=cause)
                    await asyncio.sleep(self._pause)
                    continue
                _log.error("an event cannot be written; dropped", type=str(event.type), cause=cause)
            self._queue.popleft()
            if not self._queue:
                self._filled.clear()
                self._emptied.set()

    async def flush(self, seconds: float) -> None:
        """Wait until all is published, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._emptied.wait()

    def _add(self, event_type: EventType, data: EventData) -> None:
        event = LifecycleEvent.about(
            event_type,
            data,
            event_id=self._new_id(),
            source=f"/toolhive/proxy/{self._proxy}",
            time=self._now(),
            correlation_id=correlation_id(),
        )
        self._queue.append(event)
        self._filled.set()
        self._emptied.clear()
