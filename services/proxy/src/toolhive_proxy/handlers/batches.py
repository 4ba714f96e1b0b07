"""Batches of JSON-RPC messages, which one revision of MCP has (2025-03-26)."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.jsonrpc import Code, error_body
from toolhive_common.mcp.port import FromBroker, Note, Verb
from toolhive_proxy.decisions.answers import timeout_failure
from toolhive_proxy.decisions.post_verdict import PostFacts, judge_post
from toolhive_proxy.decisions.refusal import ENDED, Refusal, failure_from
from toolhive_proxy.errors import ClientLeftError, SlowClientError
from toolhive_proxy.handlers.call_writer import STREAM_HEAD, StreamTimes
from toolhive_proxy.handlers.large_answers import begin_large, write_rest
from toolhive_proxy.handlers.replying import refusal_answer, until_client_leaves
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.models.messages import Batch, Kind, Message
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.protocol.answers import json_answer
from toolhive_proxy.protocol.headers import accepts_sse
from toolhive_proxy.protocol.results import rewritten
from toolhive_proxy.protocol.sse import encode_event
from toolhive_proxy.services.inbox import Inbox
from toolhive_proxy.services.sessions import Sessions

__all__ = ["write_batch"]

_MOST = 100
"""Messages of one batch that are served at once."""
_LARGEST = 64 * 1024 * 1024
"""Bytes of all answers that are kept until the last is there."""


async def write_batch(
    exchange: Exchange,
    context: RequestContext,
    batch: Batch,
    facts: PostFacts,
    sessions: Sessions,
    times: StreamTimes,
) -> None:
    """Serve each message, and write all answers: as an array, or as events where the client takes those.

    Raises
    ------
    ClientLeftError
        The client left before it had all of them.
    """
    if len(batch.messages) > _MOST:
        body = error_body(None, Code.INVALID_REQUEST, f"a batch may have {_MOST} messages; send several")
        exchange.respond(json_answer(HTTPStatus.BAD_REQUEST, body))
        return
    answer = _Answer(exchange, batch)

    async def serve(message: Message) -> None:
        member = _Member(context, message, facts, sessions, times)
        async for said in member.messages(streams=answer.streams):
            await answer.take(message, *said)

    async def serve_all() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for message in batch.messages:
                    group.create_task(serve(message))
        except BaseExceptionGroup as failures:  # for the client it is one failure
            raise failures.exceptions[0] from failures

    await until_client_leaves(exchange, serve_all())
    await answer.end()


class _Answer:
    """What the client gets. It begins with the first message that is no refusal: until then it can be one whole."""

    def __init__(self, exchange: Exchange, batch: Batch) -> None:
        self._exchange = exchange
        self._requests = sum(message.kind is Kind.REQUEST for message in batch.messages)
        self.streams = accepts_sse(exchange.request.header(b"accept")) and self._requests > 0
        self._answers: list[bytes] = []
        self._size = 0
        self._unknown: Failure | None = None
        """That the session is not there, which the whole batch then shares."""

    async def take(
        self,
        message: Message,
        data: bytes,
        final: bool,  # noqa: FBT001
        failure: Failure | Refusal | None,
    ) -> None:
        """Write what came for one message, or keep it."""
        if isinstance(failure, Failure) and failure.status == HTTPStatus.NOT_FOUND:
            self._unknown = failure
        if self.streams and failure is None:
            self._write([*self._answers, data])
            self._answers = []
            await self._exchange.drain()
        elif final and data:
            self._keep(message, data)

    def _keep(self, message: Message, data: bytes) -> None:
        if self._size + len(data) > _LARGEST:
            text = (
                f"the answers of the batch are larger than {_LARGEST >> 20} MiB together, and this one is left out; "
                "send its message alone"
            )
            data = error_body(message.id, Code.SERVER_ERROR, text)
        else:
            self._size += len(data)
        self._answers.append(data)

    def _write(self, messages: list[bytes]) -> None:
        if not self._exchange.started:
            self._exchange.start(HTTPStatus.OK, STREAM_HEAD)
        for message in messages:
            self._exchange.write(encode_event(message))

    async def end(self) -> None:
        """Write what was kept."""
        if self._unknown is not None and not self._exchange.started:
            self._exchange.respond(refusal_answer(self._unknown, None))
        elif self.streams:
            self._write(self._answers)
            self._exchange.end()
        elif self._requests:
            whole = json_answer(HTTPStatus.OK, b"[" + b",".join(self._answers) + b"]")
            self._answers = []
            await write_rest(self._exchange, begin_large(self._exchange, whole))
        else:
            self._exchange.respond(Response(HTTPStatus.ACCEPTED))


_Said = tuple[bytes, bool, Failure | Refusal | None]
"""A message, whether it is the answer, and what it tells of when it is a refusal of ours."""


class _Member:
    """One message of a batch."""

    def __init__(
        self, context: RequestContext, message: Message, facts: PostFacts, sessions: Sessions, times: StreamTimes
    ) -> None:
        self._context = context
        self._message = message
        self._facts = facts
        self._sessions = sessions
        self._times = times

    async def messages(self, *, streams: bool) -> AsyncIterator[_Said]:
        """What comes for it."""
        verdict = judge_post(self._message, self._facts)
        if isinstance(verdict, Refusal):
            yield self._refused(verdict)
            return
        if verdict is None:
            return
        ask = self._sessions.ask(
            self._context.route,
            verdict,
            caller=self._context.identity,
            session=self._facts.session_id,
            data=self._message.data,
            streams=streams,
        )
        try:
            async with ask as inbox:
                while True:
                    item = await self._next(inbox)
                    match item.note:
                        case Note.MESSAGE:
                            yield item.data, False, None
                            continue
                        case Note.FINAL:
                            yield rewritten(item.data, self._context.rewrites), True, None
                        case Note.REFUSED:
                            yield self._refused(failure_from(item.code, item.data.decode(errors="replace")))
                        case Note.DONE if item.code is not None:
                            yield self._refused(failure_from(item.code, item.data.decode(errors="replace")))
                        case Note.DONE if verdict is not Verb.TELL:
                            yield self._refused(ENDED)
                        case _:
                            pass
                    return
        except (ClientLeftError, SlowClientError):
            raise
        except ToolHiveError as error:
            yield self._refused(Failure(HTTPStatus.SERVICE_UNAVAILABLE, Code.SERVER_ERROR, error.message))
        except TimeoutError:
            yield self._refused(timeout_failure(self._times.patience))

    async def _next(self, inbox: Inbox) -> FromBroker:
        try:
            return await inbox.get(self._times.patience)
        except TimeoutError:
            inbox.unwanted = True  # so that the call is cancelled
            raise

    def _refused(self, failure: Refusal | Failure) -> _Said:
        if self._message.kind is not Kind.REQUEST:
            return b"", True, failure
        return error_body(self._message.id, failure.code, failure.message), True, failure
