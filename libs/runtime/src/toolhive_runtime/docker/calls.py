"""Short calls to the engine, through the ``docker`` library in threads of our own."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import docker
import docker.errors

from toolhive_runtime.decisions.engine_answers import EngineVersion, engine_version
from toolhive_runtime.docker.socket_stream import ask
from toolhive_runtime.docker.translation import translated_api
from toolhive_runtime.errors import EngineFault, RuntimeFailure

__all__ = ["EngineCalls", "ask_version"]

Result = TypeVar("Result")

_THREADS = 16
"""A stop holds one for as long as its container takes to end."""
_TIMEOUT = 60
"""Seconds within which the engine answers a short call."""
_OK = 200


async def ask_version(socket: str) -> EngineVersion:
    """Ask an engine who it is: the cheapest check that it answers.

    Raises
    ------
    RuntimeFailure
        It does not, or not to us.
    """
    async with ask(socket, "GET", "/version") as answer:
        if answer.status != _OK:
            raise EngineFault(answer.status, await answer.message())
        return engine_version(json.loads(await answer.reader.read()))


class EngineCalls:
    """A pool of threads that call one engine."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="engine")
        self._version: EngineVersion | None = None
        self._client: docker.APIClient | None = None

    async def version(self) -> EngineVersion:
        """Who the engine is, asked once."""
        if self._version is None:
            self._version = await ask_version(self.socket)
        return self._version

    async def run(
        self,
        call: Callable[[docker.APIClient], Result],
        refusal: Callable[[int, str], RuntimeFailure] = EngineFault,
        *,
        missing_is_fine: bool = False,
    ) -> Result | None:
        """Run a call in a thread; ``None`` when what it is about is missing and may be.

        Raises
        ------
        RuntimeFailure
            What ``refusal`` makes of the engine's answer, or why there is none.
        """
        # In the engine's own version of the API: old ones are dropped sooner or later, and ours need nothing special.
        api = (await self.version()).api
        if self._client is None:
            self._client = docker.APIClient(
                base_url=f"unix://{self.socket}", version=api, timeout=_TIMEOUT, num_pools=_THREADS
            )
        loop = asyncio.get_running_loop()
        result: Result | None = None
        with translated_api(self.socket, refusal, missing_is_fine=missing_is_fine):
            result = await loop.run_in_executor(self._executor, partial(call, self._client))
        return result  # noqa: RET504 - None when the error was swallowed

    def close(self) -> None:
        """Give threads and connections back. Calls that still run end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()
