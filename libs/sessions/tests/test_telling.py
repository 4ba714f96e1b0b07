"""What edges are told stays in order, and who takes its time holds up nobody else."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.mcp.port import FromBroker, Note
from toolhive_sessions.effects import ToEdge
from toolhive_sessions.telling import EdgeTeller


def said(edge: str, stream: int, number: int) -> ToEdge:
    return ToEdge(edge, FromBroker(Note.MESSAGE, stream, number=number))


@dataclass
class Ways:
    """Edges that take their time as they are told to."""

    pauses: dict[str, asyncio.Event] = field(default_factory=dict)
    """Edges that take nothing before it is set."""
    taken: list[tuple[str, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.teller = EdgeTeller(self)

    def deliver(self, edge: str, message: FromBroker) -> Awaitable[None] | None:
        if edge in self.pauses:
            return self._slowly(edge, message)
        self.taken.append((edge, message.stream, message.number))
        return None

    async def _slowly(self, edge: str, message: FromBroker) -> None:
        await self.pauses[edge].wait()
        self.taken.append((edge, message.stream, message.number))

    def of(self, edge: str, stream: int = 1) -> list[int]:
        return [number for to, of, number in self.taken if (to, of) == (edge, stream)]


async def soon(ways: Ways, *effects: ToEdge) -> "asyncio.Task[None]":
    task = asyncio.create_task(ways.teller.tell(effects))
    await asyncio.sleep(0)
    return task


async def test_who_takes_at_once_is_told_at_once() -> None:
    ways = Ways()
    telling = ways.teller.tell([said("a", 1, 1), said("b", 1, 1)])
    try:
        telling.send(None)
    except StopIteration:
        pass
    else:
        raise AssertionError("it waited for something")
    assert ways.taken == [("a", 1, 1), ("b", 1, 1)]
    assert ways.teller._turns == {}


async def test_what_comes_later_waits_behind_all_that_came_before() -> None:
    ways = Ways({"a": asyncio.Event()})
    first = await soon(ways, *(said("a", 1, number) for number in (1, 2, 3)))
    second = await soon(ways, said("a", 1, 4))
    third = await soon(ways, said("a", 1, 5))
    ways.pauses.pop("a").set()
    await asyncio.gather(first, second, third)
    assert ways.of("a") == [1, 2, 3, 4, 5]
    assert ways.teller._turns == {}


async def test_who_tells_a_slow_edge_waits_for_it_and_no_other_edge_or_stream_does() -> None:
    ways = Ways({"slow": asyncio.Event()})
    held = await soon(ways, said("slow", 1, 1), said("quick", 1, 1), said("slow", 2, 1))
    for number in (2, 3):
        await ways.teller.tell([said("quick", 1, number)])
    waiting = await soon(ways, said("slow", 1, 2), said("quick", 1, 4))
    for _ in range(5):
        await asyncio.sleep(0)
    assert ways.of("quick") == [1, 2, 3, 4]
    other = await soon(ways, said("slow", 3, 1))
    assert not held.done()
    assert not waiting.done()
    ways.pauses["slow"].set()
    await asyncio.gather(held, waiting, other)
    assert [ways.of("slow", stream) for stream in (1, 2, 3)] == [[1, 2], [1], [1]]


async def test_who_gives_up_holds_up_nobody() -> None:
    ways = Ways({"a": asyncio.Event(), "b": asyncio.Event()})
    tasks = [await soon(ways, said("a", 1, number), said("b", 1, number)) for number in range(5)]
    for number in (0, 2, 3):
        tasks[number].cancel()
    for pause in ways.pauses.values():
        pause.set()
    await asyncio.wait(tasks)
    assert (ways.of("a"), ways.of("b")) == ([1, 4], [1, 4])
    assert ways.teller._turns == {}


class Uneven(Ways):
    """Each message takes so many steps."""

    def __init__(self, steps: list[int]) -> None:
        super().__init__()
        self.steps = steps

    def deliver(self, edge: str, message: FromBroker) -> Awaitable[None] | None:
        if (steps := self.steps.pop()) == 0:
            return super().deliver(edge, message)
        return self._in_steps(edge, message, steps)

    async def _in_steps(self, edge: str, message: FromBroker, steps: int) -> None:
        for _ in range(steps - 1):
            await asyncio.sleep(0)
        self.taken.append((edge, message.stream, message.number))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 2), st.integers(0, 2)), max_size=30), st.data())
def test_each_stream_is_told_in_order_whoever_is_slow(plan: list[tuple[str, int, int]], data: st.DataObject) -> None:
    counts: dict[tuple[str, int], int] = {}
    batches: list[list[ToEdge]] = [[]]
    for edge, stream, cut in plan:
        counts[edge, stream] = counts.get((edge, stream), 0) + 1
        batches[-1].append(said(edge, stream, counts[edge, stream]))
        if cut == 0:
            batches.append([])
    pauses = data.draw(st.lists(st.integers(0, 3), min_size=len(plan), max_size=len(plan)))

    async def run() -> list[tuple[str, int, int]]:
        ways = Uneven(pauses)
        await asyncio.gather(*(ways.teller.tell(batch) for batch in batches))
        assert ways.teller._turns == {}
        return ways.taken

    taken = asyncio.run(run())
    for (edge, stream), count in counts.items():
        numbers = [number for to, of, number in taken if (to, of) == (edge, stream)]
        assert numbers == list(range(1, count + 1))
