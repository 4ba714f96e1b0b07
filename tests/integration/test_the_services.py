"""What holds for each service of the stack: no root, health told, an end without loss when asked to."""

import json

import httpx
import pytest

from .support.engine import docker, inspect
from .support.stack import SERVICES, Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

OURS = [service for service in SERVICES if service != "nats"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_rights_that_it_does_not_need(stack: Stack, service: str) -> None:
    facts = inspect(stack.container(service))
    assert facts["Config"]["User"] not in {"", "root", "0"}
    assert facts["HostConfig"]["CapDrop"] == ["ALL"]
    assert facts["HostConfig"]["ReadonlyRootfs"]
    assert "no-new-privileges:true" in facts["HostConfig"]["SecurityOpt"]


async def test_health_and_readiness_are_told(stack: Stack) -> None:
    async with httpx.AsyncClient() as client:
        for url in (stack.api_url, stack.proxy_url):
            for path in ("/healthz", "/readyz"):
                assert (await client.get(url + path)).status_code == 200, url + path
    assert stack.healthy("runtime-agent")


@pytest.mark.parametrize("service", OURS)
def test_logs_are_json_and_name_their_service(stack: Stack, service: str) -> None:
    lines = [json.loads(line) for line in stack.logs(service).splitlines()]
    assert {line["service"] for line in lines} == {service}


@pytest.mark.parametrize("service", OURS)
async def test_a_service_ends_well_when_it_is_asked_to(stack: Stack, service: str) -> None:
    container = stack.container(service)
    docker("stop", "--time", "20", container)
    try:
        assert inspect(container)["State"]["ExitCode"] == 0, stack.logs(service)[-2000:]
        assert "Traceback" not in stack.logs(service)
    finally:
        docker("start", container)
        await stack.ready()
