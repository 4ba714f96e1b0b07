"""Many client sessions on one stdio server that believes it has one client.

    from_client    a session's message  ─┐
    from_server    a line of the server  ├─> effects: to the server, to one session, or dropped with a reason
    session_ended, server_exited        ─┘

Answers and progress reach the session that asked, and no other: ids and progress tokens are replaced by numbers of
our own on the way in and put back, type included, on the way out.

Requests and other notifications of the server do not say which call caused them. They go to a session only while it
alone has calls that the server has not answered, cancelled ones and those of ended sessions included; else they are
answered here or dropped. So they reach the wrong session only where nothing in the protocol tells: when the server
sends what no call caused, or for a call that it answered already, or for one of an earlier hold on the same process.
Changes of lists go to all sessions, those of a resource to its subscribers.
"""

import itertools
import re
from collections.abc import Mapping
from typing import Any

from toolhive_common.mcp.backcalls import BackCalls
from toolhive_common.mcp.calls import Call, CallTable
from toolhive_common.mcp.effects import Dropped, Effect, ToClient, ToServer
from toolhive_common.mcp.eras import is_modern, refuse_modern
from toolhive_common.mcp.handshake import Handshake, HandshakeDesk
from toolhive_common.mcp.jsonrpc import (
    Code,
    Id,
    Invalid,
    Notification,
    Request,
    Response,
    classify,
    encode,
    error_body,
    meta_of,
    params_of,
    parse,
    result_body,
)
from toolhive_common.mcp.subscriptions import Subscriptions

__all__ = ["StdioMultiplexer"]

_ID_IN_LINE = re.compile(rb'"id"\s*:\s*(\d+)')
_TO_ALL = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
    }
)


class StdioMultiplexer:
    """Shares one server process. Make a new one for each process, and for each new hold on one.

    Parameters
    ----------
    first_id
        First number given to a call. Higher than any that the same process was sent under an earlier hold: its
        late answers must not pass for ours.
    handshake
        The handshake that the process already had.
    earlier_params
        What a client said in ``initialize`` to an earlier process of the server, see `HandshakeDesk`.
    """

    def __init__(
        self,
        *,
        first_id: int = 1,
        handshake: Handshake | None = None,
        earlier_params: Mapping[str, Any] | None = None,
    ) -> None:
        self._numbers = itertools.count(first_id)
        self._calls = CallTable(self._numbers)
        self._desk = HandshakeDesk(handshake, earlier_params)
        self._back = BackCalls()
        self._subscriptions = Subscriptions()
        self._sessions: dict[str, None] = {}
        self._queue: list[tuple[str, Request]] = []
        """Calls that wait for the handshake."""
        self._own: set[int] = set()
        """Numbers of requests of our own, whose answers interest nobody."""
        self._exited = ""

    @property
    def handshake(self) -> Handshake | None:
        """The handshake of this process, once it is done."""
        return self._desk.done

    @property
    def last_params(self) -> Mapping[str, Any]:
        """What a later process of the same server is told by ``initialize``, see `HandshakeDesk`."""
        return self._desk.last_params

    # from the clients

    def from_client(self, session: str, data: bytes) -> list[Effect]:
        """Take one message of a session."""
        try:
            message = classify(parse(data))
        except ValueError:
            message = Invalid(Code.PARSE_ERROR, "the message is not JSON")
        match message:
            case Invalid(code, reason):
                return [ToClient(session, error_body(None, code, reason)), Dropped(f"from a client: {reason}")]
            case Request():
                return self._client_request(session, message)
            case Notification():
                return self._client_notification(session, message)
            case Response():
                return self._back.answer(session, message, encode(message.raw))

    def _client_request(self, session: str, request: Request) -> list[Effect]:
        if self._exited:
            return [ToClient(session, error_body(request.id, Code.SERVER_ERROR, self._exited))]
        if request.method == "initialize":  # whatever else it says: it is how the older era begins
            self._sessions[session] = None
            return self._desk.request(session, request, next(self._numbers))
        if is_modern(request):
            return [ToClient(session, refuse_modern(request))]
        self._sessions[session] = None
        if self._desk.done is None:
            self._queue.append((session, request))
            return self._desk.begin(next(self._numbers))
        ready = [] if self._desk.done.initialized else self._desk.ensure_initialized()
        return [*ready, *self._forward(session, request)]

    def _forward(self, session: str, request: Request) -> list[Effect]:
        uri = params_of(request).get("uri")
        uri = uri if isinstance(uri, str) else ""
        if (answer := self._answer_subscription(session, request, uri)) is not None:
            return [ToClient(session, answer)]
        token = meta_of(request).get("progressToken")
        call = Call(session, request.id, request.method, token, uri)
        number = self._calls.add(call)
        raw = {**request.raw, "id": number}
        if token is not None:
            params = params_of(request)
            raw["params"] = {**params, "_meta": {**meta_of(request), "progressToken": number}}
        return [ToServer(encode(raw))]

    def _answer_subscription(self, session: str, request: Request, uri: str) -> bytes | None:
        if request.method == "resources/subscribe" and self._subscriptions.held(uri):
            self._subscriptions.add(session, uri)
            return result_body(request.id, {})
        if request.method == "resources/unsubscribe":
            last = self._is_last(session, uri)
            # From now on the server does not tell of it, whenever it answers: a new subscriber must ask it anew.
            self._subscriptions.remove(session, uri)
            return None if last else result_body(request.id, {})
        return None

    def _is_last(self, session: str, uri: str) -> bool:
        others_ask = self._calls.open("resources/subscribe", uri, but=session)
        return self._subscriptions.is_last(session, uri) and not others_ask

    def _client_notification(self, session: str, message: Notification) -> list[Effect]:
        if self._exited or is_modern(message):
            return [Dropped(f"{message.method}: no server process takes it")]
        match message.method:
            case "notifications/initialized":
                self._sessions[session] = None
                return self._desk.initialized(encode(message.raw))
            case "notifications/cancelled":
                return self._cancel(session, message)
            case "notifications/progress" if not self._back.open_for(session):
                return [Dropped("progress of a request that the server did not send to this session")]
            case _ if self._desk.done is None:
                return [Dropped(f"{message.method} before initialize")]
            case _:
                return [ToServer(encode(message.raw))]

    def _cancel(self, session: str, message: Notification) -> list[Effect]:
        params = params_of(message)
        request_id = params.get("requestId")
        kept = [
            entry
            for entry in self._queue
            if not (entry[0] == session and type(entry[1].id) is type(request_id) and entry[1].id == request_id)
        ]
        if len(kept) < len(self._queue):
            self._queue = kept
            return [ToClient(session, error_body(request_id, Code.SERVER_ERROR, "cancelled before it was sent"))]
        number = self._calls.number_of(session, request_id)
        call = self._calls.find(number)
        if call is None:
            return [Dropped("a cancellation of no call of this session")]
        call.cancelled = True
        return [ToServer(encode({**message.raw, "params": {**params, "requestId": number}}))]

    # from the server

    def from_server(self, line: bytes) -> list[Effect]:
        """Take one line of the server's standard output, without its end."""
        if not line.strip():
            return []
        try:
            value = parse(line)
        except ValueError:
            return [Dropped(f"a line of {len(line)} bytes on standard output is no JSON")]
        if isinstance(value, list):  # a batch, which servers of 2025-03-26 may write
            return [effect for part in value for effect in self._server_message(part)]
        return self._server_message(value)

    def _server_message(self, value: Any) -> list[Effect]:
        match classify(value):
            case Invalid(_, reason):
                return [Dropped(f"from the server: {reason}")]
            case Response() as response:
                return self._server_response(response)
            case Request() as request:
                return self._back.route(request, encode(request.raw), self._calls.sole_session())
            case Notification() as notification:
                return self._server_notification(notification)

    def _server_response(self, response: Response) -> list[Effect]:
        if self._desk.awaits(response.id):
            return self._handshake_answered(response)
        if response.id in self._own:
            self._own.discard(int(response.id))
            return []
        call = self._calls.end(response.id)
        if call is None:
            self._calls.end_left(response.id)
            return [Dropped("an answer to no open call; its caller is gone, or cancelled it")]
        if call.method == "resources/subscribe" and not response.is_error:
            self._subscriptions.add(call.session, call.uri)
        return [ToClient(call.session, encode({**response.raw, "id": call.request_id}))]

    def _handshake_answered(self, response: Response) -> list[Effect]:
        effects = self._desk.answered(response)
        queue, self._queue = self._queue, []
        if response.is_error:
            refused = [ToClient(session, encode({**response.raw, "id": call.id})) for session, call in queue]
            return [*effects, *refused]
        if queue and self._desk.done and not self._desk.done.initialized:
            effects += self._desk.ensure_initialized()
        for session, call in queue:
            effects += self._forward(session, call)
        return effects

    def _server_notification(self, message: Notification) -> list[Effect]:
        params = params_of(message)
        if message.method in _TO_ALL:
            data = encode(message.raw)
            return [ToClient(session, data) for session in self._sessions]
        match message.method:
            case "notifications/progress":
                call = self._calls.find(params.get("progressToken"))
                if call is None or call.progress_token is None:
                    return [Dropped("progress of no open call")]
                restored = {**message.raw, "params": {**params, "progressToken": call.progress_token}}
                return [ToClient(call.session, encode(restored))]
            case "notifications/resources/updated":
                data = encode(message.raw)
                sessions = self._subscriptions.wanting(str(params.get("uri", "")))
                return [ToClient(session, data) for session in sessions] or [
                    Dropped("a change of a resource that nobody subscribed to")
                ]
            case "notifications/cancelled":
                owner = self._back.holder(params.get("requestId"))
            case _:
                owner = self._calls.sole_session()
        if owner is None:
            return [Dropped(f"{message.method[:80]}: no one session can be said to have caused it")]
        return [ToClient(owner, encode(message.raw))]

    def too_long(self, head: bytes, tail: bytes, *, limit: int) -> list[Effect]:
        """Take the ends of a line that was over the limit of bytes, and tell the caller whom it answered."""
        for found in _ID_IN_LINE.findall(head + b"\n" + tail):
            if (call := self._calls.end(int(found))) is not None:
                why = (
                    f"the server's answer was longer than {limit // (1024 * 1024)} MiB and was dropped; ask for less"
                )
                return [
                    ToClient(call.session, error_body(call.request_id, Code.SERVER_ERROR, why)),
                    Dropped("an answer over the limit; its caller was told"),
                ]
            if self._calls.end_left(int(found)):
                break
        return [Dropped("a line over the limit that answers no call")]

    # ends

    def session_ended(self, session: str) -> list[Effect]:
        """Forget a session; what it asked for is cancelled."""
        self._sessions.pop(session, None)
        self._desk.forget_session(session)
        self._queue = [entry for entry in self._queue if entry[0] != session]
        effects: list[Effect] = [
            ToServer(_cancellation(number)) for number, call in self._calls.end_session(session) if not call.cancelled
        ]
        effects += self._back.end_session(session)
        for uri in self._subscriptions.remove_session(session):
            if self._calls.open("resources/subscribe", uri, but=session):
                continue
            number = next(self._numbers)
            self._own.add(number)
            body = {"jsonrpc": "2.0", "id": number, "method": "resources/unsubscribe", "params": {"uri": uri}}
            effects.append(ToServer(encode(body)))
        return [] if self._exited else effects

    def server_exited(self, reason: str) -> list[Effect]:
        """Fail everything that waits for the server.

        Parameters
        ----------
        reason
            A sentence for the callers; also the answer to whatever comes from now on.
        """
        self._exited = reason
        waiting: list[tuple[str, Id]] = [(call.session, call.request_id) for call in self._calls.end_all()]
        waiting += self._desk.waiting()
        waiting += [(session, call.id) for session, call in self._queue]
        self._queue = []
        return [
            ToClient(session, error_body(request_id, Code.SERVER_ERROR, reason)) for session, request_id in waiting
        ]


def _cancellation(number: int) -> bytes:
    params = {"requestId": number, "reason": "the client ended its session"}
    return encode({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
