"""The manager of workloads that agents run."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from toolhive_api.adapters.database.engine import Database
from toolhive_api.decisions.lifecycle import Action
from toolhive_api.decisions.remote_servers import refuse_logs
from toolhive_api.decisions.run_config import DEFAULT_GROUP, Surroundings, plan_run_config
from toolhive_api.decisions.selection import is_listed, refuse_selection
from toolhive_api.decisions.to_workload import public_port, to_workload
from toolhive_api.errors import RejectedError, UnknownGroupError, WorkloadNotFoundError
from toolhive_api.models.records import WorkloadRecord
from toolhive_api.models.verdicts import Rejection
from toolhive_api.services.agents import AgentDirectory
from toolhive_api.services.creation import Creation, Failed, Step
from toolhive_api.services.wishes import WishBook
from toolhive_common.manager import Created, RunUpdate, Selection
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.rpc import ask_agent
from toolhive_common.names import check_workload_name
from toolhive_common.requests import to_create_request
from toolhive_common.schemas.commands import AgentOperation, LogsReply, LogsRequest
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.schemas.workload import CreateRequest, Workload

__all__ = ["Fleet", "FleetManager"]

_GROUPS = frozenset({DEFAULT_GROUP})
_LOGS_PATIENCE = 15.0
"""Seconds that an agent may take to read a container's log."""


@dataclass(frozen=True)
class Fleet:
    """Where workloads run and where clients reach them."""

    agent: str
    """Agent that new workloads go to."""
    proxy_url: str
    """Without a slash at the end."""


class FleetManager:
    """Implements `toolhive_common.manager.Manager` by declaring.

    Parameters
    ----------
    tasks
        Owns what goes on after a client has left.
    free_port
        Draws a port for an HTTP server inside its container.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        bus: Bus,
        database: Database,
        wishes: WishBook,
        creation: Creation,
        agents: AgentDirectory,
        tasks: asyncio.TaskGroup,
        free_port: Callable[[], int],
    ) -> None:
        self._fleet = fleet
        self._bus = bus
        self._database = database
        self._wishes = wishes
        self._creation = creation
        self._agents = agents
        self._tasks = tasks
        self._free_port = free_port

    async def run_workload_detached(self, request: CreateRequest) -> AsyncIterator[RunUpdate]:
        """Make a workload and tell how that goes; ends with `Created`.

        Refusals that need no agent are raised before the first update. Leaving early changes nothing for the
        workload.

        Raises
        ------
        RejectedError
            The request is wrong or not supported, the name is taken, or the agent says that it can never start.
        AgentNotReadyError
            Nothing can be run right now.
        BusUnreachableError
            NATS does not answer.
        StillPreparingError
            The image took too long; the work goes on.
        """
        run_config = self._plan(request)
        key = WorkloadKey.default(run_config.name)
        await self._agents.require(self._fleet.agent, needs_engine=not run_config.remote_url)
        steps: asyncio.Queue[Step] = asyncio.Queue()
        self._tasks.create_task(self._creation.run(key, run_config, steps), name=f"create {key.name}")
        while True:
            step = await steps.get()
            if isinstance(step, Failed):
                raise step.error
            yield step
            if isinstance(step, Created):
                return

    async def stop_workloads(self, selection: Selection) -> None:
        """Stop workloads. Stopping a stopped one is no error.

        Raises
        ------
        RejectedError
            Names and group are both given, or neither.
        UnknownGroupError, WorkloadNotFoundError
            There is none of the name. Those that there are, are stopped.
        """
        await self._act(selection, Action.STOP)

    async def restart_workloads(self, selection: Selection) -> None:
        """Start workloads anew, stopped ones too. Raises as `stop_workloads`."""
        await self._act(selection, Action.RESTART)

    async def delete_workloads(self, selection: Selection) -> None:
        """Stop workloads and forget them. Raises as `stop_workloads`."""
        await self._act(selection, Action.DELETE)

    async def list_workloads(
        self, *, list_all: bool = False, labels: Mapping[str, str] | None = None, group: str = ""
    ) -> Sequence[Workload]:
        """Workloads that run, or all of them; by label and group. Sorted by name.

        Raises
        ------
        UnknownGroupError
            There is no group of the name.
        """
        _check_group(group)
        shown = [to_workload(record, proxy_url=self._fleet.proxy_url) for record in await self._records()]
        return [workload for workload in shown if is_listed(workload, list_all=list_all, labels=labels or {})]

    async def get_workload(self, name: str) -> Workload:
        """One workload.

        Raises
        ------
        WorkloadNotFoundError, InvalidNameError
            There is none of the name.
        """
        return to_workload(await self._record(name), proxy_url=self._fleet.proxy_url)

    async def get_request(self, name: str) -> CreateRequest:
        """One workload as the request that would make it again. Raises as `get_workload`."""
        return to_create_request((await self._record(name)).run_config)

    async def logs(self, name: str, *, lines: int = 1000) -> str:
        """The end of what the server wrote.

        Raises
        ------
        WorkloadNotFoundError, InvalidNameError
            There is none of the name.
        RejectedError
            It is a remote server, whose log is elsewhere.
        AgentUnreachableError, BusUnreachableError
            Nobody can be asked right now.
        """
        record = await self._record(name)
        if record.run_config.remote_url:
            raise RejectedError(refuse_logs(name))
        reply = await ask_agent(
            self._bus,
            record.agent,
            AgentOperation.LOGS,
            LogsRequest(key=record.key, lines=lines),
            LogsReply,
            patience=_LOGS_PATIENCE,
        )
        return reply.text

    async def export(self, name: str) -> RunConfig:
        """The workload's RunConfig. Raises as `get_workload`."""
        return (await self._record(name)).run_config

    def _plan(self, request: CreateRequest) -> RunConfig:
        around = Surroundings(
            groups=_GROUPS,
            proxy_port=public_port(self._fleet.proxy_url),
            free_target_port=self._free_port(),
        )
        planned = plan_run_config(request, around)
        if isinstance(planned, Rejection):
            raise RejectedError(planned)
        return planned

    async def _record(self, name: str) -> WorkloadRecord:
        check_workload_name(name)
        async with self._database.reading() as transaction:
            record = await transaction.workloads.get(WorkloadKey.default(name))
        if record is None:
            raise WorkloadNotFoundError(name)
        return record

    async def _records(self) -> Sequence[WorkloadRecord]:
        async with self._database.reading() as transaction:
            return await transaction.workloads.list()

    async def _act(self, selection: Selection, action: Action) -> None:
        if (rejection := refuse_selection(selection)) is not None:
            raise RejectedError(rejection)
        _check_group(selection.group)
        names = selection.names
        if selection.group:
            names = [item.key.name for item in await self._records() if item.run_config.group == selection.group]
        for name in names:
            check_workload_name(name)
        missing = [name for name in dict.fromkeys(names) if not await self._acted(name, action)]
        # A member that went away meanwhile is no error of a group's action.
        if missing and not selection.group:
            raise WorkloadNotFoundError(*missing)

    async def _acted(self, name: str, action: Action) -> bool:
        try:
            await self._wishes.act(WorkloadKey.default(name), action)
        except WorkloadNotFoundError:
            return False
        return True


def _check_group(group: str) -> None:
    if group and group not in _GROUPS:
        raise UnknownGroupError(group)
