"""Sessions with stdio servers: frames over NATS to the agent that holds the server."""

from contextlib import suppress

import nats.errors
import structlog
from nats.aio.subscription import Subscription

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.messaging.bus import Bus, translated
from toolhive_common.messaging.frames import Frame, FrameChannel
from toolhive_common.schemas.commands import ErrorReply
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.subjects import McpFrameSubject
from toolhive_proxy.models.links import Receiver

__all__ = ["StdioLink", "StdioLinks"]

_log = structlog.get_logger(__name__)


class StdioLinks:
    """Opens links, and tells each of its own messages that nobody took.

    Parameters
    ----------
    max_message
        Largest message in bytes.
    """

    def __init__(self, bus: Bus, *, max_message: int) -> None:
        self._bus = bus
        self._channel = FrameChannel(bus, max_message=max_message, on_undeliverable=self._undeliverable)
        self._receivers: dict[str, Receiver] = {}

    async def open(self, key: WorkloadKey, session: str, receiver: Receiver) -> "StdioLink":
        """Listen for one session's messages.

        Raises
        ------
        BusUnreachableError
            NATS does not answer.
        """
        if not self._bus.connected:
            raise self._bus.unreachable()

        async def take(frame: Frame) -> ErrorReply | None:
            if frame.ends_session:
                receiver.lose("the server's agent ended the session")
                return None
            try:
                await receiver.take(frame.data)
            except Exception:  # noqa: BLE001  # the top of this message: the session's next one must still come
                _log.exception("a server's message could not be handed on", session=session[:8])
            return None

        self._receivers[session] = receiver
        try:
            subscription = await self._channel.receive(str(McpFrameSubject(key, session, "out")), take)
        except BaseException:
            del self._receivers[session]
            raise
        return StdioLink(self, McpFrameSubject(key, session, "in"), subscription)

    async def send(self, subject: McpFrameSubject, data: bytes) -> None:
        """Send one message; if nobody takes it, the session's receiver is told.

        A frame is the bare JSON-RPC message and carries no correlation id: the agent's log lines about it name the
        workload and the session, not the ``X-Request-Id`` of the request that brought it.
        """
        await self._channel.send(subject, data, confirm=True)

    async def end(self, subject: McpFrameSubject, subscription: Subscription) -> None:
        """Stop listening, and tell the agent."""
        self._receivers.pop(subject.session, None)
        with suppress(nats.errors.Error, ToolHiveError, OSError), translated(self._bus):
            await self._channel.end_session(subject)
            await subscription.unsubscribe()

    async def _undeliverable(self, subject: McpFrameSubject, reply: ErrorReply) -> None:
        receiver = self._receivers.get(subject.session)
        if receiver is None:
            return
        if reply.code is ErrorCode.AGENT_UNREACHABLE:
            receiver.fail(f"the workload {subject.key.name!r} cannot be reached: {reply.message}; try again")
        else:
            receiver.fail(reply.message)


class StdioLink:
    """One session's frames."""

    def __init__(self, links: StdioLinks, subject: McpFrameSubject, subscription: Subscription) -> None:
        self._links = links
        self._subject = subject
        self._subscription = subscription

    async def send(self, data: bytes) -> None:
        """Send one message."""
        await self._links.send(self._subject, data)

    async def close(self) -> None:
        """End the session."""
        await self._links.end(self._subject, self._subscription)
