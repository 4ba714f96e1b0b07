"""One workload, looked after by one task.

It is level-triggered: a new wish, an event of the engine, a timer or a look at everything only wakes it. What it does
then depends on what is there, not on what woke it, so nothing is lost when several things happen at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from toolhive_agent.decisions.containers import firsts, of_revision, owner_labels, run_of, workload_labels
from toolhive_agent.decisions.death import LOG_LINES
from toolhive_agent.decisions.memory import answers, failed, newly_dead, noticed, recalled
from toolhive_agent.decisions.observation import observe
from toolhive_agent.decisions.reconcile import plan
from toolhive_agent.decisions.redaction import hidden_values, redacted
from toolhive_agent.decisions.transitions import image_event
from toolhive_agent.models.commands import (
    Attach,
    AwaitReady,
    Command,
    CreateContainer,
    PrepareImage,
    RemoveContainer,
    RemoveFurther,
    StartContainer,
    StopContainer,
    WaitUntil,
)
from toolhive_agent.models.history import Policy
from toolhive_agent.services.engine import Engine
from toolhive_agent.services.images import Images
from toolhive_agent.services.readiness import Readiness
from toolhive_agent.services.reporter import Reporter
from toolhive_agent.services.slot_containers import SlotContainers
from toolhive_agent.services.stdio_hub import StdioHub
from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.observability.correlation import correlated
from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.state import DesiredPhase, DesiredWorkload
from toolhive_runtime.decisions.container_spec import container_spec
from toolhive_runtime.decisions.mounts import plan_mounts
from toolhive_runtime.runtime import ContainerSpec, ContainerStatus, ImageSource, Runtime

__all__ = ["Tools", "Worker"]

_log = structlog.get_logger(__name__)
_AFTER_FAULT = timedelta(seconds=5)
_BETWEEN_ATTACHES = 1.0
_LONG = PrepareImage | AwaitReady


@dataclass(frozen=True)
class Tools:
    """What all workers share."""

    agent: str
    engine: Engine
    images: Images
    readiness: Readiness
    hub: StdioHub
    slots: SlotContainers
    reporter: Reporter
    policy: Policy
    network: str
    """Name of the network of containers that are not isolated."""
    stop_grace: timedelta
    remove_grace: timedelta
    now: Callable[[], datetime]


class Worker:
    """Brings one workload to what is wanted, and keeps it there."""

    def __init__(self, desired: DesiredWorkload, tools: Tools, group: asyncio.TaskGroup) -> None:
        self.desired = desired
        self._key = desired.key
        self._tools = tools
        self._group = group
        self._history = recalled(desired, tools.reporter.last(desired.key))
        self._wake = asyncio.Event()
        self._activity: tuple[Command, asyncio.Task[None]] | None = None
        self._attached_at = -_BETWEEN_ATTACHES

    def wish(self, desired: DesiredWorkload) -> None:
        """Want something from now on."""
        self.desired = desired
        self._wake.set()

    def wake(self) -> None:
        """Look again."""
        self._wake.set()

    def engine_is_back(self) -> None:
        """Look again, without the pause that its failure called for."""
        if self._history.failure and not self._history.failure.final:
            self._clear_failure()
        self._wake.set()

    async def run(self) -> None:
        """Look after it, until cancelled."""
        try:
            while True:
                self._wake.clear()
                with correlated(self.desired.correlation_id):
                    deadline = await self._guarded_step()
                await self._sleep(deadline)
        finally:
            self._drop_activity()

    async def _sleep(self, deadline: datetime | None) -> None:
        if deadline is None:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(max((deadline - self._tools.now()).total_seconds(), 0)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _guarded_step(self) -> datetime | None:
        try:
            try:
                return await self._step()
            except ToolHiveError as error:
                self._note_failure(error)
                last = self._tools.reporter.last(self._key)
                if last is None or not answers(last, self.desired):
                    self._report(())  # nothing was ever told of this wish: say why it does not begin
        except Exception:  # noqa: BLE001  # the top of the loop: other workloads, and this one's next try, go on
            _log.exception("a step of a workload failed; trying again", workload=self._key.name)
        return self._tools.now() + _AFTER_FAULT

    async def _step(self) -> datetime | None:
        """Look, tell, decide, do. Returns when to look again at the latest; ``None`` = when woken."""
        desired, tools = self.desired, self._tools
        if (self._history.revision, self._history.correlation_id) != (desired.revision, desired.correlation_id):
            self._drop_activity()  # also where the new wish needs the same step: it may need it in another way
            self._history = recalled(desired, tools.reporter.last(self._key))
        try:
            runtime = await tools.engine.runtime()
            containers = await runtime.list(workload_labels(tools.agent, self._key))
        except ToolHiveError:
            if not desired.run_config.remote_url:
                raise
            self._report(())  # it runs elsewhere, engine or not; what an earlier wish left here goes later
            return None
        await self._notice_death(runtime, firsts(containers))
        self._offer_twins(firsts(containers))
        run, attachment = tools.hub.attachment(self._key)
        self._history = replace(self._history, attached_run=run, attachment=attachment)
        self._report(containers)
        commands = plan(desired, containers, self._history, tools.now(), tools.policy)
        if self._activity and self._activity[0] not in commands:
            self._drop_activity()
        short = [command for command in commands if not isinstance(command, _LONG | WaitUntil)]
        for command in short:
            if not await self._try(command, runtime, containers):
                break
        if short:
            return tools.now()  # to tell what came of it; after a failure the plan is then to wait
        for step in commands:
            if isinstance(step, _LONG) and self._activity is None:
                self._activity = (step, self._group.create_task(self._carry_out_long(step)))
        return min((command.time for command in commands if isinstance(command, WaitUntil)), default=None)

    def _offer_twins(self, containers: Sequence[ContainerStatus]) -> None:
        """Say what further containers of a stdio server are made like, as long as it has one at all."""
        desired, slots = self.desired, self._tools.slots
        container = of_revision(containers, desired.revision)
        if desired.phase is not DesiredPhase.RUNNING or desired.run_config.transport is not Transport.STDIO:
            slots.withdraw(self._key)
        elif container is not None and container.started_at is not None:
            slots.offer(self._key, self._spec(container.image, desired.revision))

    async def _notice_death(self, runtime: Runtime, containers: Sequence[ContainerStatus]) -> None:
        dead = newly_dead(self._history, containers)
        if dead is None:
            return
        lines = (await runtime.logs(dead.container_id, lines=LOG_LINES)).splitlines()
        told = redacted(lines, hidden_values(self.desired.run_config))
        self._history = noticed(self._history, dead, told, self._tools.now(), self._tools.policy)

    def _report(self, containers: Sequence[ContainerStatus]) -> None:
        tools = self._tools
        last = tools.reporter.last(self._key)
        tools.reporter.report(observe(self.desired, containers, self._history, last, tools.now(), tools.policy))

    async def _try(self, command: Command, runtime: Runtime, containers: Sequence[ContainerStatus]) -> bool:
        try:
            await self._carry_out(command, runtime, containers)
        except ToolHiveError as error:
            self._note_failure(error)
            return False
        if not isinstance(command, RemoveContainer | RemoveFurther | StopContainer):
            self._clear_failure()
        return True

    async def _carry_out(self, command: Command, runtime: Runtime, containers: Sequence[ContainerStatus]) -> None:
        _log.info("carrying out", workload=self._key.name, command=type(command).__name__)
        tools = self._tools
        match command:
            case CreateContainer(image, revision):
                await self._create(runtime, image, revision)
            case StartContainer(container_id, stdio):
                await self._start(runtime, container_id, stdio=stdio)
            case Attach(container_id, run):
                await self._attach(runtime, container_id, run, containers)
            case StopContainer(container_id):
                await runtime.stop(container_id, grace=tools.stop_grace.total_seconds())
            case RemoveFurther(container_ids):
                await tools.slots.remove_containers(runtime, container_ids)
            case RemoveContainer(container_id):
                await runtime.stop(container_id, grace=tools.remove_grace.total_seconds())
                await runtime.remove(container_id)
            case _:
                raise TypeError(f"not a short command: {command}")

    def _spec(self, image: str, revision: int) -> ContainerSpec:
        tools, run_config = self._tools, self.desired.run_config
        return container_spec(
            run_config,
            run_config.permission_profile or BUILTIN_PROFILES["none"],
            image=image,
            owner_labels=owner_labels(tools.agent, self._key, revision),
            restart_policy="no",
            external_network=tools.network,
        )

    async def _create(self, runtime: Runtime, image: str, revision: int) -> None:
        run_config = self.desired.run_config
        profile = run_config.permission_profile or BUILTIN_PROFILES["none"]
        spec = self._spec(image, revision)
        for mount in plan_mounts(profile, run_config.volumes, base_folder="").skipped:
            _log.warning(
                "left a mount out: an earlier one has its place", workload=self._key.name, target=mount.target
            )
        await runtime.create(spec)

    async def _start(self, runtime: Runtime, container_id: str, *, stdio: bool) -> None:
        hub = self._tools.hub
        if stdio:
            await hub.take(runtime, self.desired, container_id)
        try:
            await runtime.start(container_id)
        except ToolHiveError:
            await hub.let_go(self._key)
            raise
        status = await runtime.info(container_id)
        if stdio and status and status.started_at:
            hub.confirm(self._key, run_of(status), status.started_at)

    async def _attach(
        self, runtime: Runtime, container_id: str, run: str, containers: Sequence[ContainerStatus]
    ) -> None:
        # An attach that ends at once must not be repeated as fast as the engine answers.
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._attached_at + _BETWEEN_ATTACHES - loop.time())
        self._attached_at = loop.time()
        started_at = next((one.started_at for one in containers if one.container_id == container_id), None)
        if started_at is not None:
            await self._tools.hub.take_again(runtime, self.desired, container_id, run, started_at)

    async def _carry_out_long(self, command: PrepareImage | AwaitReady) -> None:
        desired = self.desired
        try:
            match command:
                case PrepareImage():
                    await self._prepare_image(desired)
                case AwaitReady(run=run):
                    await self._tools.readiness.wait(command, lambda: self._call_deaf(run))
                    if self._remembers(desired):
                        self._history = replace(self._history, ready_run=run)
        except ToolHiveError as error:
            self._note_late_failure(desired, error)
        except Exception:  # noqa: BLE001  # the top of the task: the failure is the workload's, and told as such
            _log.exception("a long step failed", workload=self._key.name, step=type(command).__name__)
            why = "the agent failed while it prepared the workload; its log says why"
            self._note_late_failure(desired, ToolHiveError(ErrorCode.INTERNAL, why))
        if self._activity and self._activity[0] is command:
            self._activity = None
        self._wake.set()

    def _call_deaf(self, run: str) -> None:
        self._history = replace(self._history, deaf_run=run)
        self._wake.set()

    def _remembers(self, desired: DesiredWorkload) -> bool:
        """Whether the memory is of this wish, and the wish still stands."""
        wish = (desired.revision, desired.correlation_id)
        remembered = (self._history.revision, self._history.correlation_id)
        return wish == remembered == (self.desired.revision, self.desired.correlation_id)

    def _note_late_failure(self, desired: DesiredWorkload, error: ToolHiveError) -> None:
        if self._remembers(desired):
            self._note_failure(error)

    async def _prepare_image(self, desired: DesiredWorkload) -> None:
        tools = self._tools
        with correlated(desired.correlation_id):
            image, source = await tools.images.prepare(desired)
        if source is not ImageSource.LOCAL:
            tools.reporter.tell(
                image_event(
                    self._key,
                    revision=desired.revision,
                    image=image,
                    built=source is ImageSource.BUILT,
                    agent=tools.agent,
                    correlation_id=desired.correlation_id,
                    now=tools.now(),
                )
            )
        if self._remembers(desired):
            self._clear_failure()
            self._history = replace(self._history, image=image)

    def _note_failure(self, error: ToolHiveError) -> None:
        last = self._tools.reporter.last(self._key)
        ran_before = last is not None and answers(last, self.desired) and last.started_at is not None
        [reason] = redacted([error.message], hidden_values(self.desired.run_config))
        _log.warning("a step of a workload failed", workload=self._key.name, code=str(error.code), cause=reason)
        self._history = failed(
            self._history, error.code, reason, self._tools.now(), ran_before=ran_before, policy=self._tools.policy
        )

    def _clear_failure(self) -> None:
        self._history = replace(self._history, failure=None, troubles=0)

    def _drop_activity(self) -> None:
        if self._activity is not None:
            self._activity[1].cancel()
            self._activity = None
