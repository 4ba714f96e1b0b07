"""A sign of life every few seconds, with what is wrong."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from toolhive_agent.services.engine import Engine
from toolhive_common import __version__
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.schemas.state import AgentState

__all__ = ["Heartbeat"]

_log = structlog.get_logger(__name__)
_SOON = timedelta(milliseconds=500)


class Heartbeat:
    """Asks the engine how it is and tells everyone.

    Parameters
    ----------
    on_engine_back
        Told when the engine answers again.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        agents: Bucket[AgentState],
        now: Callable[[], datetime],
        *,
        every: timedelta,
        on_engine_back: Callable[[], None],
    ) -> None:
        self._name = name
        self._engine = engine
        self._agents = agents
        self._now = now
        self._every = every
        self._on_engine_back = on_engine_back
        self._boot_id = uuid.uuid4().hex
        self._told = False

    async def run(self) -> None:
        """Beat, for ever; after a beat that could not be told the next one comes sooner."""
        while True:
            self._told = await self._beat()
            await asyncio.sleep((self._every if self._told else min(self._every, _SOON)).total_seconds())

    async def health(self) -> str:
        """Health check: empty when the API knows of this agent."""
        return "" if self._told else "no heartbeat could be stored yet; it waits for the API to make the bucket"

    async def _beat(self) -> bool:
        try:
            if await self._engine.check():
                self._on_engine_back()
            await self._agents.put(self._name, self._state())
        except ToolHiveError as error:
            _log.debug("a heartbeat was not told", cause=error.message)
            return False
        except Exception:  # noqa: BLE001  # the top of the loop; silence says the same to all others
            _log.exception("a heartbeat was not told")
            return False
        return True

    def _state(self) -> AgentState:
        return AgentState(
            name=self._name,
            boot_id=self._boot_id,
            version=__version__,
            engine=self._engine.version,
            problem=self._engine.problem,
            problem_code=self._engine.problem_code,
            beat_at=self._now(),
        )
