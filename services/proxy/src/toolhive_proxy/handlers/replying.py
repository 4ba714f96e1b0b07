"""Answers to MCP requests, in the words of JSON-RPC."""

import asyncio
from collections.abc import Awaitable, Coroutine
from http import HTTPStatus
from typing import Any

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.jsonrpc import Code, Id
from toolhive_common.mcp.port import RefusalCode
from toolhive_proxy.decisions.answers import timeout_failure
from toolhive_proxy.decisions.refusal import Refusal, failure_from
from toolhive_proxy.errors import ClientLeftError, SlowClientError
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.models.messages import Kind, Message
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.models.routes import Unavailable, Unknown
from toolhive_proxy.protocol.answers import error_answer, json_answer

__all__ = [
    "end_stream",
    "failed_answer",
    "failure_of_lookup",
    "id_of",
    "refusal_answer",
    "request_id_of",
    "serve_or_refuse",
    "until_client_leaves",
]


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


def failed_answer(code: RefusalCode, error: bytes) -> Response:
    """Hand on the JSON-RPC error that stands for the answer of a server that gave none."""
    failure = failure_from(code, "")
    after = failure.retry_after
    headers = [(b"retry-after", b"%d" % after)] if after is not None else []
    return json_answer(failure.status, error, headers=headers)


def failure_of_lookup(found: Unavailable | Unknown) -> Failure:
    """Say why a workload cannot be called."""
    match found:
        case Unknown(name):
            text = f"there is no workload {name[:120]!r}; `thv list --all` shows those there are"
            return Failure(404, Code.INVALID_REQUEST, text)
        case Unavailable():
            return Failure(503, Code.SERVER_ERROR, found.reason, found.retry_after)


async def serve_or_refuse(exchange: Exchange, context: RequestContext, work: Awaitable[None], seconds: float) -> None:
    """Do the work of a request; what fails is told to its client.

    Parameters
    ----------
    seconds
        That whoever was asked had for an answer.

    Raises
    ------
    ClientLeftError, SlowClientError
        There is no client to tell.
    """
    try:
        await work
    except (ClientLeftError, SlowClientError):
        raise
    except TimeoutError:
        failure = timeout_failure(seconds)
    except ToolHiveError as error:
        failure = Failure(HTTPStatus.SERVICE_UNAVAILABLE, Code.SERVER_ERROR, error.message)
    else:
        return
    if exchange.started:
        exchange.abort()
    else:
        exchange.respond(refusal_answer(failure, request_id_of(context)))


def end_stream(exchange: Exchange, failure: Failure) -> None:
    """End a stream, or say why it does not begin. Its client can come again for what is missing."""
    if exchange.started:
        exchange.end()
    else:
        exchange.respond(refusal_answer(failure, None))


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
