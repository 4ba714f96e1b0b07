"""Sessions that are deleted or expire, and streams that are taken up where they broke."""

import asyncio

import httpx
import pytest

from .support.clients import conversation
from .support.events import events_of, types_of
from .support.raw_session import Event, RawSession, a_call, events_in, open_session
from .support.stack import Stack, until
from .support.workloads import created, ready_at

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


async def is_gone(session: RawSession) -> bool:
    """Whether the proxy knows the session no more."""
    return (await session.send(a_call("echo", 1, text="?"))).status_code == 404


async def test_a_deleted_session_is_unknown_and_a_new_one_can_be_opened(
    api: httpx.AsyncClient, talkative_server: str
) -> None:
    await created(api, "ends", talkative_server)
    url = await ready_at(api, "ends")
    async with open_session(url) as session, open_session(url) as other:
        assert (await session.delete()).status_code in {200, 204}
        answer = await session.send(a_call("echo", 1, text="?"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32001)
        assert (await session.delete()).status_code == 404
        assert await other.call("echo", {"text": "untouched"}) == "untouched"
    async with open_session(url) as session:
        assert await session.call("echo", {"text": "anew"}) == "anew"


async def test_a_session_that_nobody_uses_expires(
    stack: Stack, api: httpx.AsyncClient, talkative_server: str
) -> None:
    async with stack.with_settings(TOOLHIVE_PROXY_SESSION_TTL="2"):
        await created(api, "expires", talkative_server)
        url = await ready_at(api, "expires")
        async with open_session(url) as session:
            # Asking would keep it alive, so a second client looks at what the proxy tells of its sessions.
            async def told() -> bool:
                return "session.closed" in types_of(await events_of(api, "expires"))

            await until("the session is closed", told, seconds=90)
            assert await is_gone(session)
        assert all("error" not in told for told in await conversation("typescript-2", url, "http", "calls", count=2))


async def first_event(answer: httpx.Response) -> Event:
    """The event that a stream begins with."""
    async with asyncio.timeout(10):
        async for event in events_in(answer):
            return event
    raise AssertionError("the stream ended without an event")


async def until_waiting(session: RawSession, name: str) -> None:
    """Return when the server holds the call of that name."""

    async def holds() -> bool:
        return name in await session.call("waiting", number="who")

    await until(f"{name} waits", holds, seconds=10)


async def test_an_answer_that_came_while_nobody_listened_is_replayed_on_its_own_stream_only(
    api: httpx.AsyncClient, talkative_server: str
) -> None:
    await created(api, "resumes", talkative_server)
    async with open_session(await ready_at(api, "resumes"), seconds=8) as session:
        async with session.stream(a_call("wait", 1, name="one")) as answer:
            broken = await first_event(answer)
            assert broken.id, "the stream begins with an event that it can be resumed after"
            assert not broken.data
        async with session.stream(a_call("wait", 2, name="two")) as answer:
            other = await first_event(answer)
        await until_waiting(session, "two")
        for name in ("one", "two"):
            await session.call("release", {"name": name}, number=f"release {name}")
        for event, number, name in ((broken, 1, "one"), (other, 2, "two")):
            assert event.id
            async with session.resumed(event.id) as answer:
                assert answer.status_code == 200
                messages = [found.message async for found in events_in(answer) if found.message]
            assert [message["id"] for message in messages] == [number]
            assert messages[0]["result"]["content"][0]["text"] == f"{name} was released"


async def test_progress_after_the_break_is_replayed_in_order_and_none_twice(
    api: httpx.AsyncClient, talkative_server: str
) -> None:
    await created(api, "resumes", talkative_server)
    call = a_call("progress", 1, steps=10, text="step")
    call["params"]["_meta"] = {"progressToken": 1}
    async with open_session(await ready_at(api, "resumes"), seconds=8) as session:
        seen: list[Event] = []
        async with session.stream(call) as answer:
            async for event in events_in(answer):
                seen.append(event)
                if len([one for one in seen if one.message]) == 3:
                    break
        assert all(event.id for event in seen), "each event can be resumed after"
        async with session.resumed(str(seen[-1].id)) as answer:
            seen += [event async for event in events_in(answer)]
    told = [event.message for event in seen if event.message]
    assert [message["params"]["progress"] for message in told[:-1]] == list(range(1, 11))
    assert told[-1]["id"] == 1


async def test_an_event_of_another_session_resumes_nothing(api: httpx.AsyncClient, talkative_server: str) -> None:
    await created(api, "resumes", talkative_server)
    url = await ready_at(api, "resumes")
    async with open_session(url, seconds=8) as mine, open_session(url, seconds=8) as other:
        async with mine.stream(a_call("wait", 1, name="mine")) as answer:
            event = await first_event(answer)
            assert event.id
        await mine.call("release", {"name": "mine"}, number=2)
        async with other.resumed(event.id) as answer:
            if answer.status_code == 200:  # a new stream, on which nothing of the other session may come
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(2):
                        await anext(found.message async for found in events_in(answer) if found.message)
            else:
                assert answer.status_code in {400, 404}
