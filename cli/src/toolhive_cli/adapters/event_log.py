"""Lifecycle events of the API, read as a stream that survives broken connections."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from pydantic import ValidationError

from toolhive_cli.adapters.api_client import QUIET_READ, ApiClient
from toolhive_cli.adapters.sse import read_messages
from toolhive_cli.errors import ApiRefusedError, ApiUnreachableError, UnexpectedAnswerError
from toolhive_common.schemas.events import LifecycleEvent

__all__ = ["EventLog"]

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_PAGE = 1000
"""Events that are asked for at a time, when not following."""
_FIRST_SERVER_ERROR = 500


class EventLog:
    """The events of one API.

    Parameters
    ----------
    api
        Where to ask.
    tell
        Is given a line when the connection is lost and when it is back.
    """

    def __init__(self, api: ApiClient, tell: Callable[[str], None]) -> None:
        self._api = api
        self._tell = tell
        self._last_id = ""
        self._connected = False
        self._received = 0

    async def read(self, filters: Mapping[str, str], *, follow: bool) -> AsyncGenerator[LifecycleEvent]:
        """Give the events that fit, oldest first; with ``follow``, go on for ever.

        Without ``follow``, page after page is read until the end. With it, a lost connection is made again from the
        last event that was seen, so that none is missed.

        Raises
        ------
        ApiUnreachableError, ApiRefusedError, UnexpectedAnswerError
            With ``follow``, at the first connection only.
        """
        async with aclosing(self._followed(filters) if follow else self._stored(filters)) as events:
            async for event in events:
                yield event

    async def _stored(self, filters: Mapping[str, str]) -> AsyncGenerator[LifecycleEvent]:
        """Read page after page; one that is not full, or leads no further, is the last."""
        before = None
        while before is None or (self._received >= _PAGE and self._last_id != before):
            before = self._last_id
            async with aclosing(self._connection(filters, follow=False)) as events:
                async for event in events:
                    yield event

    async def _followed(self, filters: Mapping[str, str]) -> AsyncGenerator[LifecycleEvent]:
        pause = _FIRST_PAUSE
        while True:
            try:
                async with aclosing(self._connection(filters, follow=True)) as events:
                    async for event in events:
                        pause = _FIRST_PAUSE
                        yield event
                problem = "the API ended it"
            except (ApiUnreachableError, ApiRefusedError, UnexpectedAnswerError) as error:
                refused = isinstance(error, ApiRefusedError) and error.status < _FIRST_SERVER_ERROR
                if not self._connected or refused:
                    raise
                problem = error.message
            self._tell(f"The stream of events broke off, trying again in {pause:.0f} s: {problem}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _connection(self, filters: Mapping[str, str], *, follow: bool) -> AsyncGenerator[LifecycleEvent]:
        params = {**filters, **({"follow": "true"} if follow else {"follow": "false", "limit": str(_PAGE)})}
        headers = {"Accept": "text/event-stream"}
        if self._last_id:
            params.pop("from", None)
            headers["Last-Event-ID"] = self._last_id
        async with self._api.open("GET", "/events", params=params, headers=headers, limits=QUIET_READ) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise UnexpectedAnswerError(self._api.url, "its events are no event stream")
            self._connected = True
            self._received = 0
            async for message in read_messages(self._api.lines(response)):
                self._received += 1
                self._last_id = message.event_id or self._last_id
                event = _event(message.data)
                if event is not None:
                    yield event


def _event(data: str) -> LifecycleEvent | None:
    """Read an event. One of a type that a newer API knows is passed over, so that it stops nobody."""
    try:
        return LifecycleEvent.from_json(data)
    except ValidationError:
        return None
