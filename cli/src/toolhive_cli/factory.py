"""Builds what commands work with; the only place that knows that the manager is a remote one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from toolhive_cli.adapters.api_client import ApiClient
from toolhive_cli.adapters.event_log import EventLog
from toolhive_cli.adapters.health_probe import HealthProbe
from toolhive_cli.adapters.remote_manager import RemoteManager
from toolhive_cli.adapters.terminal import debug_line, notice
from toolhive_cli.config import Settings
from toolhive_cli.services.changing import Changing
from toolhive_cli.services.starting import Narrator, Starting
from toolhive_common.manager import Manager

__all__ = ["changing", "starting", "with_events", "with_manager"]

_T = TypeVar("_T")


def with_manager(settings: Settings, work: Callable[[Manager], Awaitable[_T]]) -> _T:
    """Run work that needs a manager, and close its connections."""

    async def session() -> _T:
        async with _client(settings) as api:
            return await work(RemoteManager(api))

    return asyncio.run(session())


def with_events(settings: Settings, work: Callable[[EventLog], Awaitable[_T]]) -> _T:
    """Run work that reads events, and close its connections."""

    async def session() -> _T:
        async with _client(settings) as api:
            return await work(EventLog(api, notice))

    return asyncio.run(session())


def starting(manager: Manager, narrator: Narrator) -> Starting:
    """Build the service that starts workloads."""
    return Starting(manager, HealthProbe(), narrator, time.monotonic)


def changing(manager: Manager) -> Changing:
    """Build the service that changes workloads."""
    return Changing(manager, time.monotonic)


def _client(settings: Settings) -> ApiClient:
    return ApiClient(settings.api_url, debug_line if settings.debug else _silent)


def _silent(_line: str) -> None:
    """Tell nobody."""
