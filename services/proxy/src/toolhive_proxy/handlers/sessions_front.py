"""``/mcp`` of workloads whose sessions are not kept by their server."""

from collections.abc import Callable
from http import HTTPStatus

from toolhive_common.mcp.eras import MODERN_VERSIONS
from toolhive_common.mcp.jsonrpc import Code
from toolhive_common.mcp.port import FromBroker, Note, Verb
from toolhive_common.schemas.runconfig import Transport
from toolhive_proxy.decisions.endless import is_endless
from toolhive_proxy.decisions.post_verdict import PostFacts, judge_post, judge_session_id, judge_version
from toolhive_proxy.decisions.refusal import Refusal, failure_from
from toolhive_proxy.handlers.batches import write_batch
from toolhive_proxy.handlers.call_writer import CallFacts, CallWriter, StreamTimes
from toolhive_proxy.handlers.listening import write_stream
from toolhive_proxy.handlers.replying import refusal_answer, serve_or_refuse
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.models.messages import Batch, Message
from toolhive_proxy.protocol.answers import json_answer
from toolhive_proxy.protocol.headers import (
    LAST_EVENT_ID,
    MCP_METHOD,
    MCP_NAME,
    PROTOCOL_VERSION,
    SESSION_ID,
    accepts_sse,
)
from toolhive_proxy.protocol.results import rewritten
from toolhive_proxy.protocol.sse import KEEP_ALIVE, encode_event
from toolhive_proxy.services.sessions import Sessions
from toolhive_proxy.services.tool_headers import ToolHeaders

__all__ = ["SessionsFront"]

_PRIMED_SINCE = "2025-11-25"
_MODERN_NOT_ALLOWED = json_answer(405, b'{"error":"MCP 2026-07-28 has POST only"}', headers=[(b"allow", b"POST")])
_NO_EVENTS = json_answer(406, b'{"error":"a GET opens an event stream; send Accept: text/event-stream"}')


class SessionsFront:
    """Serves requests that passed the gates.

    Parameters
    ----------
    new_session_id
        Makes ids that nobody can guess: knowing one is being let in.
    """

    def __init__(
        self, sessions: Sessions, tool_headers: ToolHeaders, *, times: StreamTimes, new_session_id: Callable[[], str]
    ) -> None:
        self._sessions = sessions
        self._tool_headers = tool_headers
        self._times = times
        self._new_session_id = new_session_id

    async def serve(self, exchange: Exchange, context: RequestContext) -> None:
        """Serve one request."""
        await serve_or_refuse(exchange, context, self._serve(exchange, context), self._times.patience)

    async def _serve(self, exchange: Exchange, context: RequestContext) -> None:
        message = context.message
        if isinstance(message, Batch):
            await self._post_batch(exchange, context, message)
        elif isinstance(message, Message):
            await self._post(exchange, context, message)
        elif (version := context.request.header(PROTOCOL_VERSION)) in MODERN_VERSIONS:
            exchange.respond(_MODERN_NOT_ALLOWED)
        elif (refusal := judge_version(version)) is not None:
            exchange.respond(refusal_answer(refusal, None))
        elif context.request.method == "GET":
            await self._listen(exchange, context)
        else:
            await self._end(exchange, context)

    # -- POST -----------------------------------------------------------------------------------------------------

    async def _post(self, exchange: Exchange, context: RequestContext, message: Message) -> None:
        facts = _post_facts(context)
        verdict = judge_post(message, facts)
        match verdict:
            case Refusal():
                exchange.respond(refusal_answer(verdict, verdict.request_id))
            case None:
                exchange.respond(Response(HTTPStatus.ACCEPTED))
            case Verb.TELL:
                await self._tell(exchange, context, message.data, facts.session_id)
            case Verb.CALL_MODERN if refusal := await self._tool_headers.refuse(context, message):
                exchange.respond(refusal_answer(refusal, refusal.request_id))
            case _:
                await self._call(exchange, context, message, verdict, facts)

    async def _tell(self, exchange: Exchange, context: RequestContext, data: bytes, session: str) -> None:
        async with self._sessions.ask(
            context.route, Verb.TELL, caller=context.identity, session=session, data=data
        ) as inbox:
            exchange.on_close(inbox.leave)
            item = await inbox.get(self._times.patience)
        if item.note is Note.REFUSED:
            exchange.respond(refusal_answer(failure_from(item.code, item.data.decode()), None))
        else:
            exchange.respond(Response(HTTPStatus.ACCEPTED))

    async def _call(
        self, exchange: Exchange, context: RequestContext, message: Message, verb: Verb, facts: PostFacts
    ) -> None:
        session = self._new_session_id() if verb is Verb.OPEN else facts.session_id
        streams = accepts_sse(context.request.header(b"accept"))
        ask = self._sessions.ask(
            context.route, verb, caller=context.identity, session=session, data=message.data, streams=streams
        )
        async with ask as inbox:
            exchange.on_close(inbox.leave)
            inbox.unwanted = verb is Verb.CALL_MODERN
            inbox.endless = is_endless(context.request.method, message)
            call = CallFacts(
                request_id=message.id,
                name=self._sessions.name(context.route, inbox) if verb is Verb.CALL else "",
                primed=facts.version >= _PRIMED_SINCE,
                modern=verb is Verb.CALL_MODERN,
                session_id=session if verb is Verb.OPEN else "",
                rewrites=tuple(context.rewrites),
                endless=inbox.endless,
            )
            await CallWriter(exchange, inbox, call, self._times).run()

    async def _post_batch(self, exchange: Exchange, context: RequestContext, batch: Batch) -> None:
        facts = _post_facts(context)
        if any(message.method == "initialize" for message in batch.messages):
            text = "initialize may not be part of a batch"
            exchange.respond(refusal_answer(Refusal(400, Code.INVALID_REQUEST, text), None))
        else:
            await write_batch(exchange, context, batch, facts, self._sessions, self._times)

    # -- GET, DELETE ----------------------------------------------------------------------------------------------

    async def _listen(self, exchange: Exchange, context: RequestContext) -> None:
        request = context.request
        session = request.header(SESSION_ID)
        if (refusal := judge_session_id(session)) is not None:
            exchange.respond(refusal_answer(refusal, None))
            return
        accept = request.header(b"accept")
        if accept and not accepts_sse(accept) and "*/*" not in accept:
            exchange.respond(_NO_EVENTS)
            return
        after = request.header(LAST_EVENT_ID)
        async with self._sessions.ask(
            context.route, Verb.LISTEN, caller=context.identity, session=session, after=after
        ) as inbox:

            def encode(item: FromBroker, name: str) -> bytes:
                return encode_event(rewritten(item.data, context.rewrites), event_id=f"{name}.{item.number}")

            # A comment, so that the client sees at once that the stream is there.
            await write_stream(exchange, inbox, self._times, beginning=KEEP_ALIVE, encode=encode)

    async def _end(self, exchange: Exchange, context: RequestContext) -> None:
        session = context.request.header(SESSION_ID)
        if (refusal := judge_session_id(session)) is not None:
            exchange.respond(refusal_answer(refusal, None))
            return
        async with self._sessions.ask(context.route, Verb.END, caller=context.identity, session=session) as inbox:
            item = await inbox.get(self._times.patience)
        if item.note is Note.REFUSED:
            exchange.respond(refusal_answer(failure_from(item.code, item.data.decode()), None))
        else:
            exchange.respond(Response(HTTPStatus.NO_CONTENT))


def _post_facts(context: RequestContext) -> PostFacts:
    request, config = context.request, context.route.run_config
    return PostFacts(
        version=request.header(PROTOCOL_VERSION),
        session_id=request.header(SESSION_ID),
        method=request.header(MCP_METHOD),
        name=_name(context),
        strict=config.strict_protocol_validation,
        modern=context.route.transport is Transport.STDIO,
    )


def _name(context: RequestContext) -> str:
    """``Mcp-Name`` as the gates left it: it follows a tool that has another name for clients."""
    return b", ".join(value for name, value in context.headers if name == MCP_NAME).decode("latin-1")
