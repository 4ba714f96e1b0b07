"""Answers to MCP requests, in the words of JSON-RPC."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from toolhive_common.mcp.jsonrpc import Code, Id
from toolhive_proxy.decisions.refusal import Refusal
from toolhive_proxy.errors import ClientLeftError
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.models.messages import Kind, Message
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.models.routes import Unavailable, Unknown
from toolhive_proxy.protocol.answers import error_answer

__all__ = ["failure_of_lookup", "id_of", "refusal_answer", "request_id_of", "until_client_leaves"]


def request_id_of(context: RequestContext) -> Id | None:
    """Id of the JSON-RPC request in the body, which errors repeat."""
    message = context.message
    return id_of(message) if isinstance(message, Message) else None


def id_of(message: Message) -> Id | None:
    """Id of a request; none for a response, whose id is another's."""
    return message.id if message.kind is Kind.REQUEST else None


def refusal_answer(refusal: Refusal | Failure, request_id: Id | None) -> Response:
    """Say why a request is not served."""
    data = refusal.data if isinstance(refusal, Refusal) else None
    after = refusal.retry_after if isinstance(refusal, Failure) else None
    return error_answer(
        refusal.status,
        refusal.code,
        refusal.message,
        request_id=request_id,
        data=data,
        headers=[(b"retry-after", b"%d" % after)] if after is not None else [],
    )


def failure_of_lookup(found: Unavailable | Unknown) -> Failure:
    """Say why a workload cannot be called."""
    match found:
        case Unknown(name):
            text = f"there is no workload {name[:120]!r}; `thv list --all` shows those there are"
            return Failure(404, Code.INVALID_REQUEST, text)
        case Unavailable():
            return Failure(503, Code.SERVER_ERROR, found.reason, found.retry_after)


async def until_client_leaves(exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, and break it off when the client leaves.

    Raises
    ------
    ClientLeftError
        It left.
    """
    # Owned by this function, which ends it. A task group would wrap what it raises, and callers catch the cause.
    task = asyncio.get_running_loop().create_task(work)
    exchange.on_close(lambda: _cancel(task))
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    if task.cancelled():
        raise ClientLeftError
    task.result()


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
