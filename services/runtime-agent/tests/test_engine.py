"""The engine as the agent sees it."""

import asyncio
from contextlib import aclosing

from structlog.testing import capture_logs

from toolhive_agent.services.engine import Engine
from toolhive_runtime.errors import EngineUnreachableError
from toolhive_runtime.runtime import Runtime


async def test_an_engine_that_stays_away_fills_no_log() -> None:
    attempts, often = 0, asyncio.Event()

    async def detect() -> Runtime:
        nonlocal attempts
        attempts += 1
        if attempts >= 4:  # two rounds: each listens and then asks for its health
            often.set()
        raise EngineUnreachableError("/nowhere", "x" * 500)

    async def listen(engine: Engine) -> None:
        async with aclosing(engine.events()) as events:  # type: ignore[type-var]  # it is a generator
            async for _ in events:
                pass

    with capture_logs() as lines:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            listening = group.create_task(listen(Engine(detect, "default")))
            await often.wait()
            listening.cancel()
    again = [line["log_level"] for line in lines if line["event"].startswith("listening to")]
    assert again == ["info", "debug"]
