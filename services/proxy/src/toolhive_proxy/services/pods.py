"""A workload's pods in a cluster, which the cluster keeps running and this proxy declares and holds.

What is known of a server's first process is noted on its StatefulSet: the process outlives the proxy, and whoever
comes next must not begin the conversation anew.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_proxy.decisions.process_notes import PROCESS_NOTE, known_from, note_of
from toolhive_proxy.errors import FurtherProcessError, NameTakenError
from toolhive_proxy.services.backends import Coming, Ended, Held, Running, Sight, Tell
from toolhive_runtime.decisions.further_containers import AUXILIARY_LABEL, WORKLOAD_LABEL
from toolhive_runtime.decisions.rollout import Ready, Rollout, Waiting, rollout
from toolhive_runtime.decisions.server_services import server_services, service_name
from toolhive_runtime.decisions.stateful_set import SERVER_CONTAINER, further_stateful_set, is_outdated
from toolhive_runtime.kubernetes import Cluster
from toolhive_runtime.runtime import Attachment
from toolhive_sessions.effects import Handshake

__all__ = ["Pods"]

_log = structlog.get_logger(__name__)
_LOOK = 1.0
"""Seconds between two looks at what is being waited for."""
_STALE = 5.0
"""Seconds within which a cluster tells of a process that its streams ended with."""
_REMOVED = 10.0
"""Seconds until a StatefulSet that is gone is made again. See `Pods._declare_again`."""
_FURTHER_PATIENCE = 60.0
"""Seconds that a further process may take to run: a client waits for it."""
_NOTE_PAUSE = 2.0
"""Seconds until a note that could not be written is tried again."""

_Object = Mapping[str, Any]


class Pods:
    """Implements `StdioBackend` and `HttpBackend`.

    Parameters
    ----------
    wanted
        The StatefulSet that the workload shall have.
    clock
        Seconds, of any steady clock.
    """

    def __init__(
        self, cluster: Cluster, run_config: RunConfig, wanted: _Object, *, clock: Callable[[], float]
    ) -> None:
        self._cluster = cluster
        self._run_config = run_config
        self._wanted = wanted
        self._clock = clock
        self._name = str(wanted["metadata"]["name"])
        self._found: _Object | None = None
        """The StatefulSet as it was when it was declared."""
        self._seen: tuple[str, Rollout] | None = None
        """The state of a StatefulSet, and what it was found to mean."""
        self._run = ""
        """The process that is held, or was last."""
        self._lost_at: float | None = None
        """When its streams ended."""
        self._handshake: Handshake | None = None
        self._changed = asyncio.Event()

    @property
    def host(self) -> str:
        """Where a server that speaks HTTP is found."""
        return service_name(self._run_config)

    # -- what is declared -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Declare the pods, and the Services of a server that speaks HTTP.

        A declaration that is later than ours stays: then another proxy comes in our place.
        """
        if self._found is not None:
            await self._declare_again()
            return
        await self._declare(await self._cluster.stateful_set(self._name))

    async def _declare(self, found: _Object | None) -> None:
        if found is not None and is_outdated(self._wanted, found):
            _log.warning("a later declaration of the workload is there and stays", workload=self._run_config.name)
            self._found = found
            return
        self._found = await self._cluster.apply(self._wanted)
        for service in server_services(self._run_config, self._found):
            await self._cluster.apply(service)

    async def _declare_again(self) -> None:
        """Make the pods again when somebody removed them, though not at once.

        1. A user deletes a workload. Its operator removes the StatefulSet.
        2. This proxy still runs, and sees that it is gone.
        3. The operator is done; the proxy is told to stop, some seconds later.

        What is made again between 2 and 3 would stay for ever. So it waits for 3.
        """
        if await self._cluster.stateful_set(self._name) is not None:
            return
        await asyncio.sleep(_REMOVED)
        _log.warning("the StatefulSet was removed, and is made again", workload=self._run_config.name)
        await self._declare(await self._cluster.stateful_set(self._name))

    # -- how it is ------------------------------------------------------------------------------------------------

    async def look(self) -> Sight:
        """Ask the cluster."""
        match await self._rollout(self._name):
            case None:
                return Ended("its StatefulSet was removed")
            case Waiting(reason):
                return Coming(reason)
            case Ready() as ready:
                return Running(self.host, ready.run)

    async def _rollout(self, name: str) -> Rollout | None:
        """How a StatefulSet is; ``None`` when it is gone. Of one that has not changed its pods are not asked for."""
        found = await self._cluster.stateful_set(name)
        if found is None:
            return None
        version = f"{name} {found['metadata'].get('resourceVersion')}"
        if self._seen is not None and self._seen[0] == version and isinstance(self._seen[1], Ready):
            return self._seen[1]
        pods = await self._cluster.pods(found["spec"]["selector"]["matchLabels"])
        outcome = rollout(found, pods)
        self._seen = version, outcome
        return outcome

    # -- a stdio server -------------------------------------------------------------------------------------------

    async def begin(self, tell: Tell) -> Held:
        """Wait for the first process, and take hold of it. What was agreed on with it before is still so."""
        await self.start()
        told = ""
        while True:
            try:
                held = await self._try_to_hold()
            except ToolHiveError as error:
                if error.code is ErrorCode.ENGINE_PERMISSION_DENIED:
                    raise
                held = error.message
            if isinstance(held, Held):
                return held
            if held != told:
                _log.info("waiting for the server", workload=self._run_config.name, cause=held)
                tell(held)
                told = held
            await asyncio.sleep(_LOOK)

    async def _try_to_hold(self) -> Held | str:
        """Take hold of the first process, or say what it is waited for."""
        match await self._rollout(self._name):
            case None:
                await self.start()
                return "its StatefulSet was removed, and is made again"
            case Waiting(reason):
                return reason
            case Ready() as ready if self._may_be_over(ready.run):
                self._seen = None
                return "its process ended, and the cluster starts it again"
            case Ready() as ready:
                pass
        attachment = await self._cluster.attach(ready.pods[0], SERVER_CONTAINER)
        found = await self._cluster.stateful_set(self._name)
        note = (found or {}).get("metadata", {}).get("annotations", {}).get(PROCESS_NOTE, "")
        self._run, self._lost_at, self._handshake = ready.run, None, None
        return Held(attachment, known_from(note, ready.run))

    def _may_be_over(self, run: str) -> bool:
        """Whether a process is the one whose streams ended a moment ago: the cluster is late to tell that it did."""
        return self._lost_at is not None and run == self._run and self._clock() - self._lost_at < _STALE

    async def why_it_ended(self) -> str:
        """Ask the cluster, which may not know yet."""
        self._lost_at, self._seen = self._clock(), None
        match await self._rollout(self._name):
            case Waiting(reason):
                return reason
            case _:
                return "its process ended, or the cluster closed its streams"

    async def begin_further(self, slot: str) -> Attachment:
        """Have a further process run: a StatefulSet of its own, which goes with the first one."""
        if self._found is None:
            raise FurtherProcessError(slot, "the first one does not run yet")
        wanted = further_stateful_set(self._wanted, slot, self._found)
        name = str(wanted["metadata"]["name"])
        found = await self._cluster.stateful_set(name)
        if found is not None and found["metadata"].get("labels", {}).get(WORKLOAD_LABEL) != self._name:
            raise NameTakenError(name)
        await self._cluster.apply(wanted)
        ready = await self._ready(name, slot)
        return await self._cluster.attach(ready.pods[0], SERVER_CONTAINER)

    async def _ready(self, name: str, slot: str) -> Ready:
        reason, begun = "", self._clock()
        while self._clock() - begun < _FURTHER_PATIENCE:
            match await self._rollout(name):
                case Ready() as ready:
                    return ready
                case Waiting(reason):
                    pass
                case None:
                    reason = "somebody removed it"
            await asyncio.sleep(_LOOK / 4)
        raise FurtherProcessError(slot, reason)

    async def end_further(self, slot: str) -> None:
        """Remove what a further process runs in."""
        await self._cluster.delete_stateful_set(f"{self._name}-{slot}")

    async def remove_leftovers(self) -> None:
        """Remove the further processes of an earlier proxy of this workload."""
        for found in await self._cluster.stateful_sets({WORKLOAD_LABEL: self._name, AUXILIARY_LABEL: "true"}):
            await self._cluster.delete_stateful_set(str(found["metadata"]["name"]))

    # -- what is known of the first process -----------------------------------------------------------------------

    def shook(self, handshake: Handshake) -> None:
        """Have noted what the first process is known for."""
        self._handshake = handshake
        self._changed.set()

    async def keep_notes(self) -> None:
        """Write the notes, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._handshake is None:
                continue
            try:
                await self._cluster.note(self._name, {PROCESS_NOTE: note_of(self._run, self._handshake)})
            except ToolHiveError as error:
                _log.warning("what is known of the server is not noted yet", cause=error.message)
                await asyncio.sleep(_NOTE_PAUSE)
                self._changed.set()
