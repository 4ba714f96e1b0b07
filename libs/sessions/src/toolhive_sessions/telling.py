"""Tells edges what the broker says: each stream in the order in which it was decided.

The broker decides at once, but telling takes time, and several tasks tell: those that carry what edges ask, and those
that read processes. What one of them has for a stream waits until the stream was told all that was decided before.
Order matters within a stream only. So one that takes its time holds up whoever has something for it, which slows down
the process that says so much, and nobody else.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Protocol

from toolhive_common.mcp.port import FromBroker
from toolhive_sessions.effects import ToEdge

__all__ = ["EdgeTeller", "Way"]

_Address = tuple[str, int]
"""An edge, and the number of its stream."""


class _Turn:
    """What one task has for one stream, and its place behind what others have for it."""

    __slots__ = ("address", "begun", "called", "messages")

    def __init__(self, address: _Address) -> None:
        self.address = address
        self.messages: list[FromBroker] = []
        self.begun: Awaitable[None] | None = None
        """The way of a message before these, that is not at its end yet."""
        self.called: asyncio.Future[None] | None = None
        """Done when it is its turn; ``None`` when it was at once."""


class Way(Protocol):
    """The way to the edges."""

    def deliver(self, edge: str, message: FromBroker) -> Awaitable[None] | None:
        """Tell an edge. What is returned is waited for at once."""
        ...


class EdgeTeller:
    """Hands messages to edges."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._turns: dict[_Address, deque[_Turn]] = {}
        """By stream, whose turn it is and who comes then. Most streams take what they are told, and are not here."""

    async def tell(self, effects: Sequence[ToEdge]) -> None:
        """Tell it all; returns once it is on its way."""
        for index, effect in enumerate(effects):
            if self._turns and (effect.edge, effect.message.stream) in self._turns:
                await self._in_turn(effects[index:], None)
                return
            if (begun := self._way.deliver(effect.edge, effect.message)) is not None:
                if index == len(effects) - 1:
                    await self._alone(effect, begun)
                else:
                    await self._in_turn(effects[index:], begun)
                return

    async def _alone(self, effect: ToEdge, begun: Awaitable[None]) -> None:
        """Do what `_in_turn` does, for a single message that nobody is before: most are such."""
        turn = self._take_turn((effect.edge, effect.message.stream))
        try:
            await begun
        finally:
            self._leave(turn)

    async def _in_turn(self, effects: Sequence[ToEdge], begun: Awaitable[None] | None) -> None:
        """Tell what has to wait. Every message has its place before anything is waited for."""
        first, *others = self._take_turns(effects, begun)
        try:
            if not others:
                await self._tell_edge(first)
                return
            async with asyncio.TaskGroup() as group:  # no edge waits for another
                for turns in others:
                    group.create_task(self._tell_edge(turns))
                await self._tell_edge(first)
        finally:
            for turns in (first, *others):
                for turn in turns:
                    self._leave(turn)

    def _take_turns(self, effects: Sequence[ToEdge], begun: Awaitable[None] | None) -> list[list[_Turn]]:
        """The turns of each edge. What is begun is the first message."""
        edges: dict[str, dict[int, _Turn]] = {}
        for effect in effects:
            turns = edges.setdefault(effect.edge, {})
            turn = turns.get(effect.message.stream)
            if turn is None:
                turn = turns[effect.message.stream] = self._take_turn((effect.edge, effect.message.stream))
            if begun is not None:
                turn.begun, begun = begun, None
            else:
                turn.messages.append(effect.message)
        return [list(turns.values()) for turns in edges.values()]

    def _take_turn(self, address: _Address) -> _Turn:
        turn = _Turn(address)
        line = self._turns.setdefault(address, deque())
        if line:
            turn.called = asyncio.get_running_loop().create_future()
        line.append(turn)
        return turn

    async def _tell_edge(self, turns: Sequence[_Turn]) -> None:
        for turn in turns:
            if turn.called is not None:
                await turn.called
            if turn.begun is not None:
                await turn.begun
            for message in turn.messages:
                if (waiting := self._way.deliver(turn.address[0], message)) is not None:
                    await waiting
            self._leave(turn)

    def _leave(self, turn: _Turn) -> None:
        """Let the next one have its turn, also when this one gave up. Does nothing the second time."""
        line = self._turns.get(turn.address)
        if line is None or turn not in line:
            return
        line.remove(turn)
        if not line:
            del self._turns[turn.address]
        elif (called := line[0].called) is not None and not called.done():
            called.set_result(None)
