"""``/healthz`` and ``/readyz`` for every process.

Healthy means: the process works, do not restart it. Ready means: what it depends on answers, send it work.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Check", "HealthApp", "Readiness", "readiness"]

Check = Callable[[], Awaitable[str]]
"""Answers with an empty string, or with the sentence that says what is wrong."""


@dataclass(frozen=True)
class Readiness:
    """Outcome of all checks."""

    problems: Mapping[str, str]
    """Name of each failed check to what is wrong."""

    @property
    def status(self) -> int:
        """HTTP status that says the same."""
        return 503 if self.problems else 200

    def to_json(self) -> bytes:
        """Body that says the same."""
        return orjson.dumps({"status": "unavailable" if self.problems else "ok", "problems": dict(self.problems)})


async def readiness(checks: Mapping[str, Check]) -> Readiness:
    """Run all checks."""
    outcomes = {name: await check() for name, check in checks.items()}
    return Readiness({name: problem for name, problem in outcomes.items() if problem})


class HealthApp:
    """An ASGI application of these two paths, for a process that serves no other HTTP."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def __call__(
        self,
        scope: Mapping[str, Any],
        _receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Serve one request; other paths are 404."""
        if scope["type"] != "http":
            return
        status, body = await self._answer(scope["path"])
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, path: str) -> tuple[int, bytes]:
        match path:
            case "/healthz":
                return 200, b'{"status":"ok"}'
            case "/readyz":
                outcome = await readiness(self._checks)
                return outcome.status, outcome.to_json()
            case _:
                return 404, b'{"error":"not found; there are /healthz and /readyz"}'
