"""``/sse`` and ``/messages``: the HTTP+SSE transport (2024-11-05), for the clients that still speak it."""

from collections.abc import Callable
from http import HTTPStatus

from toolhive_common.mcp.jsonrpc import Code
from toolhive_common.mcp.port import Note, Verb
from toolhive_proxy.decisions.places import path_of
from toolhive_proxy.decisions.proxy_headers import endpoint_url
from toolhive_proxy.decisions.refusal import Refusal, failure_from
from toolhive_proxy.handlers.call_writer import StreamTimes
from toolhive_proxy.handlers.listening import write_stream
from toolhive_proxy.handlers.replying import id_of, refusal_answer, serve_or_refuse
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Exchange, Response
from toolhive_proxy.models.messages import Kind, Message
from toolhive_proxy.protocol.headers import is_session_id
from toolhive_proxy.protocol.results import rewritten
from toolhive_proxy.protocol.sse import encode_event
from toolhive_proxy.services.sessions import Sessions

__all__ = ["SseFront", "messages_url"]

_MISSING = Refusal(400, Code.INVALID_REQUEST, "session_id is missing; open the event stream at /sse first")
_NO_BATCH = Refusal(400, Code.INVALID_REQUEST, "batches are not supported; send one JSON-RPC message a request")


class SseFront:
    """Serves requests that passed the gates.

    Parameters
    ----------
    new_session_id
        Makes ids that nobody can guess: knowing one is being let in.
    endpoint
        Path that a session's messages are sent to, for a context; without the session's id.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        times: StreamTimes,
        new_session_id: Callable[[], str],
        endpoint: Callable[[RequestContext], str],
    ) -> None:
        self._sessions = sessions
        self._times = times
        self._new_session_id = new_session_id
        self._endpoint = endpoint

    async def stream(self, exchange: Exchange, context: RequestContext) -> None:
        """Begin a session, and write all that comes in it."""
        await serve_or_refuse(exchange, context, self._stream(exchange, context), self._times.patience)

    async def _stream(self, exchange: Exchange, context: RequestContext) -> None:
        session = self._new_session_id()
        async with self._sessions.ask(
            context.route, Verb.ATTACH, caller=context.identity, session=session, streams=True
        ) as inbox:
            target = f"{self._endpoint(context)}?session_id={session}"
            await write_stream(
                exchange,
                inbox,
                self._times,
                beginning=encode_event(target.encode(), event=b"endpoint"),
                encode=lambda item, _name: encode_event(rewritten(item.data, context.rewrites)),
            )

    async def post(self, exchange: Exchange, context: RequestContext) -> None:
        """Take one message of a session."""
        await serve_or_refuse(exchange, context, self._post(exchange, context), self._times.patience)

    async def _post(self, exchange: Exchange, context: RequestContext) -> None:
        session = _query_value(context.request.query, "session_id")
        message = context.message
        if not isinstance(message, Message):
            exchange.respond(refusal_answer(_NO_BATCH, None))
            return
        if not is_session_id(session):
            exchange.respond(refusal_answer(_MISSING, id_of(message)))
            return
        verb = Verb.CALL if message.kind is Kind.REQUEST else Verb.TELL
        async with self._sessions.ask(
            context.route, verb, caller=context.identity, session=session, data=message.data
        ) as inbox:
            exchange.on_close(inbox.leave)
            item = await inbox.get(self._times.patience)
        if item.note is Note.REFUSED:
            exchange.respond(refusal_answer(failure_from(item.code, item.data.decode()), id_of(message)))
        else:
            exchange.respond(Response(HTTPStatus.ACCEPTED, b"Accepted", [(b"content-type", b"text/plain")]))


def messages_url(context: RequestContext, *, single: str = "") -> str:
    """Where a client's messages go: next to the stream, as the client or a proxy before this one names that."""
    config = context.route.run_config
    return endpoint_url(
        path_of(context.route.key.name, "/messages", single=single),
        endpoint_prefix=config.endpoint_prefix,
        headers=context.request.headers,
        trust=config.trust_proxy_headers,
    )


def _query_value(query: str, name: str) -> str:
    return next((value for key, _, value in (part.partition("=") for part in query.split("&")) if key == name), "")
