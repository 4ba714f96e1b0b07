"""One connection to NATS that is kept for the life of a process."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext

from toolhive_common.access import Role, inbox_prefix
from toolhive_common.errors import ErrorCode, ToolHiveError

__all__ = ["Bus", "BusSettings", "BusUnreachableError", "open_bus", "translated"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class BusSettings:
    """How to reach NATS."""

    url: str
    """Such as ``nats://nats:4222`` or ``tls://nats.example:4222``."""
    role: Role
    """Which of the NATS users this process is."""
    password: str
    name: str
    """What NATS' monitoring calls the connection."""
    ca_file: Path | None = None
    """Certificate authority of a ``tls://`` server that the system does not know."""
    request_timeout: float = 5.0
    """Seconds to wait for JetStream's answers."""
    reconnect_wait: float = 0.5
    """Seconds between two attempts to connect."""


class BusUnreachableError(ToolHiveError):
    """NATS does not answer."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(
            ErrorCode.BUS_UNREACHABLE,
            f"NATS does not answer at {url} ({cause}); check that the NATS server runs and try again, "
            "nothing was lost",
        )


class Bus:
    """A connection that is made again for as long as the process lives.

    It may be used before NATS answers: operations then raise `BusUnreachableError`.
    """

    def __init__(self, settings: BusSettings) -> None:
        self.settings = settings
        self.client = Client()
        self._changed = asyncio.Condition()
        self._generation = 0
        self._last_error = "not connected yet"

    @property
    def connected(self) -> bool:
        """Whether NATS answered last time."""
        return self._generation > 0 and self.client.is_connected

    @property
    def generation(self) -> int:
        """Number of connections made so far; 0 before the first."""
        return self._generation

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream on this connection.

        Raises
        ------
        BusUnreachableError
            NATS does not answer now.
        """
        if not self.connected:
            raise self.unreachable()
        return self.client.jetstream(timeout=self.settings.request_timeout)

    def unreachable(self, cause: str = "") -> BusUnreachableError:
        """Build the error that says why NATS cannot be used."""
        return BusUnreachableError(self.settings.url, cause or self._last_error)

    async def check(self) -> str:
        """Health check: empty while connected."""
        return "" if self.connected else str(self.unreachable())

    async def wait_connected(self) -> None:
        """Return as soon as NATS answers."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.connected)

    async def wait_reconnected(self, since: int) -> None:
        """Return once a connection newer than the generation ``since`` stands."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._generation > since and self.connected)

    async def wait_disconnected(self) -> None:
        """Return as soon as NATS does not answer any more."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.connected)

    async def connect(self) -> None:
        """Connect, however long it takes."""
        settings = self.settings
        context = ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else None
        await self.client.connect(
            settings.url,
            name=settings.name,
            user=str(settings.role),
            password=settings.password,
            tls=context,
            inbox_prefix=inbox_prefix(settings.role),
            max_reconnect_attempts=-1,
            reconnect_time_wait=settings.reconnect_wait,  # type: ignore[arg-type]  # seconds; a float works
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_connected,
        )
        await self._on_connected()

    async def close(self) -> None:
        """Send what is still unsent, then close."""
        with suppress(nats.errors.Error, asyncio.TimeoutError, OSError):
            if self.client.is_connected:
                await asyncio.wait_for(self.client.flush(), timeout=2)
        with suppress(nats.errors.Error, OSError):
            await self.client.close()

    async def _on_connected(self) -> None:
        async with self._changed:
            self._generation += 1
            self._last_error = ""
            self._changed.notify_all()
        _log.info("connected to NATS", url=self.settings.url)

    async def _on_disconnected(self) -> None:
        _log.warning("lost NATS, connecting again", url=self.settings.url, cause=self._last_error)
        async with self._changed:
            self._changed.notify_all()

    async def _on_error(self, error: Exception) -> None:
        cause = str(error) or type(error).__name__
        if cause != self._last_error:  # an attempt each half second need not fill the log
            _log.warning("NATS reports an error", url=self.settings.url, cause=cause)
        self._last_error = cause


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


_LOST = (
    nats.errors.TimeoutError,
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionDrainingError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.NoRespondersError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.StaleConnectionError,
    nats.js.errors.NoStreamResponseError,
    nats.js.errors.ServiceUnavailableError,
    ConnectionError,
)
"""What the NATS library raises when the server is lost."""


class translated:  # noqa: N801  # used like a function; a class, for a generator costs more and it is on the data path
    """Turn what the NATS library raises for a lost server into `BusUnreachableError`.

    Also brings back a cancellation that the library lost: its ``asyncio.wait_for`` of Python 3.11 returns an answer
    that comes in the same moment as the cancellation, and forgets the latter. A task that ran on would never end.
    """

    __slots__ = ("_before", "_bus")

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def __enter__(self) -> None:
        self._before = _cancellations()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            if _cancellations() > self._before:
                raise asyncio.CancelledError
        elif isinstance(error, _LOST):
            raise self._bus.unreachable(str(error) or type(error).__name__) from error


@asynccontextmanager
async def open_bus(settings: BusSettings) -> AsyncIterator[Bus]:
    """Keep a bus for the length of the block. The block runs at once, also while NATS is down.

    Raises
    ------
    OSError, ValueError
        The settings can never work, such as a file of authorities that is not there: the block is cancelled.
    """
    bus = Bus(settings)
    user = asyncio.current_task()
    connecting = asyncio.create_task(bus.connect())  # noqa: TID251  # owned, and ended, by this block

    def end_the_block(task: "asyncio.Task[None]") -> None:
        if user is not None and not task.cancelled() and task.exception() is not None:
            user.cancel()

    connecting.add_done_callback(end_the_block)
    try:
        yield bus
    finally:
        connecting.remove_done_callback(end_the_block)
        connecting.cancel()
        with suppress(asyncio.CancelledError):
            await connecting  # raises what made it fail
        await bus.close()
