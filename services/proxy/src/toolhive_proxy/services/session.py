"""One client's session with one server: its open calls, its GET stream, and who gets what the server says."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.jsonrpc import Code, Id, error_body, notification_body
from toolhive_common.schemas.runconfig import RunConfig, Transport
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy.decisions.session_state import CallKey, Elsewhere, OpenCall, call_key, destination
from toolhive_proxy.errors import IdInUseError, LinkBrokenError, StreamClosedError
from toolhive_proxy.models.links import Link
from toolhive_proxy.models.messages import Invalid, Kind, Message
from toolhive_proxy.models.replies import Failure, Reply
from toolhive_proxy.protocol.messages import ids_within, read_server
from toolhive_proxy.services.message_stream import MessageStream, StreamLimits

__all__ = ["Session", "SessionIdentity"]

_log = structlog.get_logger(__name__)
_BACKLOG = 100
"""Messages; their bytes are bounded as a stream's are."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A message that waits for the client's GET stream."""

    reply: Reply
    request_id: Id | None
    """Of a request of the server's: it must be answered, by whomever."""


@dataclass(frozen=True)
class SessionIdentity:
    """What never changes about a session."""

    id: str
    key: WorkloadKey
    revision: int
    run_config: RunConfig
    one_shot: bool
    """Whether it lives for one request of a client that has no session."""

    @property
    def transport(self) -> Transport:
        """How the server speaks."""
        return self.run_config.transport


class Session:
    """Implements `Receiver`.

    Parameters
    ----------
    on_lost
        Told when the session ended from the server's side; must not block.
    """

    def __init__(
        self,
        identity: SessionIdentity,
        limits: StreamLimits,
        *,
        now: datetime,
        on_lost: Callable[["Session", str], None],
    ) -> None:
        self.identity = identity
        self.last_used = now
        self.client = ""
        """Name and version that the client gave of itself."""
        self.announced = False
        """Whether its handshake was done, and told as an event."""
        self._limits = limits
        self._on_lost = on_lost
        self._link: Link | None = None
        self._calls: dict[CallKey, OpenCall] = {}
        self._streams: dict[CallKey, MessageStream] = {}
        self._attachments: dict[CallKey, str] = {}
        self._listener: MessageStream | None = None
        self._backlog: deque[_Kept] = deque()
        self._backlog_size = 0

    @property
    def busy(self) -> bool:
        """Whether a call or the GET stream is open."""
        return bool(self._calls) or self._listener is not None

    def join(self, link: Link) -> None:
        """Use this way to the server."""
        self._link = link

    # -- what the client does -------------------------------------------------------------------------------------

    async def call(self, message: Message, *, streams: bool, attachment: str = "") -> MessageStream:
        """Send a request; its answer, and before it what belongs to it, comes on the stream.

        Parameters
        ----------
        streams
            Whether the client takes more than the answer.
        attachment
            The agent's hold on the server that the request goes through.

        Raises
        ------
        IdInUseError
            An open call has the same id.
        ToolHiveError
            It did not reach the server.
        """
        assert message.id is not None  # noqa: S101  # a request has one
        key = call_key(message.id)
        if key in self._calls:
            raise IdInUseError(message.id)
        stream = MessageStream(self._limits)
        self._calls[key] = OpenCall(message.id, message.own_token, streams)
        self._streams[key] = stream
        self._attachments[key] = attachment
        try:
            await self.tell(message.data)
        except BaseException:
            self.forget(message, stream)
            raise
        return stream

    def forget(self, message: Message, stream: MessageStream) -> None:
        """Drop a call; its answer, if it still comes, concerns nobody."""
        stream.cut()
        assert message.id is not None  # noqa: S101  # a request has one
        key = call_key(message.id)
        if self._streams.get(key) is stream:  # not a later call of the same id
            del self._streams[key], self._calls[key], self._attachments[key]

    async def give_up(self, message: Message, reason: str) -> None:
        """Tell the server that nobody waits for an answer any more."""
        params = {"requestId": message.id, "reason": reason}
        try:
            await self.tell(notification_body("notifications/cancelled", params))
        except ToolHiveError as error:
            _log.info("could not cancel a call at the server", cause=error.message)

    async def tell(self, data: bytes) -> None:
        """Send a message that gets no answer.

        Raises
        ------
        ToolHiveError
            It did not reach the server.
        """
        if self._link is None:
            raise LinkBrokenError("the session has no connection to its server")
        await self._link.send(data)

    def listen(self) -> MessageStream:
        """Open the GET stream. An older one ends: a client that comes again has lost it."""
        if self._listener is not None:
            self._listener.close()
        self._listener = stream = MessageStream(self._limits)
        while self._backlog and not stream.closed:
            kept = self._backlog.popleft()
            self._backlog_size -= len(kept.reply.data)
            stream.offer(kept.reply)
        return stream

    def stop_listening(self, stream: MessageStream) -> None:
        """Close a GET stream."""
        stream.cut()
        if self._listener is stream:
            self._listener = None

    # -- what the server does -------------------------------------------------------------------------------------

    async def take(self, data: bytes) -> None:
        """Hand on one message of the server's, or each of a batch."""
        for message in read_server(data):
            if isinstance(message, Invalid):
                self._take_unreadable(message, data)
            else:
                await self._take(message)

    def _take_unreadable(self, found: Invalid, data: bytes) -> None:
        """Fail the call whose answer this is, as far as can be told: its caller would wait until its time is up."""
        ids = ids_within(data) if not found.is_json else [found.id] if found.id is not None else []
        keys = {call_key(request_id) for request_id in ids} & self._calls.keys()
        _log.warning("the server sent what is not a JSON-RPC message", size=len(data), failed_calls=len(keys))
        if len(keys) == 1:
            self._fail_call(keys.pop(), f"the server's answer cannot be read: {found.reason[:200]}")

    async def _take(self, message: Message) -> None:
        where = destination(
            message, self._calls, listening=self._listener is not None, one_shot=self.identity.one_shot
        )
        reply = Reply(message.data, final=message.kind is Kind.RESPONSE, is_error=message.is_error)
        try:
            match where:
                case Elsewhere.LISTENER if self._listener is not None:
                    await self._listener.put(reply)
                case Elsewhere.BACKLOG:
                    await self._keep(message, reply)
                case Elsewhere.UNANSWERABLE if message.id is not None:
                    await self._refuse(message.id)
                case tuple():
                    await self._put(where, reply)
                case _:
                    pass
        except StreamClosedError:
            _log.info("a client's stream closed before a message could be handed on", method=message.method)

    async def _put(self, key: CallKey, reply: Reply) -> None:
        stream = self._streams[key]
        if reply.final:
            self._calls.pop(key, None)
            self._streams.pop(key, None)
            self._attachments.pop(key, None)
        await stream.put(reply)

    async def _keep(self, message: Message, reply: Reply) -> None:
        while self._backlog and (
            len(self._backlog) >= _BACKLOG or self._backlog_size + len(reply.data) > self._limits.size
        ):
            await self._drop_oldest()
        self._backlog.append(_Kept(reply, message.id))
        self._backlog_size += len(reply.data)

    async def _drop_oldest(self) -> None:
        dropped = self._backlog.popleft()
        self._backlog_size -= len(dropped.reply.data)
        if dropped.request_id is not None:
            await self._refuse(dropped.request_id)

    async def _refuse(self, request_id: Id) -> None:
        body = error_body(request_id, Code.METHOD_NOT_FOUND, "the client has no open stream to be asked over")
        try:
            await self.tell(body)
        except ToolHiveError as error:
            _log.info("could not answer the server's request", cause=error.message)

    def fail(self, reason: str, *, attached_to: str | None = None) -> None:
        """Answer the open calls with an error.

        Parameters
        ----------
        attached_to
            The agent's present hold on the server: calls made through it, and those of an unknown one, stay open.
        """
        for key in list(self._calls):
            if attached_to is not None and self._attachments[key] in {"", attached_to}:
                continue
            self._fail_call(key, reason)

    def _fail_call(self, key: CallKey, reason: str) -> None:
        del self._calls[key]
        del self._attachments[key]
        self._streams.pop(key).fail(Failure(502, Code.SERVER_ERROR, reason))

    def lose(self, reason: str) -> None:
        """End everything: the server does not know the session any more."""
        self.shut(reason)
        self._on_lost(self, reason)

    def shut(self, reason: str) -> None:
        """End the session's streams."""
        self.fail(reason)
        self.close_listener()

    def close_listener(self) -> None:
        """End the GET stream."""
        if self._listener is not None:
            self._listener.close()

    async def leave(self) -> None:
        """Close the way to the server."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()
