"""Short calls to a cluster's API, in threads of our own.

They go without the ``kubernetes`` library: there is a proxy for every workload, and its models of all that a
cluster can have would take more memory than the rest of it. What is asked here needs none of them.
"""

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from urllib3 import PoolManager

from toolhive_runtime.kubernetes.access import Access
from toolhive_runtime.kubernetes.translation import refusal, translated_calls

__all__ = ["ClusterCalls", "Request"]

_THREADS = 4
_TIMEOUT = 30
"""Seconds within which a cluster answers a short call."""
_MISSING = 404
_WELL = range(200, 300)


@dataclass(frozen=True)
class Request:
    """What is asked of the API."""

    method: str
    path: str
    doing: str
    """In words, for whoever reads that it failed."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content_type: str = "application/json"


class ClusterCalls:
    """A pool of threads that call one cluster."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._pool = PoolManager(
            maxsize=_THREADS, block=True, ssl_context=access.tls, timeout=_TIMEOUT, retries=False
        )
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="cluster")

    async def run(self, request: Request) -> dict[str, Any] | None:
        """Make a call in a thread; ``None`` when what it is about is not there.

        Raises
        ------
        RuntimeFailure
            Why the cluster refused, or why there is no answer.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._call, request)

    def _call(self, request: Request) -> dict[str, Any] | None:
        headers = {"accept": "application/json", "content-type": request.content_type}
        body = None if request.body is None else json.dumps(request.body)
        url = self._access.server + request.path + ("?" + urlencode(request.query) if request.query else "")
        with translated_calls(self._access.server):
            headers |= self._access.headers()
            answer = self._pool.request(request.method, url, headers=headers, body=body)
        if answer.status == _MISSING:
            return None
        if answer.status not in _WELL:
            raise refusal(answer.status, answer.data, doing=request.doing)
        found: dict[str, Any] = json.loads(answer.data)
        return found

    def close(self) -> None:
        """Give threads and connections back. Calls that still run end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._pool.clear()
