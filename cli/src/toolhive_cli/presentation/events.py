"""Lifecycle events as lines of text and of JSON."""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

from toolhive_common.schemas.events import EventType, LifecycleEvent

__all__ = ["event_json", "event_line"]

_TYPE_WIDTH = max(len(event_type) for event_type in EventType)
_REQUESTS = {
    "run": "was asked to run",
    "stop": "was asked to stop",
    "restart": "was asked to start anew",
    "delete": "was asked to be removed",
}
_SHORT_ID = 12


def event_line(event: LifecycleEvent, zone: tzinfo | None) -> str:
    """Show an event in one line: time, type, workload, the fact in words.

    Parameters
    ----------
    zone
        Where the reader's clock is; ``None`` = as this machine's.
    """
    time = event.time.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    return f"{time}  {event.type:<{_TYPE_WIDTH}}  {event.key.name}  {' '.join(_fact(event).split())}"


def event_json(event: LifecycleEvent) -> str:
    """Show an event as a CloudEvent, in one line of JSON."""
    return event.to_json().decode()


def _requested(data: Mapping[str, Any]) -> str:
    return _REQUESTS.get(str(data.get("action")), "was asked for")


def _problem(lead: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda data: f"{lead}: {data.get('reason') or data.get('code') or 'no reason given'}"


def _image(verb: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda data: f"has its image {verb}: {data.get('image', '')}"


def _container_started(data: Mapping[str, Any]) -> str:
    again = f" (start number {data['restarts'] + 1})" if data.get("restarts") else ""
    return f"runs in container {str(data.get('container_id', ''))[:_SHORT_ID]}{again}"


def _death(cause: str) -> Callable[[Mapping[str, Any]], str]:
    def say(data: Mapping[str, Any]) -> str:
        said = f"; it said last: {data['last_log_lines'][-1]}" if data.get("last_log_lines") else ""
        return f"{cause}, exit code {data.get('exit_code', 'unknown')}{said}"

    return say


def _proxy_started(data: Mapping[str, Any]) -> str:
    return f"is served at {data['url']}" if data.get("url") else "is served by a proxy"


def _session(verb: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda data: f"{data.get('client') or 'a client'} {verb} (session {data.get('session', '')})"


_FACTS: dict[EventType, str | Callable[[Mapping[str, Any]], str]] = {
    EventType.WORKLOAD_REQUESTED: _requested,
    EventType.WORKLOAD_STARTING: "is starting",
    EventType.WORKLOAD_RUNNING: "runs",
    EventType.WORKLOAD_UNHEALTHY: _problem("is not healthy"),
    EventType.WORKLOAD_STOPPING: "is stopping",
    EventType.WORKLOAD_STOPPED: "stopped",
    EventType.WORKLOAD_FAILED: _problem("failed"),
    EventType.WORKLOAD_REMOVED: "is gone",
    EventType.IMAGE_PULLED: _image("pulled"),
    EventType.IMAGE_BUILT: _image("built"),
    EventType.CONTAINER_STARTED: _container_started,
    EventType.CONTAINER_DIED: _death("ended by itself"),
    EventType.CONTAINER_OOM: _death("used more memory than it may"),
    EventType.PROXY_STARTED: _proxy_started,
    EventType.PROXY_STOPPED: "is no longer served by the proxy",
    EventType.SESSION_OPENED: _session("connected"),
    EventType.SESSION_CLOSED: _session("disconnected"),
}
"""What each type of event says of its workload."""


def _fact(event: LifecycleEvent) -> str:
    fact = _FACTS[event.type]
    return fact if isinstance(fact, str) else fact(event.data)
