"""Valid values with sensible defaults, for tests."""

from datetime import UTC, datetime
from typing import Any

from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.schemas.state import (
    DesiredPhase,
    DesiredWorkload,
    ObservedPhase,
    ObservedWorkload,
    WorkloadKey,
)

__all__ = ["a_desired", "a_run_config", "an_observed"]

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_run_config(name: str = "time", **changes: Any) -> RunConfig:
    """A stdio server from PyPI."""
    values: dict[str, Any] = {
        "name": name,
        "container_name": name,
        "base_name": name,
        "image": "uvx://mcp-server-time",
        "transport": Transport.STDIO,
        "permission_profile": BUILTIN_PROFILES["network"],
        "group": "default",
    }
    return RunConfig(**(values | changes))


def a_desired(name: str = "time", **changes: Any) -> DesiredWorkload:
    """A wish that it runs."""
    values: dict[str, Any] = {
        "key": WorkloadKey.default(name),
        "revision": 1,
        "phase": DesiredPhase.RUNNING,
        "run_config": a_run_config(name),
        "agent": "default",
        "correlation_id": "test",
        "requested_at": _NOW,
    }
    return DesiredWorkload(**(values | changes))


def an_observed(name: str = "time", **changes: Any) -> ObservedWorkload:
    """A report that it runs."""
    values: dict[str, Any] = {
        "key": WorkloadKey.default(name),
        "revision": 1,
        "phase": ObservedPhase.RUNNING,
        "agent": "default",
        "updated_at": _NOW,
    }
    return ObservedWorkload(**(values | changes))
