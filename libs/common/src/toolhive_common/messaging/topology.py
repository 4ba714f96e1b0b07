"""The stream and the buckets. The API makes them; the others wait until they are there."""

import asyncio
from datetime import timedelta

import nats.js.errors
import structlog
from nats.js.api import KeyValueConfig, RetentionPolicy, StorageType, StreamConfig

from toolhive_common import subjects
from toolhive_common.access import Role, access_of
from toolhive_common.errors import ToolHiveError
from toolhive_common.messaging.bus import Bus, translated

__all__ = ["ensure_topology", "wait_for_topology"]

_log = structlog.get_logger(__name__)

_BUCKETS = (
    subjects.DESIRED_BUCKET,
    subjects.OBSERVED_BUCKET,
    subjects.AGENTS_BUCKET,
    subjects.HANDSHAKES_BUCKET,
    subjects.SESSIONS_BUCKET,
)
_DUPLICATE_WINDOW = timedelta(minutes=10)
"""How long a retried event is recognised; longer than any outage that a process spends retrying in memory."""


async def ensure_topology(bus: Bus, *, events_kept: timedelta) -> None:
    """Make the stream and the buckets, or bring their settings up to date.

    Raises
    ------
    BusUnreachableError
        NATS does not answer.
    """
    with translated(bus):
        jetstream = bus.jetstream
        config = StreamConfig(
            name=subjects.EVENTS_STREAM,
            description="Lifecycle events of all workloads, CloudEvents 1.0",
            subjects=[subjects.event_filter()],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=events_kept.total_seconds(),
            duplicate_window=_DUPLICATE_WINDOW.total_seconds(),
            allow_direct=True,
        )
        try:
            await jetstream.add_stream(config)
        except nats.js.errors.BadRequestError:  # it is there, with other settings
            await jetstream.update_stream(config)
        for bucket in _BUCKETS:
            await jetstream.create_key_value(
                KeyValueConfig(bucket=bucket, history=1, storage=StorageType.FILE, direct=True)
            )


async def wait_for_topology(bus: Bus, *, pause: timedelta = timedelta(seconds=1)) -> None:
    """Return as soon as the API has made what this process may read of the stream and the buckets."""
    while True:
        await bus.wait_connected()
        try:
            with translated(bus):
                for stream in _visible_streams(bus.settings.role):
                    await bus.jetstream.stream_info(stream)
        except nats.js.errors.NotFoundError:
            _log.info("waiting for the API to make the stream and the buckets")
        except ToolHiveError as error:
            _log.info("waiting for NATS", cause=error.message)
        else:
            return
        await asyncio.sleep(pause.total_seconds())


def _visible_streams(role: Role) -> tuple[str, ...]:
    allowed = access_of(role).publish
    streams = (subjects.EVENTS_STREAM, *(f"KV_{bucket}" for bucket in _BUCKETS))
    return tuple(stream for stream in streams if f"$JS.API.STREAM.INFO.{stream}" in allowed)
