"""What a client's message leads to at a server that the proxy keeps sessions for (stdio, SSE)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from toolhive_common import __version__
from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.eras import SUPPORTED_VERSIONS
from toolhive_common.mcp.jsonrpc import Code, notification_body, request_body
from toolhive_proxy.decisions.post_verdict import PostAction, Refusal, judge_session, judge_session_post
from toolhive_proxy.errors import IdInUseError, SessionsFullError, UpstreamError
from toolhive_proxy.models.messages import Kind, Message
from toolhive_proxy.models.outcomes import Accepted, Answer
from toolhive_proxy.models.replies import Failure, Reply
from toolhive_proxy.models.routes import Route
from toolhive_proxy.models.upstream import UpstreamTrouble
from toolhive_proxy.services.message_stream import MessageStream
from toolhive_proxy.services.session import Session
from toolhive_proxy.services.session_store import SessionStore

__all__ = ["OpenedCall", "OpenedStream", "Outcome", "PostFacts", "SessionCalls", "timeout_failure"]

_HANDSHAKE_ID = "toolhive-handshake"
_WHEN_FULL = 30
"""Seconds after which a workload may have room for another session."""


@dataclass(frozen=True, slots=True)
class PostFacts:
    """The headers of a POST that matter."""

    version: str
    session_id: str
    takes_stream: bool
    """Whether the client takes an event stream."""


@dataclass(frozen=True, slots=True)
class OpenedCall:
    """A call that is under way."""

    stream: MessageStream
    finish: Callable[[], Awaitable[None]]
    """To be called when the client got what it gets, or left."""
    give_up: Callable[[str], Awaitable[None]]
    """To be called, before that, when the answer does not come: the server is told."""


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """A GET stream."""

    stream: MessageStream
    finish: Callable[[], None]


Outcome = Refusal | Failure | Accepted | Answer | OpenedCall


class SessionCalls:
    """The verbs of a session: open, call, tell, listen, end.

    Parameters
    ----------
    patience
        How long a server may take for an answer.
    """

    def __init__(self, store: SessionStore, *, patience: timedelta) -> None:
        self._store = store
        self._patience = patience.total_seconds()

    async def post(self, route: Route, message: Message, facts: PostFacts) -> Outcome:
        """Do what a client's message asks for."""
        session = self._store.find(route.key, facts.session_id) if facts.session_id else None
        verdict = judge_session_post(
            message,
            version=facts.version,
            session_id=facts.session_id,
            session_known=session is not None,
            strict=route.run_config.strict_protocol_validation,
        )
        try:
            return await self._act(verdict, route, session, message, facts)
        except TimeoutError:
            return timeout_failure(self._patience)
        except IdInUseError as error:
            return Refusal(HTTPStatus.BAD_REQUEST, Code.INVALID_REQUEST, error.message, message.id)
        except SessionsFullError as error:
            return Failure(HTTPStatus.SERVICE_UNAVAILABLE, Code.SERVER_ERROR, error.message, _WHEN_FULL)
        except ToolHiveError as error:
            if isinstance(error, UpstreamError) and error.trouble is UpstreamTrouble.SILENT:
                return timeout_failure(self._patience)
            return Failure(HTTPStatus.SERVICE_UNAVAILABLE, Code.SERVER_ERROR, error.message)

    async def _act(
        self, verdict: PostAction | Refusal, route: Route, session: Session | None, message: Message, facts: PostFacts
    ) -> Outcome:
        match verdict:
            case Refusal():
                return verdict
            case PostAction.OPEN:
                return await self._open(route, message)
            case PostAction.CALL_ONCE:
                return await self._call_once(route, message, facts)
            case PostAction.CALL if session is not None:
                return await self._call(route, session, message, facts)
            case PostAction.TELL if session is not None:
                await session.tell(message.data)
        return Accepted()

    async def _open(self, route: Route, message: Message) -> Answer | Failure:
        session = await self._store.open(route)
        try:
            reply = await self._ask(route, session, message)
        except BaseException:
            await self._store.end(session, "the handshake failed")
            raise
        if isinstance(reply, Failure) or reply.is_error:
            await self._store.end(session, "the handshake failed")
            return reply if isinstance(reply, Failure) else Answer(reply.data)
        self._store.announce(session, _client_name(message))
        return Answer(reply.data, session.identity.id)

    async def _call(self, route: Route, session: Session, message: Message, facts: PostFacts) -> OpenedCall:
        stream = await session.call(message, streams=facts.takes_stream, attachment=route.attachment)

        async def finish() -> None:
            session.forget(message, stream)

        return OpenedCall(stream, finish, lambda reason: session.give_up(message, reason))

    async def _call_once(self, route: Route, message: Message, facts: PostFacts) -> OpenedCall | Answer | Failure:
        session = await self._store.open(route, one_shot=True)

        async def finish() -> None:
            await self._store.end(session, "its only request is done")

        try:
            reply = await self._ask(route, session, _handshake())
            if isinstance(reply, Failure):
                await finish()
                return reply
            await session.tell(notification_body("notifications/initialized"))
            stream = await session.call(message, streams=facts.takes_stream, attachment=route.attachment)
        except BaseException:
            await finish()
            raise
        return OpenedCall(stream, finish, lambda reason: session.give_up(message, reason))

    async def _ask(self, route: Route, session: Session, message: Message) -> Reply | Failure:
        stream = await session.call(message, streams=False, attachment=route.attachment)
        try:
            reply = await stream.get(self._patience)
        finally:
            session.forget(message, stream)
        if reply is None:
            return Failure(HTTPStatus.BAD_GATEWAY, Code.SERVER_ERROR, "the session ended; call initialize again")
        return reply

    def listen(self, route: Route, session_id: str) -> OpenedStream | Refusal:
        """Open a session's GET stream."""
        session = self._store.find(route.key, session_id)
        refusal = judge_session(session_id, session_known=session is not None)
        if refusal is not None or session is None:
            return refusal or Refusal(HTTPStatus.NOT_FOUND, Code.SESSION_NOT_FOUND, "Session not found")
        stream = session.listen()
        return OpenedStream(stream, lambda: session.stop_listening(stream))

    async def end(self, route: Route, session_id: str) -> Accepted | Refusal:
        """End a session."""
        session = self._store.find(route.key, session_id)
        refusal = judge_session(session_id, session_known=session is not None)
        if refusal is not None:
            return refusal
        if session is not None:
            await self._store.end(session, "its client ended it")
        return Accepted()


def timeout_failure(seconds: float) -> Failure:
    """Say that no answer came in time."""
    return Failure(
        HTTPStatus.GATEWAY_TIMEOUT,
        Code.SERVER_ERROR,
        f"Timeout: the server did not answer within {seconds:g} s; "
        "try again, or raise TOOLHIVE_PROXY_REQUEST_TIMEOUT",
    )


def _handshake() -> Message:
    params: dict[str, Any] = {
        "protocolVersion": SUPPORTED_VERSIONS[0],
        "capabilities": {},
        "clientInfo": {"name": "toolhive-proxy", "version": __version__},
    }
    data = request_body(_HANDSHAKE_ID, "initialize", params)
    return Message(Kind.REQUEST, "initialize", _HANDSHAKE_ID, params, data)


def _client_name(message: Message) -> str:
    info = (message.params or {}).get("clientInfo")
    if not isinstance(info, dict):
        return ""
    return " ".join(str(info[part])[:100] for part in ("name", "version") if info.get(part))
