"""What a server in a container can reach of the stack that runs it."""

import json

import httpx
import pytest

from .support.engine import docker, inspect
from .support.stack import Stack
from .support.workloads import created, ready_at

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

_TRY = """
import json, sys
from http.client import HTTPConnection
told = {}
for url, host in json.loads(sys.argv[1]):
    address, _, rest = url.partition("/")
    try:
        connection = HTTPConnection(address, timeout=5)
        connection.request("GET", "/" + rest, headers={"host": host})
        told[url] = connection.getresponse().status
    except OSError as error:
        told[url] = type(error).__name__
print(json.dumps(told))
"""
_CUT_OFF = {"ConnectionResetError", "RemoteDisconnected"}


def tries(network: str, image: str, urls: list[str], host: str) -> dict[str, int | str]:
    """Ask from a container in a network: URL to HTTP status, or what became of the connection."""
    asked = json.dumps([(url, host) for url in urls])
    told = docker("run", "--rm", "--network", network, "--entrypoint", "python3", image, "-c", _TRY, asked)
    found: dict[str, int | str] = json.loads(told)
    return found


async def test_a_server_reaches_no_other_server_and_no_numbers_through_the_proxy(
    stack: Stack, api: httpx.AsyncClient, odd_server: str
) -> None:
    await created(api, "victim", odd_server)
    await ready_at(api, "victim")
    networks = inspect(stack.container("proxy"))["NetworkSettings"]["Networks"]
    addresses = ["proxy", *(network["IPAddress"] for network in networks.values())]
    urls = [f"{address}:{place}" for address in addresses for place in ("8081/victim/health", "9464/metrics")]
    host = stack.proxy_url.removeprefix("http://")

    workloads = stack.environment["TOOLHIVE_NETWORK"]
    found = tries(workloads, odd_server, urls, host)
    here = [f"{address}:" for address in ("proxy", networks[workloads]["IPAddress"])]
    assert {told for url, told in found.items() if url.startswith(tuple(here))} <= _CUT_OFF, found
    assert not [told for told in found.values() if isinstance(told, int)], found

    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{stack.proxy_url}/victim/health")).status_code == 200
    docker("exec", stack.container("proxy"), "python3", "/app/healthcheck.py")


async def test_a_network_that_is_let_in_reads_the_numbers_and_no_other_does(stack: Stack, odd_server: str) -> None:
    services, workloads = f"{stack.project}_services", stack.environment["TOOLHIVE_NETWORK"]
    subnet = json.loads(docker("network", "inspect", services))[0]["IPAM"]["Config"][0]["Subnet"]
    async with stack.with_settings(TOOLHIVE_PROXY_NEIGHBOURS=subnet):
        assert tries(services, odd_server, ["proxy:9464/metrics"], "proxy") == {"proxy:9464/metrics": 200}
        [refused] = tries(workloads, odd_server, ["proxy:9464/metrics"], "proxy").values()
        assert refused in _CUT_OFF
