"""The way to sessions that an agent keeps, over NATS."""

from collections.abc import Callable

import structlog

from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_common.mcp.port import FromBroker, ToBroker, Verb, decode_down, encode_up
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.edges import EdgeBeat
from toolhive_common.messaging.frames import Frame, FrameChannel
from toolhive_common.schemas.commands import ErrorReply
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.subjects import McpFrameSubject

__all__ = ["StdioPort", "StdioPorts"]

_log = structlog.get_logger(__name__)
_MOST_UNSAID = 10_000


class StdioPorts:
    """All agents' sessions, over one subscription.

    Parameters
    ----------
    edge
        Id of this process.
    max_message
        Bytes of the longest message.
    take
        Told what comes.
    on_undeliverable
        Told the number of a stream whose message nobody took, and a sentence for its client.
    """

    def __init__(
        self,
        bus: Bus,
        edge: str,
        *,
        max_message: int,
        take: Callable[[FromBroker], None],
        on_undeliverable: Callable[[int, str], None],
    ) -> None:
        self._bus = bus
        self.edge = edge
        self._take = take
        self._on_undeliverable = on_undeliverable
        self._channel = FrameChannel(bus, max_message=max_message, on_undeliverable=self._undeliverable)
        self._beat = EdgeBeat(bus, edge)
        self._ready = False
        self._unsaid: dict[tuple[str, int], ToBroker] = {}
        """What clients left while NATS was away."""

    async def run(self) -> None:
        """Listen, and give signs of life, for ever."""
        while True:
            await self._bus.wait_connected()
            try:
                await self._channel.receive(McpFrameSubject.to_edge(self.edge), self._receive)
            except ToolHiveError as error:
                _log.info("listening to the agents waits for NATS", cause=error.message)
                continue
            break
        self._ready = True
        await self._beat.run()

    async def say_what_waited(self) -> None:
        """Tell the agents which clients left while NATS was away, so that they do not talk to nobody for ever."""
        unsaid, self._unsaid = self._unsaid, {}
        for (subject, _), message in unsaid.items():
            await self.send(subject, message)

    async def goodbye(self) -> None:
        """Say that this proxy stops: its clients come again through another."""
        await self._beat.goodbye()

    def port(self, key: WorkloadKey) -> "StdioPort":
        """The way to one workload's sessions."""
        return StdioPort(self, key)

    async def send(self, subject: str, message: ToBroker) -> None:
        """Send a message; if nobody takes it, that is told.

        A frame carries no correlation id: the agent's log lines name the workload and the session, not the
        ``X-Request-Id`` of the request that brought it.
        """
        if message.verb is Verb.LEAVE and not self._bus.connected and len(self._unsaid) < _MOST_UNSAID:
            self._unsaid[subject, message.stream] = message
            return
        if not self._ready:
            raise self._bus.unreachable()
        await self._channel.send(subject, encode_up(message), tag=str(message.stream))

    async def _receive(self, frame: Frame) -> None:
        try:
            message = decode_down(frame.data)
        except ValueError as error:
            _log.warning("a frame that cannot be read", cause=str(error)[:200])
            return
        self._take(message)

    async def _undeliverable(self, tag: str, reply: ErrorReply) -> None:
        text = reply.message
        if reply.code is ErrorCode.AGENT_UNREACHABLE:
            text = f"the workload cannot be reached: {reply.message}; try again"
        self._on_undeliverable(int(tag), text)


class StdioPort:
    """One workload's."""

    def __init__(self, ports: StdioPorts, key: WorkloadKey) -> None:
        self._ports = ports
        self._subject = str(McpFrameSubject(key, ports.edge, "in"))

    @property
    def edge(self) -> str:
        """What this proxy is called by the agents."""
        return self._ports.edge

    async def submit(self, message: ToBroker) -> None:
        """Ask the workload's agent."""
        await self._ports.send(self._subject, message)
