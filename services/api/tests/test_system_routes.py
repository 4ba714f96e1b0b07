from pathlib import Path

import httpx

from toolhive_common import __version__
from toolhive_common.testing.nats_server import NatsServer

from .support.harness import running_api


async def test_the_version_is_told(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1beta/version")).json() == {"version": __version__}


async def test_health_is_told(api: httpx.AsyncClient) -> None:
    assert (await api.get("/healthz")).json() == {"status": "ok"}
    assert (await api.get("/readyz")).json() == {"status": "ok", "problems": {}}


async def test_the_description_of_the_api_names_toolhives_paths(api: httpx.AsyncClient) -> None:
    described = (await api.get("/api/openapi.json")).json()["paths"]
    assert {
        "/api/v1beta/version": {"get"},
        "/api/v1beta/events": {"get"},
        "/api/v1beta/workloads": {"get", "post"},
        "/api/v1beta/workloads/stop": {"post"},
        "/api/v1beta/workloads/restart": {"post"},
        "/api/v1beta/workloads/delete": {"post"},
        "/api/v1beta/workloads/{name}": {"get", "delete"},
        "/api/v1beta/workloads/{name}/status": {"get"},
        "/api/v1beta/workloads/{name}/stop": {"post"},
        "/api/v1beta/workloads/{name}/restart": {"post"},
        "/api/v1beta/workloads/{name}/logs": {"get"},
        "/api/v1beta/workloads/{name}/export": {"get"},
        "/health": {"get"},
        "/healthz": {"get"},
        "/readyz": {"get"},
    } == {path: set(methods) for path, methods in described.items()}
    assert (await api.get("/api/doc")).status_code == 200


async def test_the_description_can_be_switched_off(tmp_path: Path, nats: NatsServer) -> None:
    async with running_api(tmp_path, nats, openapi=False) as api:
        assert (await api.get("/api/openapi.json")).status_code == 404
        assert (await api.get("/api/doc")).status_code == 404
