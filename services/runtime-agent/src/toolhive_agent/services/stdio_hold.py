"""One hold on the standard streams of one server process: frames in, frames out.

    NATS frames ─> multiplexer ─> queue ─> standard input
    standard output ─> lines ─> multiplexer ─> NATS frames

Reading never waits for writing: a server that writes before it reads on would otherwise block us both for ever.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from toolhive_agent.services.tasks import beside
from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.effects import Dropped, Effect, ToClient, ToServer
from toolhive_common.mcp.handshake import Handshake
from toolhive_common.mcp.lines import Line, LineReader
from toolhive_common.mcp.multiplexer import StdioMultiplexer
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.frames import Frame, FrameChannel
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.subjects import McpFrameSubject
from toolhive_runtime.runtime import Attachment

__all__ = ["HoldSettings", "StdioHold"]

_log = structlog.get_logger(__name__)
_ENDED = "the MCP server's process ended; it is being started again, call again in a moment"


@dataclass(frozen=True)
class HoldSettings:
    """Limits of a hold."""

    longest_line: int = 64 * 1024 * 1024
    """Bytes."""
    most_unwritten: int = 8 * 1024 * 1024
    """Bytes that wait for the server to read before callers have to wait."""
    idle_session: float = 2 * 60 * 60
    """Seconds after which a session that says nothing is over."""
    check_idle: float = 60.0


class StdioHold:
    """Lives from the attach to the end of the streams.

    Parameters
    ----------
    on_handshake
        Told when the process's handshake changes.
    """

    def __init__(
        self,
        key: WorkloadKey,
        attachment: Attachment,
        multiplexer: StdioMultiplexer,
        bus: Bus,
        frames: FrameChannel,
        settings: HoldSettings,
        on_handshake: Callable[[Handshake], None],
    ) -> None:
        self.id = uuid.uuid4().hex
        self._key = key
        self._attachment = attachment
        self._multiplexer = multiplexer
        self._bus = bus
        self._frames = frames
        self._settings = settings
        self._on_handshake = on_handshake
        self._handshake = multiplexer.handshake
        self._unwritten: deque[bytes] = deque()
        self._unwritten_bytes = 0
        self._written = asyncio.Condition()
        self._last_heard: dict[str, float] = {}
        self._garbage = 0

    @property
    def last_params(self) -> Mapping[str, Any]:
        """What the latest client said in ``initialize``."""
        return self._multiplexer.last_params

    async def run(self) -> None:
        """Carry messages until the server's output ends; then fail what still waits."""
        try:
            async with beside(self._write(), self._expire_sessions(), self._listen()):
                await self._read()
        finally:
            await self._attachment.close()
            # Also when the agent itself is asked to end: callers shall not wait for nothing.
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self._carry_out(self._multiplexer.server_exited(_ENDED))

    async def _read(self) -> None:
        reader = LineReader(self._settings.longest_line)
        async for chunk in self._attachment.read():
            for line in reader.feed(chunk):
                if isinstance(line, Line):
                    effects = self._multiplexer.from_server(line.data)
                else:
                    effects = self._multiplexer.too_long(line.head, line.tail, limit=self._settings.longest_line)
                await self._carry_out(effects)

    async def _listen(self) -> None:
        """Take frames of all sessions, from the first moment that NATS is there."""
        while True:
            await self._bus.wait_connected()
            try:
                subscription = await self._frames.receive(McpFrameSubject.to_server(self._key), self._take)
            except ToolHiveError:
                await asyncio.sleep(0.2)
                continue
            break
        try:
            await asyncio.Event().wait()
        finally:
            with suppress(Exception):  # the connection may be gone, and the subscription with it
                await subscription.unsubscribe()

    async def _take(self, frame: Frame) -> None:
        session = frame.subject.session
        if frame.ends_session:
            self._last_heard.pop(session, None)
            await self._carry_out(self._multiplexer.session_ended(session))
            return
        self._last_heard[session] = asyncio.get_running_loop().time()
        await self._carry_out(self._multiplexer.from_client(session, frame.data))
        async with self._written:
            await self._written.wait_for(lambda: self._unwritten_bytes < self._settings.most_unwritten)

    async def _carry_out(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case ToServer(data):
                    await self._enqueue(data)
                case ToClient(session, data):
                    await self._send(session, data)
                case Dropped(reason):
                    self._note_dropped(reason)
        if self._multiplexer.handshake is not self._handshake and self._multiplexer.handshake is not None:
            self._handshake = self._multiplexer.handshake
            self._on_handshake(self._handshake)

    async def _send(self, session: str, data: bytes) -> None:
        """Send to a session; waits while NATS is away, and so does the server in the end."""
        subject = McpFrameSubject(self._key, session, "out")
        while True:
            await self._bus.wait_connected()
            try:
                await self._frames.send(subject, data)
            except ToolHiveError:
                await asyncio.sleep(0.1)
            else:
                return

    async def _enqueue(self, data: bytes) -> None:
        async with self._written:
            self._unwritten.append(data)
            self._unwritten_bytes += len(data)
            self._written.notify_all()

    async def _write(self) -> None:
        while True:
            async with self._written:
                await self._written.wait_for(lambda: self._unwritten)
                data = self._unwritten[0]
            try:
                await self._attachment.write(data + b"\n")
            except (OSError, ToolHiveError) as error:
                # The output ends as well then, which is what tells the callers.
                _log.info("the server's standard input is closed", workload=self._key.name, cause=str(error))
                return
            async with self._written:
                self._unwritten.popleft()
                self._unwritten_bytes -= len(data)
                self._written.notify_all()

    async def _expire_sessions(self) -> None:
        while True:
            await asyncio.sleep(self._settings.check_idle)
            latest = asyncio.get_running_loop().time() - self._settings.idle_session
            for session in [session for session, heard in self._last_heard.items() if heard < latest]:
                del self._last_heard[session]
                await self._carry_out(self._multiplexer.session_ended(session))

    def _note_dropped(self, reason: str) -> None:
        self._garbage += 1
        if self._garbage & (self._garbage - 1) == 0:  # the 1st, 2nd, 4th, 8th, …: a chatty server fills no log
            _log.warning("dropped a message", workload=self._key.name, reason=reason, so_far=self._garbage)
