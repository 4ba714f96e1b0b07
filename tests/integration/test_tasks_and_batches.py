"""What one revision has and others do not: tasks of 2025-11-25, batches of 2025-03-26."""

from typing import Any

import httpx
import pytest

from .support.raw_session import RawSession, a_call, open_session
from .support.workloads import created, ready_at

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


async def a_task(session: RawSession, text: str) -> str:
    """Start a task that echoes; gives its id."""
    params = {"name": "echo", "arguments": {"text": text}, "task": {"ttl": 60000}}
    return str((await session.request("tools/call", params))["result"]["task"]["taskId"])


async def task_ids(session: RawSession) -> set[str]:
    """Ids of the tasks that a session is shown."""
    listed = await session.request("tasks/list", {})
    return {task["taskId"] for task in listed["result"]["tasks"]}


async def test_a_session_fetches_the_result_of_its_task(api: httpx.AsyncClient, talkative_server: str) -> None:
    await created(api, "tasks", talkative_server)
    async with open_session(await ready_at(api, "tasks")) as session:
        task = await a_task(session, "later")
        assert (await session.request("tasks/get", {"taskId": task}))["result"]["status"] == "completed"
        told = await session.request("tasks/result", {"taskId": task})
        assert told["result"]["content"][0]["text"] == "later"
        assert task in await task_ids(session)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel"])
async def test_a_session_reaches_no_task_of_another(
    api: httpx.AsyncClient, talkative_server: str, method: str
) -> None:
    await created(api, "tasks", talkative_server)
    url = await ready_at(api, "tasks")
    async with open_session(url) as mine, open_session(url) as other:
        task = await a_task(mine, "secret")
        answer = await other.request(method, {"taskId": task})
        assert answer.get("error", {}).get("code") == -32602, answer


async def test_a_session_is_shown_no_task_of_another(api: httpx.AsyncClient, talkative_server: str) -> None:
    await created(api, "tasks", talkative_server)
    url = await ready_at(api, "tasks")
    async with open_session(url) as mine, open_session(url) as other:
        own, foreign = await a_task(mine, "mine"), await a_task(other, "other")
        assert await task_ids(mine) == {own}
        assert await task_ids(other) == {foreign}


_BATCH: list[dict[str, Any]] = [
    a_call("echo", 1, text="first"),
    {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"},
    a_call("echo", "1", text="second"),
]


async def test_a_batch_is_answered_where_the_revision_has_batches(
    api: httpx.AsyncClient, talkative_server: str
) -> None:
    await created(api, "batch", talkative_server)
    async with open_session(await ready_at(api, "batch"), protocol="2025-03-26") as session:
        session.headers["Accept"] = "application/json"
        answer = await session.send(_BATCH)
        assert answer.status_code == 200, answer.text
        texts = {repr(message["id"]): message["result"]["content"][0]["text"] for message in answer.json()}
        assert texts == {"1": "first", "'1'": "second"}


@pytest.mark.parametrize("protocol", ["2025-06-18", "2025-11-25"])
async def test_a_batch_is_refused_where_the_revision_has_none(
    api: httpx.AsyncClient, talkative_server: str, protocol: str
) -> None:
    await created(api, "batch", talkative_server)
    async with open_session(await ready_at(api, "batch"), protocol=protocol) as session:
        answer = await session.send(_BATCH)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)
