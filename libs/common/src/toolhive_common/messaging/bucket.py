"""A typed JetStream key-value bucket."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

import nats.errors
import nats.js.errors
import structlog
from nats.js.kv import KV_DEL, KV_PURGE, KeyValue
from pydantic import ValidationError

from toolhive_common import subjects
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bus import Bus, translated
from toolhive_common.schemas.base import Wire
from toolhive_common.schemas.state import WorkloadKey

__all__ = ["Bucket", "Snapshot", "Updated"]

_log = structlog.get_logger(__name__)
V = TypeVar("V", bound=Wire)
_MOST_PLACES = 5
"""Places that a log line names of a value that does not fit."""


@dataclass(frozen=True)
class Snapshot(Generic[V]):
    """All values of a bucket. Replaces what a watcher knew: a key that is not in it is gone."""

    values: Mapping[str, V]
    unreadable: frozenset[str] = frozenset()
    """Keys whose values do not fit the schema, as a later version may write them: there, but not to be read."""
    synced: bool = False
    """Whether `subjects.SYNCED_KEY` stood there while these were read: then nothing that is declared is missing.

    Read with the values on purpose: a marker that is read later may belong to values that came in between.
    """


@dataclass(frozen=True)
class Updated(Generic[V]):
    """One value changed, or is gone (``None``)."""

    key: str
    value: V | None


class Bucket(Generic[V]):
    """Values of one model by key (`subjects.bucket_key` makes the keys of workloads)."""

    def __init__(self, bus: Bus, name: str, model: type[V]) -> None:
        self._bus = bus
        self._name = name
        self._model = model

    async def put(self, key: WorkloadKey | str, value: V) -> None:
        """Store a value; it is safe on the server's disk when this returns.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        with translated(self._bus):
            store = await self._store()
            await store.put(_text(key), value.to_json())

    async def get(self, key: WorkloadKey | str) -> V | None:
        """Read a value; ``None`` when there is none.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        with translated(self._bus):
            store = await self._store()
            try:
                entry = await store.get(_text(key))
            except nats.js.errors.KeyNotFoundError:
                return None
        return self._parse(_text(key), entry.value)

    async def under(self, prefix: str) -> dict[str, V]:
        """Read all values whose keys begin with a prefix of whole tokens, such as ``a.b``.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        found: dict[str, V] = {}
        with translated(self._bus):
            watcher = await (await self._store()).watch(f"{prefix}.>", ignore_deletes=True)
            try:
                while (entry := await _next_entry(watcher, 10)) is not None:
                    if not _is_gone(entry) and (value := self._parse(entry.key, entry.value)) is not None:
                        found[entry.key] = value
            except TimeoutError as error:
                raise self._bus.unreachable(f"the bucket {self._name} does not tell its values") from error
            finally:
                with suppress(nats.errors.Error, TimeoutError):
                    await watcher.stop()  # type: ignore[no-untyped-call]
        return found

    async def remove(self, key: WorkloadKey | str) -> None:
        """Remove a value and its history; nothing happens when there is none.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        with translated(self._bus):
            store = await self._store()
            await store.purge(_text(key))

    async def watch(
        self, *, resync: timedelta = timedelta(seconds=30)
    ) -> AsyncGenerator[Snapshot[V] | Updated[V], None]:
        """Tell all values, then each change, for ever.

        A new snapshot is told after each reconnect and at each ``resync``, so that no change is missed for longer
        than that, whatever becomes of the connection. The server forgets an ephemeral consumer when it restarts;
        a watcher that trusted it would wait for ever.
        """
        while True:
            _heed_cancellation()
            await self._bus.wait_connected()
            try:
                async for change in self._watch_once(resync):
                    yield change
            except (nats.errors.Error, ToolHiveError, TimeoutError) as error:
                _log.info("watching the bucket again", bucket=self._name, cause=str(error))
                await asyncio.sleep(0.2)

    async def _watch_once(self, resync: timedelta) -> AsyncGenerator[Snapshot[V] | Updated[V], None]:
        generation = self._bus.generation
        deadline = asyncio.get_running_loop().time() + resync.total_seconds()
        with translated(self._bus):
            watcher = await (await self._store()).watchall()
        try:
            found: dict[str, V] = {}
            unreadable: set[str] = set()
            synced = False
            while (entry := await _next_entry(watcher, 10)) is not None:
                if entry.key == subjects.SYNCED_KEY:
                    synced = not _is_gone(entry)
                if entry.key.startswith("_") or _is_gone(entry):
                    continue
                if (value := self._parse(entry.key, entry.value)) is not None:
                    found[entry.key] = value
                else:
                    unreadable.add(entry.key)
            yield Snapshot(found, frozenset(unreadable), synced)
            while generation == self._bus.generation:
                _heed_cancellation()
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return
                try:
                    entry = await _next_entry(watcher, min(left, 1.0))
                except TimeoutError:
                    continue
                if entry is None or entry.key.startswith("_"):
                    continue
                if _is_gone(entry):
                    yield Updated(entry.key, None)
                elif (value := self._parse(entry.key, entry.value)) is not None:
                    yield Updated(entry.key, value)
        finally:
            with suppress(nats.errors.Error, TimeoutError):
                await watcher.stop()  # type: ignore[no-untyped-call]

    async def _store(self) -> KeyValue:
        try:
            return await self._bus.jetstream.key_value(self._name)
        except nats.js.errors.NotFoundError as error:
            # Between a NATS server's start without its disk and the API's making of the buckets.
            raise self._bus.unreachable(f"the bucket {self._name} is not made yet") from error

    def _parse(self, key: str, data: bytes | None) -> V | None:
        try:
            return self._model.from_json(data or b"")
        except ValidationError as error:
            # A value that a later version wrote must not stop this one from serving all the others.
            wrong = _places(error)
            _log.error(  # not its text or its traceback: they repeat the value
                "passing over a value that does not fit its schema", bucket=self._name, key=key, wrong=wrong
            )
            return None


def _places(error: ValidationError) -> list[str]:
    """Say where a value does not fit and in which way, never what stands there: it may be a secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [f"{'.'.join(map(str, one['loc'])) or 'all of it'}: {one['type']}" for one in found[:_MOST_PLACES]]


def _is_gone(entry: KeyValue.Entry) -> bool:
    return entry.operation in {KV_DEL, KV_PURGE}


def _text(key: WorkloadKey | str) -> str:
    return key if isinstance(key, str) else subjects.bucket_key(key)


def _heed_cancellation() -> None:
    """Raise a cancellation that the NATS library has lost: it waits with `asyncio.wait_for`, see `_next_entry`."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _next_entry(watcher: KeyValue.KeyWatcher, seconds: float) -> KeyValue.Entry | None:
    """Wait for the next entry; ``None`` marks the end of the initial values, which ``__anext__`` would hide."""
    # Not asyncio.wait_for: up to Python 3.11 it loses a cancellation that comes together with a result.
    async with asyncio.timeout(seconds):
        entry = await watcher._updates.get()  # noqa: SLF001  # no public way, see above
    return entry if isinstance(entry, KeyValue.Entry) else None
