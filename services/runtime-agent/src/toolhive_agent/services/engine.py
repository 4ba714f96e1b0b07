"""The container engine, which may not be there yet, or not any more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import structlog

from toolhive_agent.decisions.containers import agent_labels
from toolhive_common.errors import ErrorCode, ToolHiveError
from toolhive_runtime.runtime import ContainerEvent, Runtime

__all__ = ["Engine"]

_log = structlog.get_logger(__name__)
_STARTING = "the agent has not asked the container engine yet; try again in a moment"


class Engine:
    """Finds the engine, keeps it, and knows whether it answers.

    Parameters
    ----------
    detect
        Finds an engine. Asked until there is one; from then on it is that one, so that workloads never move to
        another engine while theirs is restarted.
    agent
        Name of the agent, whose containers' events are told.
    """

    def __init__(self, detect: Callable[[], Awaitable[Runtime]], agent: str) -> None:
        self._detect = detect
        self._labels = agent_labels(agent)
        self._runtime: Runtime | None = None
        self._lock = asyncio.Lock()
        self.version = ""
        """Name and version, while it answers."""
        self.problem = _STARTING
        """Why nothing can run right now, and what to do; empty when it can."""
        self.problem_code: ErrorCode | None = ErrorCode.ENGINE_UNREACHABLE

    async def runtime(self) -> Runtime:
        """The engine's interface.

        Raises
        ------
        ToolHiveError
            No engine was found so far.
        """
        async with self._lock:
            if self._runtime is None:
                self._runtime = await self._detect()
            return self._runtime

    async def check(self) -> bool:
        """Ask whether it answers; returns whether it does so again after it did not."""
        try:
            async with asyncio.timeout(10):
                self.version = await (await self.runtime()).describe()
        except TimeoutError:
            self._note("the container engine takes longer than 10 seconds to answer; check its load and its log")
            return False
        except ToolHiveError as error:
            self._note(error.message, error.code)
            return False
        back = bool(self.problem)
        if back:
            _log.info("the container engine answers", engine=self.version)
        self.problem, self.problem_code = "", None
        return back

    def _note(self, problem: str, code: ErrorCode = ErrorCode.ENGINE_UNREACHABLE) -> None:
        if problem != self.problem:
            _log.warning("the container engine cannot be used", cause=problem)
        self.version, self.problem, self.problem_code = "", problem, code

    async def health(self) -> str:
        """Health check: empty while the engine answers."""
        return self.problem

    async def events(self) -> AsyncIterator[ContainerEvent | None]:
        """Changes of the agent's containers, for ever. ``None`` = some may have been missed: look at all."""
        pause, told = 1.0, ""
        while True:
            try:
                # From here on the engine notes events, so nothing falls between looking and listening.
                stream = (await self.runtime()).events(self._labels)
                yield None
                async with aclosing(stream) as events:  # type: ignore[type-var]  # it is a generator
                    async for event in events:
                        pause, told = 1.0, ""
                        yield event
            except ToolHiveError as error:
                log = _log.debug if error.message == told else _log.info  # an engine may be away for days
                log("listening to the container engine again", cause=error.message)
                told = error.message
            except Exception:  # noqa: BLE001  # the top of the loop: an odd event must not end the agent
                _log.exception("an event of the container engine could not be read; listening again")
            await self.check()
            await asyncio.sleep(pause)
            pause = min(pause * 2, 10.0)

    async def close(self) -> None:
        """Let go of the engine."""
        if self._runtime is not None:
            await self._runtime.close()
