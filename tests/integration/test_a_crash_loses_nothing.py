"""SIGKILL of every process while ten workloads come and go: in the end all agree, and every event was told."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator

import httpx
import pytest

from .support.engine import containers_of
from .support.events import events_of, in_order, types_of
from .support.stack import SERVICES, Stack, until
from .support.workloads import reaches

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

WORKLOADS = [f"crash-{number}" for number in range(10)]


async def _insist(api: httpx.AsyncClient, method: str, path: str, accepted: set[int], **request: object) -> None:
    """Repeat a request until it is accepted, as a client does whose server went away in the middle."""

    async def asked() -> bool:
        answer = await api.request(method, path, timeout=90, **request)  # type: ignore[arg-type]
        assert answer.status_code in accepted or answer.status_code >= 500, answer.text
        return answer.status_code in accepted

    await until(f"{method} {path} is accepted", asked, seconds=240)


async def _is_gone(api: httpx.AsyncClient, name: str) -> None:
    async def gone() -> bool:
        return (await api.get(f"/api/v1beta/workloads/{name}")).status_code == 404

    await until(f"{name} is gone", gone, seconds=240)


async def _live(api: httpx.AsyncClient, name: str, image: str) -> None:
    """Run, stop, restart, and for every second one delete."""
    # 409: an earlier try was accepted, and its answer lost.
    body = {"name": name, "image": image}
    await _insist(api, "POST", "/api/v1beta/workloads", {201, 409}, json=body)
    await reaches(api, name, "running", seconds=240)
    await _insist(api, "POST", f"/api/v1beta/workloads/{name}/stop", {202})
    await reaches(api, name, "stopped", seconds=240)
    await _insist(api, "POST", f"/api/v1beta/workloads/{name}/restart", {202})
    await reaches(api, name, "running", seconds=240)
    if int(name[-1]) % 2:
        await _insist(api, "DELETE", f"/api/v1beta/workloads/{name}", {202, 404})
        await _is_gone(api, name)


async def _kill_in_turn(stack: Stack, done: asyncio.Event) -> int:
    """Kill one service after the other, each twice at least, until the work is done."""
    kills = 0
    while not done.is_set() or kills < 2 * len(SERVICES):
        stack.sigkill(SERVICES[kills % len(SERVICES)])
        kills += 1
        await asyncio.sleep(2.5)
    return kills


async def _follow(stack: Stack, seen: dict[str, list[str]], done: asyncio.Event) -> None:
    """Subscribe as a user's program does: reconnect with the last id that it saw."""
    last_id = "0"
    while not done.is_set():
        try:
            async with httpx.AsyncClient(base_url=stack.api_url, timeout=httpx.Timeout(5, read=5)) as client:
                async for event_id, data in _sse(client, last_id):
                    last_id = event_id
                    event = json.loads(data)
                    seen[event["subject"].removeprefix("default/")].append(event["id"])
                    if done.is_set():
                        return
        except (httpx.TransportError, httpx.HTTPStatusError):
            await asyncio.sleep(0.2)


async def _sse(client: httpx.AsyncClient, last_id: str) -> AsyncIterator[tuple[str, str]]:
    request = client.stream("GET", "/api/v1beta/events", headers={"Last-Event-ID": last_id})
    async with request as answer:
        answer.raise_for_status()
        event_id = ""
        async for line in answer.aiter_lines():
            if line.startswith("id:"):
                event_id = line.removeprefix("id:").strip()
            elif line.startswith("data:"):
                yield event_id, line.removeprefix("data:").strip()


async def test_ten_workloads_survive_the_sigkill_of_every_service(
    stack: Stack, api: httpx.AsyncClient, odd_server: str
) -> None:
    seen: dict[str, list[str]] = defaultdict(list)
    worked, read = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        killer = group.create_task(_kill_in_turn(stack, worked))
        follower = group.create_task(_follow(stack, seen, read))
        async with asyncio.TaskGroup() as lives:
            for name in WORKLOADS:
                lives.create_task(_live(api, name, odd_server))
        worked.set()
        assert await killer >= 2 * len(SERVICES)
        await stack.ready()
        kept = [name for name in WORKLOADS if not int(name[-1]) % 2]
        for name in kept:
            await reaches(api, name, "running", seconds=120)

        async def agree() -> bool:
            return list(containers_of(stack.agent, running=True)) == kept == list(containers_of(stack.agent))

        await until("declared and observed agree", agree, seconds=60)
        recorded = {name: await events_of(api, name) for name in WORKLOADS}

        async def all_told() -> bool:
            return all({event["id"] for event in recorded[name]} <= set(seen[name]) for name in WORKLOADS)

        await until("the subscriber has every event", all_told, seconds=60)
        read.set()
        follower.cancel()
    for name in WORKLOADS:
        happened = types_of(recorded[name])
        wanted = [
            *("workload.starting", "workload.running", "workload.stopping", "workload.stopped"),
            *("workload.starting", "workload.running"),
            *(["workload.removed"] if int(name[-1]) % 2 else []),
        ]
        assert in_order(wanted, happened), (name, happened)
        actions = {event["data"]["action"] for event in recorded[name] if event["type"] == "workload.requested"}
        assert actions >= {"run", "stop", "restart"}, name
        ids = [event["id"] for event in recorded[name]]
        assert len(ids) == len(set(ids)), f"{name}: an event is stored twice"


async def test_nats_being_down_is_said_and_wishes_are_kept(
    stack: Stack, api: httpx.AsyncClient, odd_server: str
) -> None:
    await _insist(api, "POST", "/api/v1beta/workloads", {201}, json={"name": "patient", "image": odd_server})
    await reaches(api, "patient", "running")
    stack.compose("stop", "nats")
    try:

        async def noticed() -> bool:
            return (await api.get("/readyz")).status_code == 503

        await until("the API notices", noticed)
        refused = await api.post("/api/v1beta/workloads", json={"name": "hasty", "image": odd_server})
        assert (refused.status_code, "NATS" in refused.text) == (503, True)
        assert (await api.post("/api/v1beta/workloads/patient/stop")).status_code == 202
    finally:
        stack.compose("start", "nats")
    await stack.ready()
    await reaches(api, "patient", "stopped")
    assert (await api.get("/api/v1beta/workloads/hasty")).status_code == 404
    assert "workload.stopped" in types_of(await events_of(api, "patient"))
