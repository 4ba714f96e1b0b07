"""The workloads that the proxy knows of, kept up to date from both buckets."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import structlog

from toolhive_common import subjects
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bucket import Bucket, Snapshot, Updated
from toolhive_common.schemas.base import Wire
from toolhive_common.schemas.state import DesiredWorkload, ObservedWorkload, SyncMarker, WorkloadKey
from toolhive_proxy.decisions.routing_table import Change, changes_between, lookup
from toolhive_proxy.decisions.snapshots import is_whole, merged
from toolhive_proxy.models.routes import Lookup, Unavailable, Unknown

__all__ = ["Directory", "Listener"]

_log = structlog.get_logger(__name__)
_NAMESPACE = "default"
"""The namespace that clients' paths are about: a path has no place for another."""

_BY_HAND = 30
"""Seconds until another try is worth it where somebody has to act."""

V = TypeVar("V", bound=Wire)
Listener = Callable[[list[Change], Mapping[str, Lookup]], None]
"""Told what changed, and the whole table after it."""


class Directory:
    """Answers where a workload's requests go. A lookup is one dictionary access.

    Parameters
    ----------
    markers
        The bucket of what is declared, for its `SyncMarker`.
    """

    def __init__(
        self, desired: Bucket[DesiredWorkload], observed: Bucket[ObservedWorkload], markers: Bucket[SyncMarker]
    ) -> None:
        self._desired_bucket = desired
        self._markers = markers
        self._marker: SyncMarker | None = None
        self._unreadable: frozenset[str] = frozenset()
        self._observed_bucket = observed
        self._desired: dict[str, DesiredWorkload] = {}
        self._observed: dict[str, ObservedWorkload] = {}
        self._table: dict[str, Lookup] = {}
        self._read: set[str] = set()
        self._listeners: list[Listener] = []

    @property
    def table(self) -> Mapping[str, Lookup]:
        """All known workloads by name."""
        return self._table

    def find(self, name: str) -> Lookup:
        """Where the requests of a workload go."""
        if (found := self._table.get(name)) is not None:
            return found
        if len(self._read) < 2:  # noqa: PLR2004  # the two buckets
            return Unavailable(
                WorkloadKey(namespace=_NAMESPACE, name=name),
                "the proxy has not read the list of workloads yet: NATS does not answer, or the API did not start; "
                "check that both run and try again",
                2,
            )
        if name in self._unreadable:
            return Unavailable(
                WorkloadKey(namespace=_NAMESPACE, name=name),
                f"the workload {name!r} was declared by a later version, which this proxy cannot read; "
                "upgrade the proxy",
                _BY_HAND,
            )
        return Unknown(name)

    def tell(self, listener: Listener) -> None:
        """Call this whenever something changes."""
        self._listeners.append(listener)

    async def check(self) -> str:
        """Health check: empty once both buckets were read."""
        return "" if len(self._read) == 2 else "the list of workloads was not read yet"  # noqa: PLR2004  # as above

    async def watch_desired(self) -> None:
        """Follow what is declared, for ever."""
        async for change in self._desired_bucket.watch():
            if isinstance(change, Snapshot):
                self._unreadable = _names(change.unreadable)
                before, self._marker = self._marker, await self._read_marker()
                self._take(change, self._desired, "desired", whole=is_whole(before, self._marker))
            else:
                self._unreadable -= {_name(change.key)}
                self._take(change, self._desired, "desired")

    async def watch_observed(self) -> None:
        """Follow what the agents see, for ever."""
        async for change in self._observed_bucket.watch():
            self._take(change, self._observed, "observed")

    async def _read_marker(self) -> SyncMarker | None:
        try:
            return await self._markers.get(subjects.SYNCED_KEY)
        except ToolHiveError:  # the next look at the bucket reads it again
            return None

    def _take(self, change: Snapshot[V] | Updated[V], known: dict[str, V], label: str, *, whole: bool = True) -> None:
        if isinstance(change, Snapshot):
            found = {name: value for key, value in change.values.items() if (name := _name(key))}
            merged_values = merged(known, found, _names(change.unreadable), whole=whole)
            known.clear()
            known.update(merged_values)
            self._read.add(label)
            self._apply({*self._table, *self._desired})
        elif name := _name(change.key):
            if change.value is None:
                known.pop(name, None)
            else:
                known[name] = change.value
            self._apply({name})

    def _apply(self, names: set[str]) -> None:
        if len(self._read) < 2:  # noqa: PLR2004  # half of the truth would say that nothing runs
            return
        found = {name: lookup(name, self._desired.get(name), self._observed.get(name)) for name in names}
        changes = changes_between({name: self._table[name] for name in names if name in self._table}, found)
        for name, value in found.items():
            if isinstance(value, Unknown):
                self._table.pop(name, None)
            else:
                self._table[name] = value
        for listener in self._listeners:
            listener(changes, self._table)


def _names(keys: Iterable[str]) -> frozenset[str]:
    return frozenset(name for key in keys if (name := _name(key)))


def _name(key: str) -> str:
    """Name of a workload of our namespace; empty for anything else."""
    try:
        workload = subjects.parse_bucket_key(key)
    except ValueError:
        _log.warning("passing over a key that is no workload's", key=key)
        return ""
    return workload.name if workload.namespace == _NAMESPACE else ""
