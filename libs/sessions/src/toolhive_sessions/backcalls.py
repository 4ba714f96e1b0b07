"""Requests that the server sends to a client: sampling, elicitation, roots, ping."""

from dataclasses import dataclass

from toolhive_common.mcp.jsonrpc import (
    Code,
    Id,
    Request,
    Response,
    encode,
    error_body,
    is_id,
    meta_of,
    result_body,
)
from toolhive_sessions.clients import Client
from toolhive_sessions.effects import CallKey, Dropped, MuxEffect, ToClient, ToServer, call_key

__all__ = ["BackCalls"]


@dataclass(slots=True)
class _Asked:
    session: str
    token: CallKey | None
    """Under which the server wants to hear of progress."""


class BackCalls:
    """Which session a request of the server went to. Only that one may answer it."""

    def __init__(self) -> None:
        self._asked: dict[CallKey, _Asked] = {}

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
        token = meta_of(request).get("progressToken")
        asked = _Asked(client.session, call_key(token) if is_id(token) else None)
        self._asked[call_key(request.id)] = asked
        return [ToClient(client.session, encode(request.raw))]

    def answer(self, session: str, response: Response) -> list[MuxEffect]:
        """Pass a client's answer on."""
        key = call_key(response.id)
        asked = self._asked.get(key)
        if asked is None or asked.session != session:
            return [Dropped("an answer to a request that the server did not send to this session")]
        del self._asked[key]
        return [ToServer(encode(response.raw))]

    def cancelled(self, request_id: object) -> str | None:
        """The session that a request of the server went to; its answer is not waited for any more."""
        asked = self._asked.pop(call_key(request_id), None) if is_id(request_id) else None
        return asked.session if asked is not None else None

    def awaits_progress(self, session: str, token: object) -> bool:
        """Whether the server asked this session for something, and for its progress under the token."""
        return is_id(token) and _Asked(session, call_key(token)) in self._asked.values()

    def rename(self, before: str, after: str) -> None:
        """Call a session by another name."""
        for asked in self._asked.values():
            if asked.session == before:
                asked.session = after

    def end_session(self, session: str) -> list[MuxEffect]:
        """Answer what the session will never answer."""
        mine: list[Id] = [key[1] for key, asked in self._asked.items() if asked.session == session]
        for request_id in mine:
            del self._asked[call_key(request_id)]
        return [ToServer(error_body(each, Code.SERVER_ERROR, "the client ended its session")) for each in mine]
