"""Counts a request when it comes, and its answer when that is over."""

from collections.abc import Callable

from toolhive_proxy.decisions.method_kind import method_kind
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Exchange
from toolhive_proxy.models.messages import Batch, Message
from toolhive_proxy.models.metrics import WorkloadMetrics

__all__ = ["Counting"]


class Counting:
    """One request under way.

    Parameters
    ----------
    context
        Says what the request was, once it passed the parser; ``None`` for a workload that cannot be called.
    clock
        Seconds, of any steady clock.
    """

    __slots__ = ("_clock", "_context", "_http_method", "_metrics", "_started")

    def __init__(
        self,
        exchange: Exchange,
        metrics: WorkloadMetrics,
        clock: Callable[[], float],
        context: RequestContext | None = None,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._context = context
        request = exchange.request
        self._http_method = request.method
        self._started = clock()
        metrics.begin(len(request.body))
        exchange.on_done(self._done)

    def _done(self, status: int, sent: int) -> None:
        self._metrics.finish(self._kind(), status, seconds=self._clock() - self._started, sent=sent)

    def _kind(self) -> str:
        message = self._context.message if self._context is not None else None
        if isinstance(message, Message):
            return method_kind(self._http_method, message.method)
        if isinstance(message, Batch):
            return "batch"
        return "other" if self._http_method == "POST" else method_kind(self._http_method, "")
