"""Requests that the server sends to a client: sampling, elicitation, roots, ping."""

from collections import Counter
from dataclasses import dataclass

from toolhive_common.mcp.jsonrpc import (
    Code,
    Request,
    Response,
    encode,
    error_body,
    is_id,
    meta_of,
    result_body,
)
from toolhive_sessions.bounds import LONGEST_NAME, MOST_ASKED, is_bearable
from toolhive_sessions.clients import Client
from toolhive_sessions.effects import CallKey, Dropped, MuxEffect, ToClient, ToServer, call_key

__all__ = ["BackCalls"]


@dataclass(frozen=True, slots=True)
class _Asked:
    session: str
    token: CallKey | None
    """Under which the server wants to hear of progress."""


class BackCalls:
    """Which session a request of the server went to. Only that one may answer it."""

    def __init__(self) -> None:
        self._asked: dict[CallKey, _Asked] = {}
        self._tokens: Counter[tuple[str, CallKey]] = Counter()
        """Sessions with the tokens under which the server wants to hear of their progress."""

    def route(self, request: Request, client: Client | None) -> list[MuxEffect]:
        """Pass a request on to the client that caused it, or answer it when nobody can tell which one did."""
        if request.method == "ping":
            return [ToServer(result_body(request.id, {}))]
        if client is None:
            why = "the server is shared by several clients, and none can be said to have caused this request"
            return [ToServer(error_body(request.id, Code.METHOD_NOT_FOUND, why))]
        if not client.answers(request.method):
            why = f"the client did not say that it answers {request.method[:80]}"
            return [ToServer(error_body(request.id, Code.METHOD_NOT_FOUND, why))]
        key, token = call_key(request.id), meta_of(request).get("progressToken")
        if not is_bearable(request.id) or not is_bearable(token):
            why = f"an id or progress token of more than {LONGEST_NAME} characters"
            return [ToServer(error_body(request.id, Code.INVALID_REQUEST, why))]
        self._forget(key)
        if len(self._asked) >= MOST_ASKED:
            why = f"there are {MOST_ASKED} requests to clients that are not answered, which is the limit"
            return [ToServer(error_body(request.id, Code.SERVER_ERROR, why))]
        self._note(key, _Asked(client.session, call_key(token) if is_id(token) else None))
        return [ToClient(client.session, encode(request.raw))]

    def answer(self, session: str, response: Response) -> list[MuxEffect]:
        """Pass a client's answer on."""
        key = call_key(response.id)
        asked = self._asked.get(key)
        if asked is None or asked.session != session:
            return [Dropped("an answer to a request that the server did not send to this session")]
        self._forget(key)
        return [ToServer(encode(response.raw))]

    def cancelled(self, request_id: object) -> str | None:
        """The session that a request of the server went to; its answer is not waited for any more."""
        asked = self._forget(call_key(request_id)) if is_id(request_id) else None
        return asked.session if asked is not None else None

    def awaits_progress(self, session: str, token: object) -> bool:
        """Whether the server asked this session for something, and for its progress under the token."""
        return is_id(token) and (session, call_key(token)) in self._tokens

    def rename(self, before: str, after: str) -> None:
        """Call a session by another name."""
        for key in self._of(before):
            if (asked := self._forget(key)) is not None:
                self._note(key, _Asked(after, asked.token))

    def end_session(self, session: str) -> list[MuxEffect]:
        """Answer what the session will never answer."""
        mine = self._of(session)
        for key in mine:
            self._forget(key)
        return [ToServer(error_body(key[1], Code.SERVER_ERROR, "the client ended its session")) for key in mine]

    def _of(self, session: str) -> list[CallKey]:
        return [key for key, asked in self._asked.items() if asked.session == session]

    def _note(self, key: CallKey, asked: _Asked) -> None:
        self._asked[key] = asked
        if asked.token is not None:
            self._tokens[asked.session, asked.token] += 1

    def _forget(self, key: CallKey) -> _Asked | None:
        asked = self._asked.pop(key, None)
        if asked is not None and asked.token is not None:
            self._tokens[asked.session, asked.token] -= 1
            if not self._tokens[asked.session, asked.token]:
                del self._tokens[asked.session, asked.token]
        return asked
