"""All holds on stdio servers, at most one for each workload."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from toolhive_agent.models.handshake import SavedHandshake
from toolhive_agent.services.stdio_hold import HoldSettings, StdioHold
from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.handshake import Handshake
from toolhive_common.mcp.multiplexer import StdioMultiplexer
from toolhive_common.messaging.bucket import Bucket
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.frames import FrameChannel
from toolhive_common.schemas.state import WorkloadKey
from toolhive_runtime.runtime import Runtime

__all__ = ["StdioHub"]

_log = structlog.get_logger(__name__)


@dataclass
class _Held:
    container_id: str
    hold: StdioHold
    task: "asyncio.Task[None]"
    run: str = ""
    started_at: datetime | None = None
    handshake: Handshake | None = None
    """Waits to be stored."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class StdioHub:
    """Takes holds and keeps them.

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
        frames: FrameChannel,
        handshakes: Bucket[SavedHandshake],
        settings: HoldSettings,
        group: asyncio.TaskGroup,
        on_lost: Callable[[WorkloadKey], None],
    ) -> None:
        self._bus = bus
        self._frames = frames
        self._handshakes = handshakes
        self._settings = settings
        self._group = group
        self._on_lost = on_lost
        self._held: dict[WorkloadKey, _Held] = {}
        self._params: dict[WorkloadKey, Mapping[str, Any]] = {}

    def attachment(self, key: WorkloadKey) -> tuple[str, str]:
        """The run that is held and the hold's id; empty when none is."""
        held = self._held.get(key)
        return (held.run, held.hold.id) if held else ("", "")

    async def take(self, runtime: Runtime, key: WorkloadKey, container_id: str) -> None:
        """Take hold of a container that is about to be started. Call `confirm` when it was.

        Raises
        ------
        ToolHiveError
            The engine refuses.
        """
        await self.let_go(key)
        params = self._params.get(key)
        multiplexer = StdioMultiplexer(first_id=_first_id(), earlier_params=params)
        await self._begin(runtime, key, container_id, multiplexer)

    async def take_again(
        self, runtime: Runtime, key: WorkloadKey, container_id: str, run: str, started_at: datetime
    ) -> None:
        """Take hold of a process that runs already, with the handshake it had.

        Raises
        ------
        ToolHiveError
            The engine refuses, or NATS does not tell the handshake now.
        """
        await self.let_go(key)
        saved = await self._handshakes.get(key)
        done = None
        if saved and saved.container_id == container_id and saved.started_at == started_at:
            done = Handshake(saved.params, saved.result, saved.initialized)
        params = self._params.get(key) or (saved.params if saved else None)
        multiplexer = StdioMultiplexer(first_id=_first_id(), handshake=done, earlier_params=params)
        await self._begin(runtime, key, container_id, multiplexer)
        self.confirm(key, run, started_at)

    def confirm(self, key: WorkloadKey, run: str, started_at: datetime) -> None:
        """Note which run a hold is on."""
        if (held := self._held.get(key)) is not None:
            held.run, held.started_at = run, started_at
            held.changed.set()

    async def let_go(self, key: WorkloadKey) -> None:
        """End a hold; the server runs on."""
        if (held := self._held.pop(key, None)) is not None:
            held.task.cancel()
            await asyncio.wait([held.task])  # raises nothing of the task's, and our own cancellation as it shall

    async def forget(self, key: WorkloadKey) -> None:
        """End a hold and forget the server."""
        await self.let_go(key)
        self._params.pop(key, None)
        with suppress(ToolHiveError):  # what is left is found stale by the container's id, and does no harm
            await self._handshakes.remove(key)

    async def _begin(
        self, runtime: Runtime, key: WorkloadKey, container_id: str, multiplexer: StdioMultiplexer
    ) -> None:
        attachment = await runtime.attach(container_id)
        slot: list[_Held] = []

        def on_handshake(handshake: Handshake) -> None:
            slot[0].handshake = handshake
            slot[0].changed.set()

        hold = StdioHold(key, attachment, multiplexer, self._bus, self._frames, self._settings, on_handshake)
        held = _Held(container_id, hold, self._group.create_task(self._carry(key, hold, slot)))
        slot.append(held)
        self._held[key] = held

    async def _carry(self, key: WorkloadKey, hold: StdioHold, slot: list[_Held]) -> None:
        saving = self._group.create_task(self._keep_handshakes(key, slot))
        try:
            await hold.run()
        except Exception:  # noqa: BLE001  # the top of the task: the worker takes a new hold
            _log.exception("a hold on a server failed", workload=key.name)
        finally:
            saving.cancel()
            self._params[key] = hold.last_params
            if slot and self._held.get(key) is slot[0]:
                del self._held[key]
            self._on_lost(key)

    async def _keep_handshakes(self, key: WorkloadKey, slot: list[_Held]) -> None:
        try:
            await self._save_handshakes(key, slot[0])
        except Exception as error:  # noqa: BLE001  # the top of the task: a server's words must not end the agent
            # No message of the error and no second try: it may quote what the server said, and stays as it is.
            _log.warning(
                "the server's handshake cannot be stored; after a restart of the agent the server is asked anew",
                workload=key.name,
                cause=type(error).__name__,
            )

    async def _save_handshakes(self, key: WorkloadKey, held: _Held) -> None:
        while True:
            await held.changed.wait()
            held.changed.clear()
            if held.handshake is None or held.started_at is None:
                continue
            saved = SavedHandshake(
                container_id=held.container_id,
                started_at=held.started_at,
                params=dict(held.handshake.params),
                result=dict(held.handshake.result),
                initialized=held.handshake.initialized,
            )
            try:
                await self._handshakes.put(key, saved)
            except ToolHiveError as error:
                _log.info("the handshake waits for NATS", workload=key.name, cause=error.message)
                await self._bus.wait_connected()
                await asyncio.sleep(0.5)
                held.changed.set()


def _first_id() -> int:
    """Microseconds: above all numbers of earlier holds, since no server answers a million calls in a second."""
    return time.time_ns() // 1000
