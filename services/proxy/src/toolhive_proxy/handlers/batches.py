"""Batches of JSON-RPC messages, which one revision of MCP has (2025-03-26)."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from toolhive_common.mcp.jsonrpc import Code, error_body
from toolhive_common.mcp.port import Note, Verb
from toolhive_proxy.decisions.answers import rewritten, timeout_failure
from toolhive_proxy.decisions.post_verdict import PostFacts, judge_post
from toolhive_proxy.decisions.refusal import ENDED, Refusal, failure_from
from toolhive_proxy.handlers.call_writer import STREAM_HEAD, StreamTimes
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.models.messages import Batch, Kind, Message
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.protocol.answers import json_answer
from toolhive_proxy.protocol.headers import accepts_sse
from toolhive_proxy.protocol.sse import encode_event
from toolhive_proxy.services.sessions import Sessions

__all__ = ["write_batch"]

_MOST = 100
"""Messages of one batch that are served at once."""


async def write_batch(
    exchange: Exchange,
    context: RequestContext,
    batch: Batch,
    facts: PostFacts,
    sessions: Sessions,
    times: StreamTimes,
) -> None:
    """Serve each message, and write all answers: as an array, or as events where the client takes those."""
    if len(batch.messages) > _MOST:
        body = error_body(None, Code.INVALID_REQUEST, f"a batch may have {_MOST} messages; send several")
        exchange.respond(json_answer(HTTPStatus.BAD_REQUEST, body))
        return
    requests = [message for message in batch.messages if message.kind is Kind.REQUEST]
    streams = accepts_sse(context.request.header(b"accept")) and bool(requests)
    answers: list[bytes] = []
    if streams:
        exchange.start(HTTPStatus.OK, STREAM_HEAD)

    async def serve(message: Message) -> None:
        member = _Member(context, message, facts, sessions, times)
        async for data, final in member.messages(streams=streams):
            if streams:
                exchange.write(encode_event(data))
                await exchange.drain()
            elif final:
                answers.append(data)

    async with asyncio.TaskGroup() as group:
        for message in batch.messages:
            group.create_task(serve(message))
    if streams:
        exchange.end()
    elif answers:
        exchange.respond(json_answer(HTTPStatus.OK, b"[" + b",".join(answers) + b"]"))
    else:
        exchange.respond(Response(HTTPStatus.ACCEPTED))


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

    async def messages(self, *, streams: bool) -> AsyncIterator[tuple[bytes, bool]]:
        """What comes for it, and whether each is the answer."""
        verdict = judge_post(self._message, self._facts)
        if isinstance(verdict, Refusal):
            yield self._error(verdict), True
            return
        if verdict is None:
            return
        ask = self._sessions.ask(
            self._context.route, verdict, session=self._facts.session_id, data=self._message.data, streams=streams
        )
        try:
            async with ask as inbox:
                while True:
                    item = await inbox.get(self._times.patience)
                    match item.note:
                        case Note.MESSAGE:
                            yield item.data, False
                            continue
                        case Note.FINAL:
                            yield rewritten(item.data, self._context.rewrites), True
                        case Note.REFUSED:
                            yield self._error(failure_from(item.code, item.data.decode())), True
                        case Note.DONE if verdict is not Verb.TELL:
                            yield self._error(ENDED), True
                        case _:
                            pass
                    return
        except TimeoutError:
            yield self._error(timeout_failure(self._times.patience)), True

    def _error(self, failure: Refusal | Failure) -> bytes:
        request_id = self._message.id if self._message.kind is Kind.REQUEST else None
        return error_body(request_id, failure.code, failure.message)
