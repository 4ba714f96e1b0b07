"""What is known of the agents."""

from collections.abc import Callable
from datetime import datetime

from toolhive_api.decisions.agents import refuse_agent
from toolhive_api.errors import AgentNotReadyError
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus
from toolhive_common.schemas.state import AgentState

__all__ = ["AgentDirectory"]


class AgentDirectory:
    """Reads the agents' heartbeats."""

    def __init__(self, bus: Bus, heartbeats: Bucket[AgentState], clock: Callable[[], datetime]) -> None:
        self._bus = bus
        self._heartbeats = heartbeats
        self._clock = clock

    async def require(self, agent: str, *, needs_engine: bool = True) -> None:
        """Return if the agent can take work now.

        Parameters
        ----------
        needs_engine
            Whether the work is a container. A remote server has none, and asks for a living agent only.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        AgentNotReadyError
            The agent is silent, or says that it can run nothing.
        """
        if not self._bus.connected:
            raise self._bus.unreachable()
        rejection = refuse_agent(
            agent, await self._heartbeats.get(agent), now=self._clock(), needs_engine=needs_engine
        )
        if rejection is not None:
            raise AgentNotReadyError(rejection.code, rejection.message)
