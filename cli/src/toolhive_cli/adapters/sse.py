"""Server-sent events as a client reads them, by the rules of the HTML standard."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

__all__ = ["SseMessage", "read_messages"]


@dataclass(frozen=True)
class SseMessage:
    """One dispatched message."""

    event: str
    data: str
    event_id: str
    """The last id the stream has given, this message's or an earlier one's."""


async def read_messages(lines: AsyncIterator[str]) -> AsyncIterator[SseMessage]:
    """Turn lines (without their ends) into messages. One that the stream breaks off is not told."""
    event, data, event_id = "", list[str](), ""
    async for line in lines:
        if not line:
            if data:
                yield SseMessage(event or "message", "\n".join(data), event_id)
            event, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            event_id = value
