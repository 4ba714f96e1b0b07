"""Who may connect to the proxy."""

import asyncio
import ipaddress
from pathlib import Path

import pytest
from pydantic import ValidationError

from toolhive_proxy.adapters import own_links
from toolhive_proxy.adapters.http_server import HttpServer
from toolhive_proxy.adapters.own_links import read_links
from toolhive_proxy.config import Settings
from toolhive_proxy.decisions.neighbours import may_connect, parse_networks
from toolhive_proxy.models.http import HttpLimits
from toolhive_proxy.models.links import Links
from toolhive_proxy.protocol.kernel_routes import links_of
from toolhive_proxy.services.doorkeeper import Doorkeeper

TABLE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010013AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth1\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t000013AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
LINKS = links_of(TABLE)


def test_the_kernels_table_tells_networks_and_gateways() -> None:
    assert list(map(str, LINKS.networks)) == ["172.18.0.0/16", "172.19.0.0/16"]
    assert list(map(str, LINKS.gateways)) == ["172.19.0.1"]


@pytest.mark.parametrize(
    ("peer", "may"),
    [
        ("", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("172.19.0.1", True),
        ("::ffff:172.19.0.1", True),
        ("203.0.113.9", True),
        ("172.19.0.7", False),
        ("::ffff:172.19.0.7", False),
        ("172.18.0.1", False),
        ("172.18.200.3", False),
        ("fe80::1", False),
        ("2001:db8::1", False),
    ],
)
def test_who_comes_through_the_gateway_or_from_far_may_connect_and_a_neighbour_may_not(peer: str, may: bool) -> None:
    assert may_connect(peer, LINKS, ()) is may


def test_a_neighbour_may_connect_whose_network_is_allowed() -> None:
    allowed = parse_networks("172.18.0.0/16, 2001:db8::/32,10.0.0.7")
    assert may_connect("172.18.200.3", LINKS, allowed)
    assert may_connect("2001:db8::1", LINKS, allowed)
    assert not may_connect("172.19.0.7", LINKS, allowed)
    assert parse_networks("") == parse_networks(" , ") == ()
    assert may_connect("fe80::1", LINKS, parse_networks("*"))


def test_where_the_kernel_tells_nothing_everybody_is_a_neighbour(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(own_links, "_TABLE", tmp_path / "none")
    assert not may_connect("203.0.113.9", read_links(), ())
    assert may_connect("127.0.0.1", read_links(), ())


def test_a_setting_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValidationError, match="proxy_neighbours"):
        Settings(proxy_neighbours="the workloads")
    with pytest.raises(ValidationError, match="host bits"):
        Settings(proxy_neighbours="172.18.0.7/16")


async def test_a_neighbour_is_cut_off_before_anything_is_read() -> None:
    served: list[str] = []
    here = Links((ipaddress.ip_network("10.0.0.0/8"),), frozenset())
    keeper = Doorkeeper((), lambda: here)
    server = HttpServer(
        lambda exchange: served.append(exchange.request.path),
        HttpLimits(),
        new_correlation_id=lambda given: given,
        admits=lambda peer: keeper.admits(peer.replace("127", "10")),
    )
    await server.listen("127.0.0.1", 0)
    _, port = server.addresses[0]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        assert await reader.read() == b""
    except ConnectionError:
        pass
    assert served == []
    writer.close()
    await server.stop(0)
