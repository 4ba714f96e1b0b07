"""Leads requests through the gates, and turns a failure of our own code into an answer."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from toolhive_common.mcp.jsonrpc import Code
from toolhive_common.observability.correlation import correlated
from toolhive_proxy.errors import ClientLeftError, SlowClientError
from toolhive_proxy.models.gates import Gate, RequestContext
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.protocol.answers import error_answer
from toolhive_proxy.services.tasks import Tasks

__all__ = ["GateRunner", "Serve"]

_log = structlog.get_logger(__name__)

Serve = Callable[[Exchange, RequestContext], Coroutine[Any, Any, None] | None]
"""Serves a request that passed all gates: at once, or in the coroutine that it returns."""


class GateRunner:
    """Runs gates one after the other, without a task for as long as none of them waits."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    def run(self, exchange: Exchange, context: RequestContext, gates: tuple[Gate, ...], serve: Serve) -> None:
        """Lead one request through. Never raises."""
        try:
            waiting = _pass(exchange, context, gates, serve)
        except Exception:  # noqa: BLE001  # the top of this request: the next one must still be served
            self._answer_failure(exchange)
            return
        if waiting is not None:
            self.start(exchange, waiting)

    def start(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        """Serve a request in a task of its own."""
        self._tasks.start(self._guarded(exchange, work))

    async def _guarded(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        with correlated(exchange.correlation_id):
            try:
                await work
            except (SlowClientError, ClientLeftError) as error:
                _log.info("a client is gone", path=exchange.request.path, cause=error.message)
            except Exception:  # noqa: BLE001  # as above
                self._answer_failure(exchange)

    def _answer_failure(self, exchange: Exchange) -> None:
        """Answer 500 where nothing was sent yet; otherwise close the connection, which tells as much."""
        request = exchange.request
        with correlated(exchange.correlation_id):
            _log.exception("a request failed", method=request.method, path=request.path)
        if exchange.started:
            exchange.abort()
        else:
            text = "the proxy failed to serve the request; its log says why under the X-Request-Id of this answer"
            exchange.respond(error_answer(500, Code.INTERNAL_ERROR, text))


def _pass(
    exchange: Exchange, context: RequestContext, gates: tuple[Gate, ...], serve: Serve
) -> Coroutine[Any, Any, None] | None:
    """Go through the gates; returns what is left to do when one of them waits."""
    for position, gate in enumerate(gates):
        answer = gate(context)
        if answer is None:
            continue
        if isinstance(answer, Response):
            exchange.respond(answer)
            return None
        return _pass_later(exchange, context, answer, gates[position + 1 :], serve)
    return serve(exchange, context)


async def _pass_later(
    exchange: Exchange,
    context: RequestContext,
    waiting: Awaitable[Response | None],
    gates: tuple[Gate, ...],
    serve: Serve,
) -> None:
    answer = await waiting
    if answer is not None:
        exchange.respond(answer)
        return
    rest = _pass(exchange, context, gates, serve)
    if rest is not None:
        await rest
