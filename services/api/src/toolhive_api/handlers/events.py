"""``/api/v1beta/events``: the log of lifecycle events."""

from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from toolhive_api.decisions.event_place import parse_place
from toolhive_api.errors import RejectedError
from toolhive_api.factory import Parts
from toolhive_api.handlers.sse import SSE_MEDIA_TYPE, frame, with_keep_alive
from toolhive_api.models.verdicts import Rejection
from toolhive_api.services.event_stream import EventQuery
from toolhive_common.messaging.events import StoredEvent
from toolhive_common.names import check_workload_name
from toolhive_common.schemas.events import EventType

__all__ = ["event_routes"]

_PAGE = 1000
_MAX_PAGE = 10_000


def event_routes(parts: Parts) -> APIRouter:
    """The route of events."""
    routes = APIRouter(tags=["events"])

    @routes.get("/events")
    async def read_events(
        request: Request,
        workload: str = "",
        namespace: str = "",
        event_type: Annotated[EventType | None, Query(alias="type")] = None,
        start: Annotated[str, Query(alias="from", description="Sequence number, or RFC 3339 time")] = "",
        follow: bool = True,  # noqa: FBT001, FBT002  # FastAPI calls by name
        limit: Annotated[
            int, Query(ge=1, le=_MAX_PAGE, description="Events of one answer at most; for `follow=false`")
        ] = _PAGE,
        last_event_id: Annotated[str, Header()] = "",
    ) -> Response:
        """Events as server-sent events; with `Accept: application/json` and `follow=false` as an array.

        With `follow=false` an answer ends after `limit` events. One that holds as many as that may have been cut:
        the next page begins at `from=<last sequence + 1>`.
        """
        query = _query(
            workload, namespace, event_type=event_type, start=start, last_event_id=last_event_id, follow=follow
        )
        place = await parts.events.first_place(query)
        if follow:
            return _stream(_frames(parts.events.follow(query, place)))
        found = await parts.events.stored(query, place, limit=limit)
        if "application/json" in request.headers.get("accept", ""):
            return Response(_array(found), media_type="application/json")
        return Response(b"".join(map(_frame, found)), media_type=SSE_MEDIA_TYPE)

    return routes


def _query(
    workload: str, namespace: str, *, event_type: EventType | None, start: str, last_event_id: str, follow: bool
) -> EventQuery:
    for name in (workload, namespace):
        if name:  # it becomes part of a subject filter
            check_workload_name(name)
    place = parse_place(start, last_event_id, follow=follow)
    if isinstance(place, Rejection):
        raise RejectedError(place)
    return EventQuery(place=place, namespace=namespace or None, workload=workload or None, event_type=event_type)


def _stream(frames: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(
        with_keep_alive(frames), media_type=SSE_MEDIA_TYPE, headers={"Cache-Control": "no-cache"}
    )


async def _frames(events: AsyncIterator[StoredEvent]) -> AsyncIterator[bytes]:
    async for stored in events:
        yield _frame(stored)


def _frame(stored: StoredEvent) -> bytes:
    return frame(str(stored.event.type), stored.event.to_json().decode(), str(stored.sequence))


def _array(found: list[StoredEvent]) -> bytes:
    return orjson.dumps(
        [{"sequence": stored.sequence, "event": stored.event.model_dump(mode="json")} for stored in found]
    )
