"""The log of lifecycle events."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from toolhive_cli.adapters.event_log import EventLog
from toolhive_cli.adapters.terminal import notice
from toolhive_cli.config import Settings
from toolhive_cli.factory.api import open_api

__all__ = ["with_events"]

_T = TypeVar("_T")


def with_events(settings: Settings, work: Callable[[EventLog], Awaitable[_T]]) -> _T:
    """Run work that reads events, and close its connections."""

    async def session() -> _T:
        async with open_api(settings) as api:
            return await work(EventLog(api, notice))

    return asyncio.run(session())
