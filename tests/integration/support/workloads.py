"""Workloads of the tests, made and asked through the REST API."""

from typing import Any

import httpx
from mcp.types import CallToolResult, TextContent

from .stack import until

__all__ = ["created", "reaches", "ready_at", "text_of", "url_of"]


async def created(api: httpx.AsyncClient, name: str, image: str, **settings: Any) -> None:
    """Make a workload, and return when it is accepted."""
    answer = await api.post("/api/v1beta/workloads", json={"name": name, "image": image, **settings})
    assert answer.status_code == 201, answer.text


async def reaches(api: httpx.AsyncClient, name: str, status: str, *, seconds: float = 60) -> dict[str, Any]:
    """Return the listed workload as soon as it has the status."""

    async def has_it() -> dict[str, Any] | None:
        listed = (await api.get("/api/v1beta/workloads", params={"all": "true"})).json()["workloads"] or []
        found = [workload for workload in listed if workload["name"] == name]
        return found[0] if found and found[0]["status"] == status else None

    return await until(f"{name} is {status}", has_it, seconds=seconds)


async def url_of(api: httpx.AsyncClient, name: str, *, seconds: float = 60) -> str:
    """Where clients connect to."""
    return str((await reaches(api, name, "running", seconds=seconds))["url"])


async def ready_at(api: httpx.AsyncClient, name: str, *, seconds: float = 60) -> str:
    """The same, once the proxy serves it; packages that must be built take longer than a minute."""
    url = await url_of(api, name, seconds=seconds)

    async def serves() -> bool:
        async with httpx.AsyncClient() as client:
            return (await client.get(url.removesuffix("/mcp") + "/health")).status_code == 200

    await until(f"the proxy serves {name}", serves)
    return url


def text_of(result: CallToolResult) -> str:
    """What a tool answered, when it answered text."""
    block = result.content[0]
    assert isinstance(block, TextContent), block
    return block.text
