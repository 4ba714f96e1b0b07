import asyncio
import json
import shutil
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from toolhive_api.adapters.database.engine import open_database
from toolhive_api.models.records import OutboxKind
from toolhive_common import subjects
from toolhive_common.access import Role
from toolhive_common.messaging.bucket import Bucket, Snapshot
from toolhive_common.messaging.bus import open_bus
from toolhive_common.schemas.state import DesiredWorkload, SyncMarker, WorkloadKey
from toolhive_common.testing.factories import a_desired
from toolhive_common.testing.nats_server import NatsServer

from .support.harness import API, IMAGE, PlayedAgent, eventually, playing_agent, running_api

pytestmark = pytest.mark.wire

KEY = WorkloadKey.default("time")
REQUEST = {"name": "time", "image": IMAGE}


async def has_status(api: httpx.AsyncClient, wanted: str, name: str = "time") -> None:
    async def check() -> bool:
        answer = await api.get(f"{API}/{name}/status")
        return (answer.json()["status"] if answer.status_code == 200 else str(answer.status_code)) == wanted

    await eventually(check)


async def is_ready(api: httpx.AsyncClient, status: int) -> None:
    async def check() -> bool:
        return (await api.get("/readyz")).status_code == status

    await eventually(check)


async def actions(api: httpx.AsyncClient) -> list[str]:
    answer = await api.get(
        "/api/v1beta/events",
        params={"follow": "false", "type": "workload.requested"},
        headers={"Accept": "application/json"},
    )
    return [item["event"]["data"]["action"] for item in answer.json()]


async def test_while_nats_is_down_a_create_is_refused_and_all_else_is_kept_for_later(
    api: httpx.AsyncClient, agent: PlayedAgent, nats: NatsServer
) -> None:
    await api.post(API, json=REQUEST)
    await has_status(api, "running")
    await nats.kill()
    await is_ready(api, 503)
    refused = await api.post(API, json={**REQUEST, "name": "hasty"})
    assert (refused.status_code, "NATS does not answer" in refused.text) == (503, True)
    assert (await api.get("/health")).status_code == 503
    assert (await api.get("/healthz")).status_code == 200
    assert (await api.get(f"{API}/time/logs")).status_code == 503
    assert (await api.post(f"{API}/time/stop")).status_code == 202
    assert (await api.post(f"{API}/time/restart")).status_code == 202
    await nats.start()
    await is_ready(api, 200)
    await has_status(api, "running")
    assert agent.seen[-1].revision > agent.seen[0].revision

    async def all_events_are_there() -> bool:
        return await actions(api) == ["run", "stop", "restart"]

    await eventually(all_events_are_there)
    assert (await api.get(f"{API}/hasty")).status_code == 404


async def test_a_create_survives_the_death_of_nats_in_its_middle(
    api: httpx.AsyncClient, agent: PlayedAgent, nats: NatsServer
) -> None:
    agent.pulling.clear()
    async with asyncio.TaskGroup() as tasks:
        creating = tasks.create_task(api.post(API, json=REQUEST))
        await has_status(api, "starting")
        await nats.kill()
        await nats.start()
        await is_ready(api, 200)
        agent.pulling.set()
    assert creating.result().status_code == 201
    await has_status(api, "running")


async def test_the_api_starts_while_nats_is_down(tmp_path: Path, nats: NatsServer) -> None:
    await nats.kill()
    async with running_api(tmp_path, nats, ready=False) as api:
        assert (await api.get(API)).json() == {"workloads": []}
        assert (await api.get("/readyz")).status_code == 503
        assert (await api.get("/api/v1beta/events")).status_code == 503
        await nats.start()
        await is_ready(api, 200)


async def test_all_is_declared_again_to_a_nats_that_lost_its_disk(
    api: httpx.AsyncClient, agent: PlayedAgent, nats: NatsServer, tmp_path: Path
) -> None:
    await api.post(API, json=REQUEST)
    await nats.kill()
    shutil.rmtree(tmp_path / "nats" / "jetstream")
    await nats.start()
    await is_ready(api, 200)
    wish = await agent.desired.get(KEY)
    assert wish is not None
    assert wish == agent.seen[0]
    assert await Bucket(agent.bus, subjects.DESIRED_BUCKET, SyncMarker).get(subjects.SYNCED_KEY) is not None


async def test_what_no_row_declares_is_taken_out_of_the_bucket(tmp_path: Path, nats: NatsServer) -> None:
    async with running_api(tmp_path, nats):
        pass
    async with open_bus(nats.settings(Role.API)) as bus:
        await bus.wait_connected()
        desired = Bucket(bus, subjects.DESIRED_BUCKET, DesiredWorkload)
        await desired.put(KEY, a_desired())
        async with running_api(tmp_path, nats):
            assert await desired.get(KEY) is None


async def test_what_was_committed_before_a_crash_is_published_after_the_start(
    tmp_path: Path, nats: NatsServer
) -> None:
    """The outbox holds a wish and its event twice, as after a death between publishing and deleting."""
    async with running_api(tmp_path, nats) as api, playing_agent(nats):
        await api.post(API, json=REQUEST)
        first = await api.get(
            "/api/v1beta/events", params={"follow": "false"}, headers={"Accept": "application/json"}
        )
    event = first.json()[0]["event"]
    async with open_database(f"sqlite+aiosqlite:///{tmp_path / 'toolhive.db'}") as database:
        async with database.transaction() as transaction:
            assert await transaction.outbox.list() == []
            await transaction.outbox.add(KEY, OutboxKind.EVENT, json.dumps(event))
            await transaction.outbox.add(KEY, OutboxKind.STATE)
        async with running_api(tmp_path, nats) as api:

            async def outbox_is_empty() -> bool:
                async with database.reading() as transaction:
                    return not await transaction.outbox.list()

            await eventually(outbox_is_empty)
            assert await actions(api) == ["run"]


async def test_an_entry_that_cannot_be_published_holds_up_its_own_workload_only(
    tmp_path: Path, nats: NatsServer
) -> None:
    async with open_database(f"sqlite+aiosqlite:///{tmp_path / 'toolhive.db'}") as database:
        async with database.transaction() as transaction:
            await transaction.outbox.add(WorkloadKey.default("other"), OutboxKind.EVENT, "no event")
            await transaction.outbox.add(WorkloadKey.default("other"), OutboxKind.STATE)
        async with running_api(tmp_path, nats) as api, playing_agent(nats):
            assert (await api.post(API, json=REQUEST)).status_code == 201
            await has_status(api, "running")
            async with database.reading() as transaction:
                assert {entry.key.name for entry in await transaction.outbox.list()} == {"other"}
                assert len(await transaction.outbox.list()) == 2


async def test_many_workloads_converge_over_repeated_deaths_of_nats(
    api: httpx.AsyncClient, agent: PlayedAgent, nats: NatsServer
) -> None:
    names = [f"w{number}" for number in range(5)]
    for name in names:
        assert (await api.post(API, json={**REQUEST, "name": name})).status_code == 201
    for _ in range(2):
        await nats.kill()
        for name in names:
            assert (await api.post(f"{API}/{name}/restart")).status_code == 202
        await nats.start()
        for name in names:
            assert (await api.post(f"{API}/{name}/stop")).status_code == 202
    for name in names:
        await has_status(api, "stopped", name)

    async def every_event_is_there() -> bool:
        return sorted(await actions(api)) == sorted(["run", "restart", "stop", "restart", "stop"] * 5)

    await eventually(every_event_is_there)
    async with aclosing(agent.desired.watch()) as changes:
        snapshot = await anext(changes)
    assert isinstance(snapshot, Snapshot)
    assert {wish.phase for wish in snapshot.values.values()} == {"stopped"}
