"""The HTTP application."""

from collections.abc import Collection

from fastapi import APIRouter, FastAPI

from toolhive_api.factory import Parts
from toolhive_api.handlers.answers import add_error_answers
from toolhive_api.handlers.events import event_routes
from toolhive_api.handlers.system import health_routes, version_routes
from toolhive_api.handlers.workloads import workload_routes
from toolhive_api.middleware.body_limit import BodyLimit
from toolhive_api.middleware.origin import OriginCheck
from toolhive_api.middleware.request_id import RequestId
from toolhive_common import __version__
from toolhive_common.origin import OriginRule

__all__ = ["create_app"]


def create_app(parts: Parts, *, openapi: bool = True, allowed_hosts: Collection[str] = ()) -> FastAPI:
    """Put the routes together.

    Parameters
    ----------
    openapi
        Whether to serve the description of the API and its reader.
    allowed_hosts
        Names that clients may call this API by, besides those of the own machine.
    """
    app = FastAPI(
        title="ToolHive for Python",
        version=__version__,
        openapi_url="/api/openapi.json" if openapi else None,
        docs_url="/api/doc" if openapi else None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api = APIRouter(prefix="/api/v1beta")
    for routes in (version_routes(), workload_routes(parts), event_routes(parts)):
        api.include_router(routes)
    app.include_router(api)
    app.include_router(health_routes(parts))
    add_error_answers(app)
    # The last one added is the first one that a request meets.
    app.add_middleware(BodyLimit)
    app.add_middleware(OriginCheck, rule=OriginRule.for_hosts(allowed_hosts))
    app.add_middleware(RequestId)
    return app
