"""What comes for the responses that this proxy has open, bounded: a client that does not read takes no memory.

Each open response has an inbox with a number, the stream of `toolhive_common.mcp.port`. All inboxes together may hold
so many bytes; when they do, whoever takes more than its share is cut off.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from toolhive_common.mcp.port import FromBroker, Note, RefusalCode
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy.errors import ClientLeftError

__all__ = ["Inbox", "InboxLimits", "Inboxes"]

_ENDING = frozenset({Note.FINAL, Note.DONE, Note.REFUSED})


@dataclass(frozen=True, slots=True)
class InboxLimits:
    """How much waits for clients that read slowly."""

    size: int = 8 * 1024 * 1024
    """Bytes of one inbox. A single larger message is taken when nothing else waits there."""
    total: int = 256 * 1024 * 1024
    """Bytes of all inboxes. Over it nobody keeps more than a quarter of an equal share, whatever `size` says."""
    patience: float = 10.0
    """Seconds that a full inbox holds back a server that can be held back, before its client is cut off."""


class Inbox:
    """A queue with one reader."""

    def __init__(self, number: int, key: WorkloadKey, attachment: str, book: "Inboxes") -> None:
        self.number = number
        self.key = key
        self.attachment = attachment
        """The agent's hold on the server that was asked through."""
        self.size = 0
        self.over = False
        """Whether the other side says nothing more."""
        self.cut_off = False
        """Whether the client did not read, and lost what waited; or shall come again, since the proxy stops."""
        self.ended_here = False
        """Whether it ended at this side only, so that the other has to be told."""
        self.endless = False
        """Whether it may stay open for as long as its client likes."""
        self.left = False
        """Whether the client is gone."""
        self.unwanted = False
        """Whether leaving means that nobody wants the answer any more."""
        self._book = book
        self._items: deque[FromBroker] = deque()
        self._in_hand = 0
        """Bytes of the item that was taken last, held until the next is asked for: writing it may take long."""
        self._reader: asyncio.Future[None] | None = None
        self._room = asyncio.Event()

    def put(self, item: FromBroker) -> bool:
        """Add an item; tells whether there is room for more."""
        if self.over:
            return True
        self._items.append(item)
        self.size += len(item.data)
        self._book.held += len(item.data)
        self.over = item.note in _ENDING
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        return not self.full

    @property
    def full(self) -> bool:
        """Whether it holds as much as it may."""
        return (self.size > self._book.limits.size and len(self._items) > 1) or self.over_share

    @property
    def over_share(self) -> bool:
        """Whether all inboxes hold too much together, and this one is to blame."""
        total = self._book.limits.total
        return self._book.held > total and self.size > total // (4 * len(self._book))

    async def wait_for_room(self) -> None:
        """Wait until the client has read; cut it off when it does not."""
        try:
            async with asyncio.timeout(self._book.limits.patience):
                while self.full:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            if self.full:  # others may have made the room meanwhile
                self.cut()

    def cut(self) -> None:
        """Drop what waits, and end: the client does not read."""
        self.cut_off = self.ended_here = True
        self._forget()
        self.over = False  # also when the end waits already: it was dropped with the rest
        self.put(FromBroker(Note.DONE, self.number))
        self._room.set()

    def leave(self) -> None:
        """Note that the client is gone."""
        self.left = True
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def fail(self, code: RefusalCode, text: str) -> None:
        """End with an error, unless the end is there already."""
        self.ended_here = self.ended_here or not self.over
        self.put(FromBroker(Note.REFUSED, self.number, text.encode(), code=code))

    async def get(self, seconds: float) -> FromBroker:
        """Take the next item.

        Raises
        ------
        TimeoutError
            Nothing came for so many seconds.
        ClientLeftError
            Nobody is there to read it.
        """
        if self._in_hand:
            self._let_go()
        if not self._items and not self.left:
            loop = asyncio.get_running_loop()
            reader = self._reader = loop.create_future()
            timer = loop.call_later(seconds, _time_out, reader)  # a third of what `asyncio.timeout` costs
            try:
                await reader
            finally:
                timer.cancel()
                self._reader = None
        if self.left:
            raise ClientLeftError
        item = self._items.popleft()
        self._in_hand = len(item.data)
        return item

    def close(self) -> None:
        """Take nothing more, and give back what is held."""
        self.over = True
        self._forget()
        self._let_go()

    def _let_go(self) -> None:
        """Count what was taken last no more: it was written."""
        self.size -= self._in_hand
        self._book.held -= self._in_hand
        self._in_hand = 0
        if not self.full:
            self._room.set()

    def _forget(self) -> None:
        """Drop what waits."""
        self._items.clear()
        self._book.held -= self.size - self._in_hand
        self.size = self._in_hand


class Inboxes:
    """All inboxes of this process, by number."""

    def __init__(self, limits: InboxLimits) -> None:
        self.limits = limits
        self.held = 0
        """Bytes that wait in all of them."""
        self._numbers = itertools.count(1)
        self._open: dict[int, Inbox] = {}

    def __len__(self) -> int:
        return max(1, len(self._open))

    def __iter__(self) -> Iterator[Inbox]:
        return iter(list(self._open.values()))

    def open(self, key: WorkloadKey, attachment: str = "") -> Inbox:
        """Make an inbox. Close it with `close`."""
        inbox = Inbox(next(self._numbers), key, attachment, self)
        self._open[inbox.number] = inbox
        return inbox

    def close(self, inbox: Inbox) -> None:
        """Forget an inbox."""
        self._open.pop(inbox.number, None)
        inbox.close()

    def deliver(self, item: FromBroker) -> None:
        """Put an item where it belongs; who sent it cannot be held back, so that a full inbox is cut off.

        The end of a stream is taken though its inbox is full, unless all of them are.
        """
        inbox = self._open.get(item.stream)
        if inbox is not None and not inbox.put(item) and (not inbox.over or inbox.over_share):
            inbox.cut()

    def deliver_waiting(self, item: FromBroker) -> Awaitable[None] | None:
        """Put an item where it belongs; who sent it waits where it must."""
        inbox = self._open.get(item.stream)
        if inbox is None or inbox.put(item) or (inbox.over and not inbox.over_share):
            return None
        return inbox.wait_for_room()

    def fail(self, number: int, code: RefusalCode, text: str) -> None:
        """End one with an error."""
        if (inbox := self._open.get(number)) is not None:
            inbox.fail(code, text)

    def end_endless(self) -> None:
        """End those that would never end by themselves: the proxy stops."""
        for inbox in self:
            if inbox.endless:
                inbox.cut_off = inbox.ended_here = True
                inbox.put(FromBroker(Note.DONE, inbox.number))

    def fail_all(self, code: RefusalCode, text: str, *, where: Callable[[Inbox], bool]) -> None:
        """End those with an error that ``where`` holds for."""
        for inbox in self:
            if where(inbox):
                inbox.fail(code, text)


def _time_out(reader: asyncio.Future[None]) -> None:
    if not reader.done():
        reader.set_exception(TimeoutError())
