"""Keeps the facts of clients' sessions in NATS, behind the calls and never in their way."""

import asyncio
from collections.abc import Callable

import structlog

from toolhive_agent.models.kept_session import KeptSession
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.subjects import bucket_key, session_key

__all__ = ["SessionStore"]

_log = structlog.get_logger(__name__)
_AT_ONCE = 32
"""Writes under way at the same time."""
_SETTLE = 0.05
"""Seconds in which several changes of a session become one write."""

Told = Callable[[], KeptSession | None]


class SessionStore:
    """Writes what changed, the latest of each session, and tries until NATS has it."""

    def __init__(self, bus: Bus, bucket: Bucket[KeptSession]) -> None:
        self._bus = bus
        self._bucket = bucket
        self._changed: dict[str, Told] = {}
        self._work = asyncio.Event()

    def note(self, key: WorkloadKey, name: str, told: Told) -> None:
        """Have a session written.

        Parameters
        ----------
        name
            What stands for its id.
        told
            Asked when it is written; ``None`` removes what is stored.
        """
        self._changed[session_key(key, name)] = told
        self._work.set()

    def drop(self, key: WorkloadKey, name: str) -> None:
        """Have a session removed."""
        self.note(key, name, _nothing)

    async def of(self, key: WorkloadKey) -> list[KeptSession]:
        """Read what is stored of a workload's sessions.

        Raises
        ------
        ToolHiveError
            NATS does not tell it now.
        """
        found = await self._bucket.under(bucket_key(key))
        return [kept for name, kept in found.items() if self._changed.get(name) is not _nothing]

    async def forget(self, key: WorkloadKey) -> None:
        """Have all sessions of a workload removed. Raises as `of`."""
        for kept in await self.of(key):
            self.drop(key, kept.name)

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._work.wait()
            await asyncio.sleep(_SETTLE)
            self._work.clear()
            changed, self._changed = self._changed, {}
            items = list(changed.items())
            for start in range(0, len(items), _AT_ONCE):
                await asyncio.gather(*(self._write(*item) for item in items[start : start + _AT_ONCE]))

    async def _write(self, name: str, told: Told) -> None:
        kept = told()
        try:
            if kept is None:
                await self._bucket.remove(name)
            else:
                await self._bucket.put(name, kept)
        except ToolHiveError:
            await self._bus.wait_connected()
            await asyncio.sleep(0.2)
            self._changed.setdefault(name, told)
            self._work.set()
        except Exception as error:  # noqa: BLE001  # a client's words must not end the agent
            # No message of the error: it may quote what the client said.
            _log.warning("a session cannot be stored; it ends with this agent", cause=type(error).__name__)


def _nothing() -> None:
    return None
