"""Connections to servers that cannot be made."""

import asyncio

import pytest

from toolhive_proxy.adapters.upstream_http import UpstreamHttp
from toolhive_proxy.errors import UpstreamError
from toolhive_proxy.models.routes import Origin
from toolhive_proxy.models.upstream import UpstreamLimits, UpstreamRequest, UpstreamTrouble

REQUEST = UpstreamRequest("GET", "/", b"", "", b"", safe=True)


async def failure_of(http: UpstreamHttp, origin: Origin) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        async with asyncio.timeout(5), http.request(origin, REQUEST):
            pass
    assert caught.value.trouble is UpstreamTrouble.UNREACHABLE
    return caught.value


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example"])
async def test_a_host_that_no_name_can_be_fails_at_once(host: str) -> None:
    assert "name" in (await failure_of(UpstreamHttp(UpstreamLimits()), Origin(host, 80))).detail


async def test_a_mistake_of_ours_while_connecting_is_told_to_who_waits() -> None:
    http = UpstreamHttp(UpstreamLimits(), ca_bundle="no certificate")
    found = await failure_of(http, Origin("127.0.0.1", 9, "https"))
    assert found.detail


async def test_who_waits_for_a_connection_hears_that_the_proxy_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def connect(_http: UpstreamHttp, _origin: Origin) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(UpstreamHttp, "_connected", connect)
    http = UpstreamHttp(UpstreamLimits())
    waiting = asyncio.ensure_future(failure_of(http, Origin("server", 80)))
    await begun.wait()
    http.close()
    assert (await waiting).detail == "the proxy stops"
