"""Each NATS user may touch its own subjects and no others, on a real server."""

import asyncio
import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from toolhive_common.access import Role
from toolhive_common.messaging.bus import Bus, open_bus
from toolhive_common.testing.nats_server import NatsServer

PUBLISH: dict[str, set[Role]] = {
    "$KV.toolhive_desired.default.time": {Role.API},
    "$KV.toolhive_observed.default.time": {Role.API, Role.AGENT},
    "$KV.toolhive_agents.default": {Role.AGENT},
    "$KV.toolhive_handshakes.default.time": {Role.AGENT},
    "$KV.toolhive_sessions.default.time.x": {Role.AGENT},
    "$JS.API.DIRECT.GET.KV_toolhive_sessions.>": {Role.AGENT},
    "$JS.API.CONSUMER.CREATE.KV_toolhive_sessions.x.>": {Role.AGENT},
    "toolhive.events.default.time.workload.requested": {Role.API, Role.AGENT},
    "toolhive.events.default.time.container.died": {Role.AGENT},
    "toolhive.events.default.time.session.opened": {Role.PROXY, Role.AGENT},
    "toolhive.progress.default.time": {Role.AGENT},
    "toolhive.mcp.default.time.s.in": {Role.PROXY},
    "toolhive.mcp.default.time.s.out": {Role.AGENT},
    "toolhive.agent.default.logs": {Role.API},
    "$JS.API.STREAM.DELETE.TOOLHIVE_EVENTS": set(),
    "$JS.API.STREAM.CREATE.OTHER": set(),
    "$SRV.PING": set(),
    "_INBOX_api.x": set(),
}
SUBSCRIBE: dict[str, set[Role]] = {
    "_INBOX_api.>": {Role.API},
    "_INBOX_agent.>": {Role.AGENT},
    "_INBOX_proxy.>": {Role.PROXY},
    "toolhive.mcp.default.time.*.in": {Role.AGENT},
    "toolhive.mcp.default.time.s.out": {Role.PROXY},
    "toolhive.events.default.time.>": {Role.SUBSCRIBER},
    "$KV.toolhive_desired.>": set(),
    ">": set(),
}


async def _refused(bus: Bus, act: str, wanted: Iterable[str]) -> set[str]:
    """Try all; a last one that nobody may do tells when the server has judged them."""
    refused: set[str] = set()
    done = asyncio.Event()

    async def note(error: Exception) -> None:
        if found := re.search(r'"([^"]+)"', str(error)):
            refused.add(found[1])
            if found[1] == "nobody.may":
                done.set()

    bus.client._error_cb = note
    for subject in (*wanted, "nobody.may"):
        if act == "publish":
            await bus.client.publish(subject, b"{}")
        else:
            await bus.client.subscribe(subject)
    await bus.client.flush()
    async with asyncio.timeout(10):
        await done.wait()
    return {subject for subject in wanted if subject.lower() in {found.lower() for found in refused}}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("act", "table"), [("publish", PUBLISH), ("subscribe", SUBSCRIBE)], ids=["pub", "sub"])
async def test_a_role_may_do_what_it_must_and_no_more(
    nats_server: NatsServer, role: Role, act: str, table: dict[str, set[Role]]
) -> None:
    async with open_bus(nats_server.settings(role)) as bus:
        await bus.wait_connected()
        allowed = table.keys() - await _refused(bus, act, table)
    assert allowed == {subject for subject, roles in table.items() if role in roles}


async def test_a_wrong_password_is_refused(nats_server: NatsServer) -> None:
    settings = nats_server.settings(Role.API)
    wrong = type(settings)(**{**vars(settings), "password": "wrong"})
    async with open_bus(wrong) as bus:
        async with asyncio.timeout(10):
            while "authorization" not in (await bus.check()).lower():  # the library tells by callback
                await asyncio.sleep(0.02)
        assert not bus.connected


def test_the_generated_configuration_is_up_to_date() -> None:
    root = Path(__file__).parents[3]
    spec = importlib.util.spec_from_file_location("generate", root / "scripts/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (root / "deploy/nats/nats.conf").read_text() == module.nats_config()
