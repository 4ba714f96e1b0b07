"""Version and health."""

from fastapi import APIRouter, Response

from toolhive_api.factory import Parts
from toolhive_common import __version__
from toolhive_common.observability.health import readiness

__all__ = ["health_routes", "version_routes"]


def version_routes() -> APIRouter:
    """``/version``."""
    routes = APIRouter(tags=["version"])

    @routes.get("/version")
    async def get_version() -> dict[str, str]:
        """The version of this API."""
        return {"version": __version__}

    return routes


def health_routes(parts: Parts) -> APIRouter:
    """``/health`` as in ToolHive, and ``/healthz`` and ``/readyz`` as in all our processes."""
    routes = APIRouter(tags=["system"])

    @routes.get("/health", status_code=204)
    async def get_health() -> Response:
        """204 while containers can be run; else 503 and why not."""
        await parts.agents.require(parts.agent)
        return Response(status_code=204)

    @routes.get("/healthz")
    async def get_liveness() -> dict[str, str]:
        """Whether the process works."""
        return {"status": "ok"}

    @routes.get("/readyz")
    async def get_readiness() -> Response:
        """Whether what it depends on answers."""
        outcome = await readiness(parts.checks)
        return Response(outcome.to_json(), status_code=outcome.status, media_type="application/json")

    return routes
