"""``/api/v1beta/workloads``."""

from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from toolhive_api.decisions.refusals import invalid
from toolhive_api.decisions.selection import parse_labels
from toolhive_api.errors import RejectedError, UnknownGroupError
from toolhive_api.factory import Parts
from toolhive_api.handlers.answers import error_text, status_of
from toolhive_api.handlers.sse import SSE_MEDIA_TYPE, frame, with_keep_alive
from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ToolHiveError
from toolhive_common.given import unknown_keys
from toolhive_common.manager import Created, RunUpdate, Selection
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.workload import (
    BulkRequest,
    CreatedWorkload,
    CreateRequest,
    WorkloadList,
    WorkloadStatusReply,
)

__all__ = ["workload_routes"]

_MAX_LOG_LINES = 10_000


def workload_routes(parts: Parts) -> APIRouter:
    """All routes of workloads."""
    routes = APIRouter(prefix="/workloads", tags=["workloads"])
    _add_bulk_routes(routes, parts)  # first: their paths would otherwise be taken for names
    _add_collection_routes(routes, parts)
    _add_single_routes(routes, parts)
    return routes


def _add_collection_routes(routes: APIRouter, parts: Parts) -> None:
    manager = parts.manager

    @routes.get("", response_model=WorkloadList)
    async def list_workloads(
        list_all: Annotated[bool, Query(alias="all")] = False,  # noqa: FBT002  # FastAPI calls by name
        group: str = "",
        labels: Annotated[list[str] | None, Query()] = None,
    ) -> Response:
        """Workloads that run, or all."""
        wanted = parse_labels(labels or ())
        if isinstance(wanted, Rejection):
            raise RejectedError(wanted)
        try:
            found = await manager.list_workloads(list_all=list_all, labels=wanted, group=group)
        except UnknownGroupError as error:
            return PlainTextResponse(f"{error.message}\n", status_code=404)
        return _json(WorkloadList(workloads=tuple(found)).to_json())

    @routes.post(
        "",
        status_code=201,
        response_model=CreatedWorkload,
        description="Makes a workload and answers when its image is there. "
        f"With `Accept: {SSE_MEDIA_TYPE}` tells the progress meanwhile.",
    )
    async def create_workload(body: CreateRequest, request: Request) -> Response:
        if unknown := unknown_keys(CreateRequest, await request.json()):
            raise RejectedError(invalid(unknown))
        updates = manager.run_workload_detached(body)
        # What is refused at once has its HTTP status in either form of the answer.
        first = await anext(updates)
        if SSE_MEDIA_TYPE in request.headers.get("accept", ""):
            return StreamingResponse(with_keep_alive(_told(first, updates)), media_type=SSE_MEDIA_TYPE)
        *_, made = [first, *[update async for update in updates]]
        assert isinstance(made, Created)  # noqa: S101  # the last update is
        return _json(made.workload.to_json(), status=201)


def _add_single_routes(routes: APIRouter, parts: Parts) -> None:
    manager = parts.manager

    @routes.get("/{name}", response_model=CreateRequest)
    async def get_workload(name: str) -> Response:
        """A workload as the request that would make it again."""
        return _json((await manager.get_request(name)).to_json())

    @routes.get("/{name}/status", response_model=WorkloadStatusReply)
    async def get_status(name: str) -> Response:
        """The state of a workload."""
        return _json(WorkloadStatusReply(status=(await manager.get_workload(name)).status).to_json())

    @routes.get("/{name}/export", response_model=RunConfig)
    async def export(name: str) -> Response:
        """A workload's RunConfig."""
        return _json((await manager.export(name)).to_file().encode())

    @routes.get("/{name}/logs", response_class=PlainTextResponse)
    async def get_logs(name: str, lines: Annotated[int, Query(ge=1, le=_MAX_LOG_LINES)] = 1000) -> PlainTextResponse:
        """The end of what the server wrote."""
        return PlainTextResponse(await manager.logs(name, lines=lines))

    @routes.post("/{name}/stop", status_code=202)
    async def stop(name: str) -> Response:
        """Stop a workload."""
        await manager.stop_workloads(Selection(names=(name,)))
        return Response(status_code=202)

    @routes.post("/{name}/restart", status_code=202)
    async def restart(name: str) -> Response:
        """Start a workload anew, a stopped one too."""
        await manager.restart_workloads(Selection(names=(name,)))
        return Response(status_code=202)

    @routes.delete("/{name}", status_code=202)
    async def delete(name: str) -> Response:
        """Stop a workload and forget it."""
        await manager.delete_workloads(Selection(names=(name,)))
        return Response(status_code=202)


def _add_bulk_routes(routes: APIRouter, parts: Parts) -> None:
    manager = parts.manager

    @routes.post("/stop", status_code=202)
    async def stop_several(body: BulkRequest) -> Response:
        """Stop workloads by name, or all of a group."""
        await manager.stop_workloads(_selection(body))
        return Response(status_code=202)

    @routes.post("/restart", status_code=202)
    async def restart_several(body: BulkRequest) -> Response:
        """Start workloads anew by name, or all of a group."""
        await manager.restart_workloads(_selection(body))
        return Response(status_code=202)

    @routes.post("/delete", status_code=202)
    async def delete_several(body: BulkRequest) -> Response:
        """Stop workloads and forget them, by name or all of a group."""
        await manager.delete_workloads(_selection(body))
        return Response(status_code=202)


def _selection(body: BulkRequest) -> Selection:
    return Selection(names=body.names, group=body.group)


def _json(body: bytes, *, status: int = 200) -> Response:
    return Response(body, status_code=status, media_type="application/json")


async def _told(first: RunUpdate, rest: AsyncIterator[RunUpdate]) -> AsyncIterator[bytes]:
    try:
        yield _frame(first)
        async for update in rest:
            yield _frame(update)
    except ToolHiveError as error:
        body = {"status": status_of(error.code), "code": str(error.code), "message": error_text(error)}
        yield frame("error", orjson.dumps(body).decode())


def _frame(update: RunUpdate) -> bytes:
    if isinstance(update, Created):
        return frame("created", update.workload.to_json().decode())
    return frame("progress", update.to_json().decode())
