"""The stdio servers of this agent: one keeper each, from the first start to the end of the wish."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from toolhive_agent.models.handshake import SavedHandshake
from toolhive_agent.services.session_events import SessionEvents
from toolhive_agent.services.session_store import SessionStore
from toolhive_agent.services.stdio_keeper import KeeperSettings, KeeperTools, Slots, StdioKeeper
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.edges import EdgeWatch
from toolhive_common.messaging.frames import FrameChannel
from toolhive_common.schemas.state import DesiredWorkload, WorkloadKey
from toolhive_runtime.runtime import Runtime
from toolhive_sessions.effects import Handshake
from toolhive_sessions.facts import SessionFacts

__all__ = ["StdioHub"]

_log = structlog.get_logger(__name__)
_PATIENCE = 15.0
"""Seconds for the removal of further containers when the agent ends; what is left is removed by its next life."""


class StdioHub:
    """Takes holds of servers' streams, and keeps their clients' sessions.

    Parameters
    ----------
    group
        Owns the tasks.
    on_lost
        Told when a hold ended, by whatever cause.
    """

    def __init__(
        self,
        bus: Bus,
        handshakes: Bucket[SavedHandshake],
        slots: Slots,
        events: SessionEvents,
        store: SessionStore,
        settings: KeeperSettings,
        group: asyncio.TaskGroup,
        on_lost: Callable[[WorkloadKey], None],
    ) -> None:
        frames = FrameChannel(bus, max_message=settings.longest_line)
        self._tools = KeeperTools(bus, frames, handshakes, slots, events, store)
        self._settings = settings
        self._group = group
        self._on_lost = on_lost
        self._keepers: dict[WorkloadKey, tuple[StdioKeeper, asyncio.Task[None]]] = {}
        self._edges = EdgeWatch(bus, self._edge_gone)

    async def watch_edges(self) -> None:
        """Follow which proxies are alive, for ever."""
        await self._edges.run()

    def attachment(self, key: WorkloadKey) -> tuple[str, str]:
        """The run that is held and the hold's id; empty when none is."""
        found = self._keepers.get(key)
        return found[0].attachment if found else ("", "")

    async def take(self, runtime: Runtime, desired: DesiredWorkload, container_id: str) -> None:
        """Take hold of a container that is about to be started. Call `confirm` when it was.

        Raises
        ------
        ToolHiveError
            The engine refuses.
        """
        keeper = await self._keeper(desired)
        keeper.hold(await runtime.attach(container_id), container_id, known=None)

    async def take_again(
        self, runtime: Runtime, desired: DesiredWorkload, container_id: str, run: str, started_at: datetime
    ) -> None:
        """Take hold of a process that runs already, with the handshake it had.

        Raises
        ------
        ToolHiveError
            The engine refuses, or NATS does not tell the handshake now.
        """
        keeper = await self._keeper(desired, container_id, started_at)
        saved = await self._tools.handshakes.get(desired.key)
        known = None
        if saved and saved.container_id == container_id and saved.started_at == started_at:
            known = Handshake(saved.params, saved.result, saved.initialized, saved.modern)
        keeper.hold(await runtime.attach(container_id), container_id, known=known)
        keeper.confirm(run, started_at)

    def confirm(self, key: WorkloadKey, run: str, started_at: datetime) -> None:
        """Note which run a hold is on."""
        if (found := self._keepers.get(key)) is not None:
            found[0].confirm(run, started_at)

    async def let_go(self, key: WorkloadKey) -> None:
        """End a hold; the server runs on, and its sessions wait for the next one."""
        if (found := self._keepers.get(key)) is not None:
            await found[0].let_go()

    async def forget(self, key: WorkloadKey) -> None:
        """End a hold, the sessions, and what was kept of the server."""
        await self._end(key)
        with suppress(ToolHiveError):  # what is left is found stale by the container's id, and does no harm
            await self._tools.store.forget(key)
            await self._tools.handshakes.remove(key)

    async def _restored(self, key: WorkloadKey, container_id: str, started_at: datetime | None) -> list[SessionFacts]:
        """Sessions of an earlier life of the agent with the same process; the others are over."""
        if started_at is None:
            with suppress(ToolHiveError):  # what is left is found stale by the container's id, and does no harm
                await self._tools.store.forget(key)
            return []
        facts = []
        for kept in await self._tools.store.of(key):
            if (kept.container_id, kept.started_at) == (container_id, started_at):
                facts.append(
                    SessionFacts(
                        kept.name, kept.version, kept.capabilities, kept.client, kept.log_level, kept.subscriptions
                    )
                )
            else:
                self._tools.store.drop(key, kept.name)
        return facts

    async def _keeper(
        self, desired: DesiredWorkload, container_id: str = "", started_at: datetime | None = None
    ) -> StdioKeeper:
        """The keeper of a wish; another wish means other tools, so that its sessions begin anew.

        The run of the container is given for a process that runs already.
        """
        found = self._keepers.get(desired.key)
        if found is not None and found[0].serves(desired.run_config):
            await found[0].let_go()
            return found[0]
        await self._end(desired.key)
        restored = await self._restored(desired.key, container_id, started_at)
        keeper = StdioKeeper(desired, self._tools, self._settings, restored=restored, on_lost=self._on_lost)
        self._keepers[desired.key] = keeper, self._group.create_task(self._run(keeper, desired.key))
        await keeper.ready.wait()
        return keeper

    async def _run(self, keeper: StdioKeeper, key: WorkloadKey) -> None:
        try:
            await keeper.run()
        except Exception:  # noqa: BLE001  # the top of the task: the worker begins anew
            _log.exception("keeping the sessions of a server failed", workload=key.name)
        finally:
            if (found := self._keepers.get(key)) is not None and found[0] is keeper:
                del self._keepers[key]
            self._on_lost(key)

    async def _end(self, key: WorkloadKey) -> None:
        if (found := self._keepers.pop(key, None)) is not None:
            found[0].end_sessions()
            found[1].cancel()
            await asyncio.wait([found[1]])  # raises nothing of the task's, and our own cancellation as it shall

    async def close(self) -> None:
        """End everything for now: further containers are removed, and sessions that can wait, wait."""
        tasks = [task for _, task in self._keepers.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)

    async def _edge_gone(self, edge: str) -> None:
        for keeper, _ in list(self._keepers.values()):
            await keeper.edge_gone(edge)
