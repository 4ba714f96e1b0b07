"""What the proxy goes on with when the buckets tell less than they did."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toolhive_common import subjects
from toolhive_common.messaging.topology import ensure_topology
from toolhive_common.schemas.state import SyncMarker, WorkloadKey
from toolhive_common.testing.nats_server import NatsServer
from toolhive_proxy.decisions.snapshots import is_whole, merged

from .conftest import Fleet, Proxy, call, eventually

FIRST, SECOND = (SyncMarker(synced_at=datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2))


async def is_served(proxy: Proxy, session: str) -> bool:
    answer = await proxy.post("time", call("echo", text="on"), mcp_session_id=session)
    return answer.status_code == 200


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        (FIRST, FIRST, True),
        (None, None, False),
        (None, FIRST, False),
        (FIRST, None, False),
        (FIRST, SECOND, False),
    ],
)
def test_only_the_same_marker_before_and_after_makes_a_look_whole(
    *, before: SyncMarker | None, after: SyncMarker | None, whole: bool
) -> None:
    assert is_whole(before, after) is whole


def test_what_is_missing_is_gone_only_from_a_whole_bucket() -> None:
    known = {"a": 1, "b": 1, "c": 1}
    assert merged(known, {"a": 2}, {"b"}, whole=True) == {"a": 2, "b": 1}
    assert merged(known, {"a": 2}, {"b"}, whole=False) == {"a": 2, "b": 1, "c": 1}


async def test_a_nats_server_that_lost_its_disk_ends_no_session(
    fleet: Fleet, proxy: Proxy, nats: NatsServer, tmp_path: Path
) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    generation = fleet.api.generation
    await nats.kill()
    shutil.rmtree(tmp_path / "jetstream")
    await nats.start()
    await fleet.api.wait_reconnected(generation)
    await ensure_topology(fleet.api, events_kept=timedelta(days=1))
    await fleet.stdio("other")
    await proxy.until("other", 200)  # so it has looked at the empty buckets
    assert (await proxy.http.get("/time/health")).status_code == 503
    await fleet.declare("time")
    await fleet.observe("time", attachment="first")
    await eventually(lambda: is_served(proxy, session))


async def test_a_declaration_of_a_later_version_leaves_the_workload_as_it_was(
    fleet: Fleet, proxy: Proxy, nats: NatsServer
) -> None:
    await fleet.stdio("time")
    await proxy.until("time", 200)
    session = await proxy.open_session("time")
    store = await fleet.api.jetstream.key_value(subjects.DESIRED_BUCKET)
    for name in ("time", "newer"):
        await store.put(subjects.bucket_key(WorkloadKey.default(name)), b'{"of":"a later version"}')
    generation = fleet.api.generation
    await nats.kill()
    await nats.start()
    await fleet.api.wait_reconnected(generation)
    await proxy.until_shut("newer", "upgrade the proxy")  # known from a look at all keys only
    await eventually(lambda: is_served(proxy, session))
