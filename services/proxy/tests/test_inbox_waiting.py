"""Who is held back for a slow reader, and how each is let go."""

import asyncio

import pytest

from toolhive_common.mcp.port import FromBroker, Note
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy.errors import ClientLeftError
from toolhive_proxy.services.inbox import Inbox, Inboxes, InboxLimits

KEY = WorkloadKey.default("time")


def a_book(patience: float = 5.0) -> tuple[Inboxes, Inbox]:
    book = Inboxes(InboxLimits(size=10, total=1000, patience=patience))
    return book, book.open(KEY)


def said(inbox: Inbox, number: int, note: Note = Note.MESSAGE) -> FromBroker:
    return FromBroker(note, inbox.number, b"%010d" % number, number)


async def test_a_reader_that_reads_in_time_loses_nothing() -> None:
    book, inbox = a_book()

    async def write() -> None:
        for number in range(50):
            waiting = book.deliver_waiting(said(inbox, number, Note.FINAL if number == 49 else Note.MESSAGE))
            if waiting is not None:
                await waiting

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        found = [(await inbox.get(5)).number for _ in range(50)]
    assert found == list(range(50))


async def test_two_writers_that_wait_for_one_reader_both_go_on() -> None:
    book, inbox = a_book()
    book.deliver(said(inbox, 1))
    async with asyncio.timeout(4), asyncio.TaskGroup() as tasks:
        for number in (2, 3):
            waiting = book.deliver_waiting(said(inbox, number))
            assert waiting is not None
            tasks.create_task(_finish(waiting))
        for _ in range(3):
            await inbox.get(1)
    assert not inbox.cut_off


async def _finish(waiting: object) -> None:
    await waiting  # type: ignore[misc]  # an awaitable


async def test_a_reader_that_does_not_read_is_cut_off_and_hears_that_it_was() -> None:
    book, inbox = a_book(patience=0.01)
    book.deliver(said(inbox, 1))
    waiting = book.deliver_waiting(said(inbox, 2))
    book.deliver(said(inbox, 3, Note.FINAL))
    assert waiting is not None
    await waiting
    assert inbox.cut_off
    assert (await inbox.get(1)).note is Note.DONE
    assert book.held == 0


async def test_whoever_waits_goes_on_when_the_client_is_gone() -> None:
    book, inbox = a_book()
    book.deliver(said(inbox, 1))
    waiting = book.deliver_waiting(said(inbox, 2))
    assert waiting is not None
    async with asyncio.timeout(4), asyncio.TaskGroup() as tasks:
        tasks.create_task(_finish(waiting))
        await asyncio.sleep(0)
        book.close(inbox)


async def test_a_client_that_leaves_ends_the_waiting_for_it() -> None:
    _, inbox = a_book()
    async with asyncio.timeout(4), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read_until_gone(inbox))
        await asyncio.sleep(0)
        inbox.leave()
    assert reading.result()


async def _read_until_gone(inbox: Inbox) -> bool:
    with pytest.raises(ClientLeftError):
        await inbox.get(60)
    return True


async def test_one_reader_may_not_take_what_all_share() -> None:
    book = Inboxes(InboxLimits(size=1000, total=1000))
    slow, other = book.open(KEY), book.open(KEY)
    book.deliver(FromBroker(Note.MESSAGE, slow.number, b"x" * 900))
    book.deliver(FromBroker(Note.MESSAGE, other.number, b"x" * 90))
    book.deliver(FromBroker(Note.MESSAGE, slow.number, b"x" * 50))
    assert slow.cut_off
    assert not other.cut_off


@pytest.mark.parametrize("note", [Note.MESSAGE, Note.FINAL])
def test_all_inboxes_together_hold_little_more_than_their_total_however_large_single_messages_are(note: Note) -> None:
    book = Inboxes(InboxLimits(size=1000, total=4000))
    opened = [book.open(KEY) for _ in range(50)]
    for inbox in opened:
        book.deliver(FromBroker(note, inbox.number, b"x" * 2000))
    assert book.held <= 4000
    assert [inbox.cut_off for inbox in opened] == [False] * 2 + [True] * 48


async def test_a_full_inbox_is_spared_when_others_make_the_room_in_time() -> None:
    book = Inboxes(InboxLimits(size=1000, total=1000, patience=0.05))
    first, second = book.open(KEY), book.open(KEY)
    book.deliver(FromBroker(Note.MESSAGE, first.number, b"x" * 800))
    waiting = book.deliver_waiting(FromBroker(Note.MESSAGE, second.number, b"x" * 800))
    assert waiting is not None
    book.close(first)
    await waiting
    assert not second.cut_off
    assert (await second.get(1)).data == b"x" * 800
