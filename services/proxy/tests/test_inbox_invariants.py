"""Whatever agents say and clients read: what waits is counted right, and nothing comes behind an end."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from toolhive_common.mcp.port import FromBroker, Note, RefusalCode
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy.errors import ClientLeftError
from toolhive_proxy.services.inbox import Inbox, Inboxes, InboxLimits

KEY = WorkloadKey.default("time")
LIMITS = InboxLimits(size=100, total=300, patience=0.001)
ENDS = (Note.FINAL, Note.DONE, Note.REFUSED)


class Post(RuleBasedStateMachine):
    inboxes = Bundle("inboxes")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.book = Inboxes(LIMITS)
        self.waiting: dict[int, list[FromBroker]] = {}
        """What each inbox must still hand out."""
        self.in_hand: dict[int, int] = {}
        """Bytes of what was handed out last, and may be being written."""
        self.ended: set[int] = set()
        """Inboxes whose end was handed out."""

    @rule(target=inboxes)
    def open(self) -> Inbox:
        inbox = self.book.open(KEY)
        self.waiting[inbox.number] = []
        self.in_hand[inbox.number] = 0
        return inbox

    @rule(inbox=inboxes, note=st.sampled_from([Note.MESSAGE] * 4 + list(ENDS)), size=st.integers(0, 150))
    def say(self, inbox: Inbox, note: Note, size: int) -> None:
        item = FromBroker(note, inbox.number, b"x" * size)
        takes, was_cut = not inbox.over, inbox.cut_off
        self.book.deliver(item)
        if inbox.cut_off and not was_cut:
            self.waiting[inbox.number] = [FromBroker(Note.DONE, inbox.number)]
        elif takes:
            self.waiting[inbox.number].append(item)

    @rule(inbox=inboxes, size=st.integers(0, 150))
    def say_and_wait(self, inbox: Inbox, size: int) -> None:
        """One that can be held back is, until the client reads; this one does not."""
        item = FromBroker(Note.MESSAGE, inbox.number, b"x" * size)
        takes = not inbox.over
        waiting = self.book.deliver_waiting(item)
        if takes:
            self.waiting[inbox.number].append(item)
        if waiting is not None:
            self.loop.run_until_complete(_wait(waiting))
            assert inbox.cut_off
            self.waiting[inbox.number] = [FromBroker(Note.DONE, inbox.number)]

    @rule(inbox=inboxes)
    def read(self, inbox: Inbox) -> None:
        expected = self.waiting[inbox.number]
        self.in_hand[inbox.number] = 0
        try:
            item = self.loop.run_until_complete(inbox.get(0))
        except TimeoutError:
            assert not expected
            return
        except ClientLeftError:
            assert inbox.left
            return
        assert item == expected.pop(0)
        self.in_hand[inbox.number] = len(item.data)
        assert inbox.number not in self.ended, "something came behind the end"
        if item.note in ENDS:
            self.ended.add(inbox.number)

    @rule(inbox=inboxes)
    def fail(self, inbox: Inbox) -> None:
        if not inbox.over:
            refused = FromBroker(Note.REFUSED, inbox.number, b"why", code=RefusalCode.SERVER_LOST)
            self.waiting[inbox.number].append(refused)
        self.book.fail(inbox.number, RefusalCode.SERVER_LOST, "why")

    @rule(inbox=inboxes)
    def leave(self, inbox: Inbox) -> None:
        inbox.leave()

    @rule(inbox=consumes(inboxes))
    def close(self, inbox: Inbox) -> None:
        self.book.close(inbox)
        del self.waiting[inbox.number]
        del self.in_hand[inbox.number]
        self.book.deliver(FromBroker(Note.MESSAGE, inbox.number, b"late"))

    @rule(target=inboxes, inbox=consumes(inboxes))
    def serve_an_endless_one_until_the_proxy_stops(self, inbox: Inbox) -> object:
        if inbox.over:
            return inbox
        inbox.endless = True
        self.book.end_endless()
        inbox.endless = False
        self.waiting[inbox.number].append(FromBroker(Note.DONE, inbox.number))
        assert inbox.ended_here, "the other side must be told"
        return multiple(inbox)

    @invariant()
    def the_bytes_are_those_that_wait(self) -> None:
        sizes = {
            number: self.in_hand[number] + sum(len(item.data) for item in items)
            for number, items in self.waiting.items()
        }
        assert {inbox.number: inbox.size for inbox in self.book} == sizes
        assert self.book.held == sum(sizes.values())

    @invariant()
    def memory_is_bounded(self) -> None:
        largest = 150
        assert all(inbox.size <= LIMITS.size + 3 * largest for inbox in self.book)
        # Over the total each may have a quarter of the share that it had when it was filled: the harmonic series.
        assert self.book.held <= LIMITS.total * 2 + largest

    def teardown(self) -> None:
        for inbox in self.book:
            self.book.close(inbox)
        assert self.book.held == 0
        self.loop.close()


async def _wait(waiting: object) -> None:
    await waiting  # type: ignore[misc]  # an awaitable


TestPost = Post.TestCase
TestPost.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
