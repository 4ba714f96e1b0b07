"""The manager; the only place that knows that it is a remote one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from toolhive_cli.adapters.remote_manager import RemoteManager
from toolhive_cli.config import Settings
from toolhive_cli.factory.api import open_api
from toolhive_common.manager import Manager

__all__ = ["with_manager"]

_T = TypeVar("_T")


def with_manager(settings: Settings, work: Callable[[Manager], Awaitable[_T]]) -> _T:
    """Run work that needs a manager, and close its connections."""

    async def session() -> _T:
        async with open_api(settings) as api:
            return await work(RemoteManager(api))

    return asyncio.run(session())
