"""Lifecycle events as a program of the user's reads them."""

from collections.abc import Iterable, Sequence
from typing import Any

import httpx

__all__ = ["events_of", "in_order", "types_of"]


async def events_of(api: httpx.AsyncClient, workload: str) -> Sequence[dict[str, Any]]:
    """All recorded events of a workload, oldest first."""
    answer = await api.get(
        "/api/v1beta/events",
        params={"workload": workload, "follow": "false"},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    return [stored["event"] for stored in answer.json()]


def types_of(events: Iterable[dict[str, Any]]) -> list[str]:
    """What happened, in order."""
    return [event["type"] for event in events]


def in_order(wanted: Sequence[str], happened: Sequence[str]) -> bool:
    """Whether all of the wanted happened in that order, whatever else did in between."""
    rest = iter(happened)
    return all(any(step == found for found in rest) for step in wanted)
