"""Writes users' wishes down: the row and what is to be published of it, in one transaction."""

from collections.abc import Callable
from datetime import datetime

import structlog

from toolhive_api.adapters.database.engine import Database
from toolhive_api.adapters.database.stores import Transaction
from toolhive_api.decisions.lifecycle import Action, Changed, Wish, decide_action, decide_create
from toolhive_api.decisions.requested_event import requested_event
from toolhive_api.errors import RejectedError, WorkloadNotFoundError
from toolhive_api.models.records import OutboxKind, WorkloadRecord
from toolhive_api.models.verdicts import Rejection
from toolhive_common.observability.correlation import correlation_id
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.state import WorkloadKey

__all__ = ["WishBook"]

_log = structlog.get_logger(__name__)


class WishBook:
    """The only writer of users' wishes.

    Parameters
    ----------
    agent
        Name of the agent that new workloads go to.
    committed
        Called after each commit, so that the outbox is published at once.
    clock, new_id
        The time in UTC, and a text that is never told twice.
    """

    def __init__(
        self,
        database: Database,
        *,
        agent: str,
        committed: Callable[[], None],
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._database = database
        self._agent = agent
        self._committed = committed
        self._clock = clock
        self._new_id = new_id

    async def create(self, key: WorkloadKey, run_config: RunConfig) -> WorkloadRecord:
        """Write a new workload down.

        Raises
        ------
        RejectedError
            There is one of the name.
        StorageUnreachableError
            The database does not answer.
        """
        async with self._database.transaction() as transaction:
            existing = await transaction.workloads.get_for_change(key)
            wish = await self._wish(transaction, self._agent)
            decided = decide_create(existing, run_config, key=key, wish=wish)
            if isinstance(decided, Rejection):
                raise RejectedError(decided)
            event = requested_event(decided.record, "run", event_id=self._new_id())
            await self._write(transaction, decided.record, event.to_json().decode())
        self._committed()
        _log.info("workload requested", workload=key.name, revision=decided.record.revision)
        return decided.record

    async def act(self, key: WorkloadKey, action: Action) -> None:
        """Write down that a workload shall stop, start anew or go.

        Raises
        ------
        WorkloadNotFoundError
            There is none of the name.
        RejectedError
            It cannot be done in the workload's state.
        StorageUnreachableError
            The database does not answer.
        """
        async with self._database.transaction() as transaction:
            record = await transaction.workloads.get_for_change(key)
            if record is None:
                raise WorkloadNotFoundError(key.name)
            decided = decide_action(record, action, wish=await self._wish(transaction, record.agent))
            if isinstance(decided, Rejection):
                raise RejectedError(decided)
            if isinstance(decided, Changed):
                event = requested_event(decided.record, action.value, event_id=self._new_id())
                await self._write(transaction, decided.record, event.to_json().decode())
        self._committed()
        _log.info("action requested", workload=key.name, action=str(action))

    async def withdraw(self, record: WorkloadRecord) -> int | None:
        """Take back a wish that never came true, unless somebody has wished anew meanwhile.

        Returns
        -------
        int or None
            The revision under which it goes; ``None`` when there is a newer wish.

        Raises
        ------
        StorageUnreachableError
            The database does not answer.
        """
        async with self._database.transaction() as transaction:
            current = await transaction.workloads.get_for_change(record.key)
            if current is None or current.revision != record.revision:
                return None
            wish = await self._wish(transaction, current.agent)
            decided = decide_action(current, Action.DELETE, wish=wish)
            if not isinstance(decided, Changed):
                return None
            await self._write(transaction, decided.record, "")
        self._committed()
        _log.info("workload withdrawn", workload=record.key.name, revision=record.revision)
        return decided.record.revision

    async def _wish(self, transaction: Transaction, agent: str) -> Wish:
        return Wish(
            revision=await transaction.workloads.next_revision(),
            agent=agent,
            correlation_id=correlation_id(),
            now=self._clock(),
        )

    async def _write(self, transaction: Transaction, record: WorkloadRecord, event: str) -> None:
        await transaction.workloads.put(record)
        if event:
            await transaction.outbox.add(record.key, OutboxKind.EVENT, event)
        await transaction.outbox.add(record.key, OutboxKind.STATE)
