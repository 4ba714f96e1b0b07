"""What proxies and the keepers of sessions say to each other on core NATS, whatever its size.

A message that is larger than the server's ``max_payload`` travels in parts, in order, on the same subject. NATS
keeps the order of one publisher's messages, so the receiver only has to put them together; nothing is stored.
"""

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from toolhive_common.errors import ErrorCode
from toolhive_common.messaging.bus import Bus, translated
from toolhive_common.schemas.commands import ErrorReply

__all__ = ["Frame", "FrameChannel"]

_log = structlog.get_logger(__name__)

_PART = "Toolhive-Part"
"""``<message id> <number> <count>``, numbers from 1."""
_HEADROOM = 4096
"""Bytes of ``max_payload`` left for headers, which count too."""
_NO_RESPONDERS = "503"


@dataclass(slots=True)
class Frame:
    """One message."""

    subject: str
    data: bytes


@dataclass
class _Partial:
    message_id: str
    touched: float
    """Time of its latest part, in seconds of the loop's clock."""
    parts: list[bytes] = field(default_factory=list)


class FrameChannel:
    """Sends and receives frames on one bus.

    Parameters
    ----------
    bus
        The connection.
    max_message
        Longest message in bytes that is put together; a longer one is dropped and logged.
    part_patience
        Seconds between two parts of a message after which its sender is taken to be dead, and the parts are dropped.
        Not sooner: other messages of the session may come in between, from this sender and from others.
    on_undeliverable
        Told the tag of a frame that nobody took, and why. Only frames sent with a tag are told about.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        max_message: int = 64 * 1024 * 1024,
        part_patience: float = 60.0,
        on_undeliverable: Callable[[str, ErrorReply], Awaitable[None]] | None = None,
    ) -> None:
        self._bus = bus
        self._max_message = max_message
        self._part_patience = part_patience
        self._on_undeliverable = on_undeliverable
        self._inbox = ""
        self._parts_lock = asyncio.Lock()
        self._ids = (f"{uuid.uuid4().hex[:12]}-{number}" for number in itertools.count())

    async def send(self, subject: str, data: bytes, *, tag: str = "") -> None:
        """Send one message.

        Parameters
        ----------
        tag
            Name it by this to ``on_undeliverable`` when nobody listens on the subject or the receiver refuses.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        if not self._bus.connected:
            raise self._bus.unreachable()
        reply = await self._reply_subject(tag) if tag else ""
        size = self._bus.client.max_payload - _HEADROOM
        with translated(self._bus):
            if len(data) <= size:
                await self._bus.client.publish(subject, data, reply=reply)
                return
            async with self._parts_lock:  # parts of two messages must not mix on one subject
                await self._send_parts(subject, data, size, reply)

    async def _send_parts(self, subject: str, data: bytes, size: int, reply: str) -> None:
        count = -(-len(data) // size)
        message_id = next(self._ids)
        for number in range(count):
            await self._bus.client.publish(
                subject,
                data[number * size : (number + 1) * size],
                reply=reply if number == 0 else "",
                headers={_PART: f"{message_id} {number + 1} {count}"},
            )
            await self._bus.client.flush()  # back-pressure: one part at a time in the client's buffer

    async def receive(
        self,
        subject: str,
        take: Callable[[Frame], Awaitable[ErrorReply | None]],
    ) -> Subscription:
        """Subscribe; ``take`` gets each whole message and may answer with why it refuses it.

        The library hands one message at a time to ``take``, in order.
        """
        partial: dict[str, _Partial] = {}

        async def on_message(message: Msg) -> None:
            frame = self._assemble(partial, message)
            if frame is None:
                return
            clock = asyncio.get_running_loop().time
            before = clock()
            refusal = await take(frame)
            for held in partial.values():  # while we were busy no part could be heard
                held.touched += clock() - before
            if refusal is not None and message.reply:
                await self._bus.client.publish(message.reply, refusal.to_json())

        with translated(self._bus):
            return await self._bus.client.subscribe(
                subject, cb=on_message, pending_msgs_limit=-1, pending_bytes_limit=256 * 1024 * 1024
            )

    def _assemble(self, partial: dict[str, _Partial], message: Msg) -> Frame | None:
        subject = message.subject
        headers = message.headers
        if not headers and not partial:
            return Frame(subject, message.data)
        headers = headers or {}
        now = asyncio.get_running_loop().time()
        for name in [name for name, held in partial.items() if now - held.touched > self._part_patience]:
            del partial[name]
            _log.warning("the rest of a message did not come; dropped its parts", subject=name)
        if _PART not in headers:
            return Frame(subject, message.data)
        message_id, number, count = headers[_PART].split()
        held = partial.get(message.subject)
        if held is None or held.message_id != message_id:
            held = partial[message.subject] = _Partial(message_id, now)
        if int(number) != len(held.parts) + 1:
            del partial[message.subject]
            _log.warning("a part of a message is missing; dropped it", subject=message.subject)
            return None
        held.touched = now
        held.parts.append(message.data)
        if sum(map(len, held.parts)) > self._max_message:
            del partial[message.subject]
            _log.warning("dropped a message over the limit", subject=message.subject, limit=self._max_message)
            return None
        if int(number) < int(count):
            return None
        del partial[message.subject]
        return Frame(subject, b"".join(held.parts))

    async def _reply_subject(self, tag: str) -> str:
        if not self._inbox:
            self._inbox = self._bus.client.new_inbox()
            await self._bus.client.subscribe(f"{self._inbox}.>", cb=self._on_reply)
        return f"{self._inbox}.{tag}"

    async def _on_reply(self, message: Msg) -> None:
        if self._on_undeliverable is None:
            return
        tag = message.subject.removeprefix(f"{self._inbox}.")
        if message.headers and message.headers.get("Status") == _NO_RESPONDERS:
            reply = ErrorReply(
                code=ErrorCode.AGENT_UNREACHABLE,
                message="no agent holds the server right now; it is being started, or its agent is down",
            )
        else:
            reply = ErrorReply.from_json(message.data)
        await self._on_undeliverable(tag, reply)
