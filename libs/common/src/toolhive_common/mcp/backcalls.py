"""Requests that the server sends to a client: sampling, elicitation, roots, ping."""

from toolhive_common.mcp.effects import Dropped, Effect, ToClient, ToServer
from toolhive_common.mcp.jsonrpc import Code, Id, Request, Response, error_body, result_body

__all__ = ["BackCalls"]


class BackCalls:
    """Which session a request of the server went to. Only that one may answer it."""

    def __init__(self) -> None:
        self._session: dict[tuple[type, Id], str] = {}

    def route(self, request: Request, data: bytes, session: str | None) -> list[Effect]:
        """Pass a request on to the session that caused it, or answer it when nobody can tell which one did."""
        if request.method == "ping":
            return [ToServer(result_body(request.id, {}))]
        if session is None:
            why = "the server is shared by several clients, and none can be said to have caused this request"
            return [ToServer(error_body(request.id, Code.METHOD_NOT_FOUND, why))]
        self._session[type(request.id), request.id] = session
        return [ToClient(session, data)]

    def answer(self, session: str, response: Response, data: bytes) -> list[Effect]:
        """Pass a client's answer on."""
        key = type(response.id), response.id
        if self._session.get(key) != session:
            return [Dropped("an answer to a request that the server did not send to this session")]
        del self._session[key]
        return [ToServer(data)]

    def holder(self, request_id: object) -> str | None:
        """The session that a request of the server waits for."""
        return (
            self._session.get((type(request_id), request_id)) if isinstance(request_id, (str, int, float)) else None
        )

    def open_for(self, session: str) -> bool:
        """Whether the server waits for an answer of the session."""
        return session in self._session.values()

    def end_session(self, session: str) -> list[Effect]:
        """Answer what the session will never answer."""
        mine = [key for key, holder in self._session.items() if holder == session]
        for key in mine:
            del self._session[key]
        return [ToServer(error_body(key[1], Code.SERVER_ERROR, "the client ended its session")) for key in mine]
