"""Six official clients on one stdio server, all counting their requests from the same number: each gets its own."""

from typing import Any

import httpx
import pytest

from .support.clients import CLIENTS, conversation
from .support.workloads import created, ready_at

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

_FRONTS = ("http", "sse")


def at_front(url: str, front: str) -> str:
    """The same workload's address for the front."""
    return url.removesuffix("/mcp") + ("/sse" if front == "sse" else "/mcp")


@pytest.mark.parametrize("front", _FRONTS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_each_gets_its_own_answers_and_all_of_its_progress(
    api: httpx.AsyncClient, talkative_server: str, client: str, front: str
) -> None:
    await created(api, "shared", talkative_server)
    url = at_front(await ready_at(api, "shared"), front)
    told = await conversation(client, url, front, "calls")
    assert told == [
        {
            "name": f"client-{number}",
            "answers": [f"client-{number} {call}" for call in range(10)],
            "progress": [f"client-{number} {step}" for step in range(1, 6)],
        }
        for number in range(6)
    ]


def asked_as(name: str) -> dict[str, Any]:
    """What a client of that name answers to each kind of question."""
    return {
        "sampling/createMessage": {"role": "assistant", "content": {"type": "text", "text": name}, "model": "test"},
        "elicitation/create": {"action": "accept", "content": {"who": name}},
        "roots/list": {"roots": [{"uri": f"file:///{name}"}]},
    }


@pytest.mark.parametrize("front", _FRONTS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_with_a_process_for_each_the_server_can_ask_each_of_them(
    api: httpx.AsyncClient, talkative_server: str, client: str, front: str
) -> None:
    await created(api, "single", talkative_server, stdio_process="per-session")
    url = at_front(await ready_at(api, "single"), front)
    told = await conversation(client, url, front, "asks")
    assert told == [{"name": f"client-{number}", "asked": asked_as(f"client-{number}")} for number in range(6)]
