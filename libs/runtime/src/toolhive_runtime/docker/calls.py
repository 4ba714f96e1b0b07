"""Short calls to the engine, through the ``docker`` library in threads of our own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import docker
import docker.errors

from toolhive_runtime.docker.translation import translated_api
from toolhive_runtime.errors import EngineFault, RuntimeFailure

__all__ = ["EngineCalls"]

Result = TypeVar("Result")

_THREADS = 16
"""A stop holds one for as long as its container takes to end."""
_TIMEOUT = 60
"""Seconds within which the engine answers a short call."""
_API_VERSION = "1.41"
"""Of Docker 20.10. Newer engines and Podman 4 still speak it, and asking for it saves a call."""


class EngineCalls:
    """A pool of threads that call one engine."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="engine")
        self._client = docker.APIClient(
            base_url=f"unix://{socket}", version=_API_VERSION, timeout=_TIMEOUT, num_pools=_THREADS
        )

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
        loop = asyncio.get_running_loop()
        result: Result | None = None
        with translated_api(self.socket, refusal, missing_is_fine=missing_is_fine):
            result = await loop.run_in_executor(self._executor, partial(call, self._client))
        return result  # noqa: RET504 - None when the error was swallowed

    def close(self) -> None:
        """Give threads and connections back. Calls that still run end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._client.close()
