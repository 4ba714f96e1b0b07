import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from toolhive_common.testing.nats_server import NatsServer

from .support.harness import API, IMAGE, PlayedAgent

pytestmark = pytest.mark.wire

EVENTS = "/api/v1beta/events"


async def listed(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await api.get(EVENTS, params={"follow": "false", **query}, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def followed(answer: httpx.Response) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    """Sequence, type and event, as they come."""
    frame: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name:
            frame[name] = value
        elif "data" in frame:
            yield frame["id"], frame["event"], json.loads(frame["data"])
            frame = {}


async def make(api: httpx.AsyncClient, name: str) -> None:
    made = await api.post(API, json={"name": name, "image": IMAGE}, headers={"X-Request-Id": f"make-{name}"})
    assert made.status_code == 201, made.text


async def test_each_user_action_is_an_event(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    await make(api, "time")
    await api.post(f"{API}/time/stop")
    await api.post(f"{API}/time/restart")
    await api.delete(f"{API}/time")
    async with api.stream("GET", EVENTS, params={"from": "1", "type": "workload.requested"}) as answer:
        events = followed(answer)
        found = [await anext(events) for _ in range(4)]
    assert [event["data"]["action"] for _, _, event in found] == ["run", "stop", "restart", "delete"]
    first = found[0][2]
    assert (first["specversion"], first["source"], first["subject"]) == ("1.0", "/toolhive/api", "default/time")
    assert first["correlationid"] == "make-time"
    assert first["data"]["revision"] == agent.seen[0].revision


async def test_events_are_listed_as_json_and_filtered(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    await make(api, "aa")
    between = datetime.now(UTC).isoformat()
    await make(api, "b.c")
    assert [item["event"]["subject"] for item in await listed(api)] == ["default/aa", "default/b.c"]
    assert [item["sequence"] for item in await listed(api)] == [1, 2]
    assert [item["sequence"] for item in await listed(api, workload="b.c")] == [2]
    assert [item["sequence"] for item in await listed(api, namespace="other")] == []
    assert [item["sequence"] for item in await listed(api, type="workload.running")] == []
    assert [item["sequence"] for item in await listed(api, **{"from": "2"})] == [2]
    assert [item["sequence"] for item in await listed(api, **{"from": between})] == [2]


async def test_a_listing_ends_at_its_limit_and_the_next_page_follows(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    for name in ("aa", "bb", "cc"):
        await make(api, name)
    assert [item["sequence"] for item in await listed(api, limit="2")] == [1, 2]
    assert [item["sequence"] for item in await listed(api, limit="2", **{"from": "3"})] == [3]
    assert [item["sequence"] for item in await listed(api, limit="2", workload="cc")] == [3]
    answer = await api.get(EVENTS, params={"follow": "false", "limit": "2"})
    assert answer.text.count("id: ") == 2


async def test_a_reader_that_does_not_follow_may_take_events_as_sse(
    api: httpx.AsyncClient, agent: PlayedAgent
) -> None:
    await make(api, "aa")
    answer = await api.get(EVENTS, params={"follow": "false"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("id: 1\nevent: workload.requested\ndata: {")


async def test_a_follower_goes_on_after_its_last_event_id(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    for name in ("aa", "bb"):
        await make(api, name)
    async with api.stream("GET", EVENTS, headers={"Last-Event-ID": "1"}) as answer:
        events = followed(answer)
        assert (await anext(events))[2]["subject"] == "default/bb"
        await make(api, "cc")
        assert (await anext(events))[:2] == ("3", "workload.requested")


async def test_a_follower_without_a_place_hears_what_comes(api: httpx.AsyncClient, agent: PlayedAgent) -> None:
    await make(api, "aa")
    async with api.stream("GET", EVENTS) as answer:
        await make(api, "bb")
        assert (await anext(followed(answer)))[2]["subject"] == "default/bb"


async def test_a_follower_hears_on_after_nats_was_killed(
    api: httpx.AsyncClient, agent: PlayedAgent, nats: NatsServer
) -> None:
    await make(api, "aa")
    async with api.stream("GET", EVENTS, params={"from": "1"}) as answer:
        events = followed(answer)
        assert (await anext(events))[0] == "1"
        await nats.kill()
        assert (await api.post(f"{API}/aa/stop")).status_code == 202
        await nats.start()
        assert (await anext(events))[2]["data"]["action"] == "stop"


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"type": "workload.dreamt"},
        {"workload": "*"},
        {"follow": "perhaps"},
        {"limit": "0"},
        {"limit": "10001"},
    ],
)
async def test_a_wrong_query_is_400(api: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await api.get(EVENTS, params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
