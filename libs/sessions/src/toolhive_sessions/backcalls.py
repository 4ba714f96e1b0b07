"""Requests that the server sends to a client: sampling, elicitation, roots, ping."""

from toolhive_common.mcp.jsonrpc import Code, Id, Request, Response, encode, error_body, is_id, result_body
from toolhive_sessions.clients import Client
from toolhive_sessions.effects import CallKey, Dropped, MuxEffect, ToClient, ToServer, call_key

__all__ = ["BackCalls"]


class BackCalls:
    """Which session a request of the server went to. Only that one may answer it."""

    def __init__(self) -> None:
        self._session: dict[CallKey, str] = {}

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
        self._session[call_key(request.id)] = client.session
        return [ToClient(client.session, encode(request.raw))]

    def answer(self, session: str, response: Response) -> list[MuxEffect]:
        """Pass a client's answer on."""
        key = call_key(response.id)
        if self._session.get(key) != session:
            return [Dropped("an answer to a request that the server did not send to this session")]
        del self._session[key]
        return [ToServer(encode(response.raw))]

    def cancelled(self, request_id: object) -> str | None:
        """The session that a request of the server went to; its answer is not waited for any more."""
        return self._session.pop(call_key(request_id), None) if is_id(request_id) else None

    def open_for(self, session: str) -> bool:
        """Whether the server waits for an answer of the session."""
        return session in self._session.values()

    def end_session(self, session: str) -> list[MuxEffect]:
        """Answer what the session will never answer."""
        mine: list[Id] = [key[1] for key, holder in self._session.items() if holder == session]
        for request_id in mine:
            del self._session[call_key(request_id)]
        return [ToServer(error_body(each, Code.SERVER_ERROR, "the client ended its session")) for each in mine]
