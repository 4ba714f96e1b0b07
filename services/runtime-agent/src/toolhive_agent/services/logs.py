"""The end of what a server wrote."""

from toolhive_agent.decisions.containers import firsts, newest, workload_labels
from toolhive_agent.errors import UnknownWorkloadError
from toolhive_agent.services.engine import Engine
from toolhive_common.schemas.state import WorkloadKey

__all__ = ["Logs"]

_MOST_LINES = 10_000
_MOST_BYTES = 900_000
"""What fits into one answer over NATS."""


class Logs:
    """Reads the logs of an agent's workloads."""

    def __init__(self, engine: Engine, agent: str) -> None:
        self._engine = engine
        self._agent = agent

    async def read(self, key: WorkloadKey, lines: int) -> str:
        """Read the last lines; of the newest container, should there be two.

        Raises
        ------
        UnknownWorkloadError
            There is no container of the workload.
        """
        runtime = await self._engine.runtime()
        container = newest(firsts(await runtime.list(workload_labels(self._agent, key))))
        if container is None:
            raise UnknownWorkloadError(key)
        text = await runtime.logs(container.container_id, lines=min(max(lines, 0), _MOST_LINES))
        end = text.encode()[-_MOST_BYTES:]
        if len(end) < _MOST_BYTES:
            return text
        cut = end.decode(errors="ignore")
        return cut.partition("\n")[2] or cut  # whole lines, but for a single one that is longer than all this
