"""One process of the era without sessions (2026-07-28), and the requests that share it.

Each request stands alone, so any number of clients can share the process: ids, progress tokens and the ids of
subscriptions are replaced by numbers of our own and put back. The process is asked first whether it knows the era at
all, as the specification has clients do; until it says so nothing else is sent to it.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from toolhive_common.mcp.eras import MODERN_VERSIONS, SUPPORTED_VERSIONS, refuse_modern
from toolhive_common.mcp.jsonrpc import (
    Code,
    Id,
    Invalid,
    Notification,
    Request,
    Response,
    classify,
    encode,
    meta_of,
    notification_body,
    params_of,
    request_body,
)
from toolhive_common.mcp.port import RefusalCode
from toolhive_sessions.calls import Call, CallTable, progress_token
from toolhive_sessions.effects import CallKey, Dropped, MuxEffect, NotModern, ToClient, ToServer, call_key
from toolhive_sessions.failures import Unusable, answers_unusable, given_up, lost, numbers_in

__all__ = ["ModernMultiplexer"]

_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
_LOG_LEVEL = "io.modelcontextprotocol/logLevel"
_OWN_META: Mapping[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": MODERN_VERSIONS[0],
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "toolhive", "version": "1"},
}


_MODERN_ERRORS = (-32020, -32021, Code.UNSUPPORTED_PROTOCOL_VERSION)
"""Headers that differ from the body, a capability that is missing, a version that is not spoken."""


_LATE = 10.0
"""Seconds. In this era a server says nothing more of what was cancelled, but for what is on its way."""


class _State(Enum):
    NEW = "nothing was sent yet"
    ASKED = "it was asked whether it knows the era"
    READY = "it knows"
    REFUSED = "it does not"


class ModernMultiplexer:
    """Serves any number of requests with one process.

    Parameters
    ----------
    numbers
        Given to calls, see `LegacyMultiplexer`.
    known
        Whether the process is known to speak this era.
    """

    def __init__(self, numbers: Iterator[int], *, known: bool = False) -> None:
        self._calls = CallTable(numbers)
        self._state = _State.READY if known else _State.NEW
        self._probe = 0
        self._queue: list[tuple[str, Request]] = []

    @property
    def confirmed(self) -> bool:
        """Whether the process said that it knows the era."""
        return self._state is _State.READY

    def request(self, session: str, request: Request) -> list[MuxEffect]:
        """Take a request. Its session is one of its own, made for it."""
        match self._state:
            case _State.READY:
                return [self._forward(session, request)]
            case _State.REFUSED:
                return [_refuse(session, request)]
            case _State.ASKED:
                self._queue.append((session, request))
                return []
            case _State.NEW:
                self._queue.append((session, request))
                return [self._ask()]

    def _ask(self) -> ToServer:
        self._state = _State.ASKED
        self._probe = self._calls.next_number()
        return ToServer(request_body(self._probe, "server/discover", {"_meta": _OWN_META}))

    def _forward(self, session: str, request: Request) -> ToServer:
        meta = meta_of(request)
        token, wants_logs = progress_token(meta), _LOG_LEVEL in meta
        number = self._calls.add(Call(session, request.id, request.method, token, wants_logs=wants_logs))
        raw = {**request.raw, "id": number}
        if token is not None:
            raw["params"] = {**params_of(request), "_meta": {**meta, "progressToken": number}}
        return ToServer(encode(raw))

    def from_server(self, value: Any) -> list[MuxEffect]:
        """Take one message of the process."""
        match classify(value):
            case Invalid(_, reason):
                return [Dropped(f"from the server: {reason}")]
            case Response() as response:
                return self._response(response)
            case Request():
                return [Dropped("a request of the server, which this era has none of")]
            case Notification() as notification:
                return self._notification(notification)

    def _response(self, response: Response) -> list[MuxEffect]:
        if self._state is _State.ASKED and response.id == self._probe:
            return self._probed(response)
        call = self._calls.end(response.id)
        if call is None:
            self._calls.end_left(response.id)
            return [Dropped("an answer to no open call; its caller is gone, or cancelled it")]
        raw = {**response.raw, "id": call.request_id}
        result = raw.get("result")
        if isinstance(result, dict):
            raw["result"] = _with_subscription(result, call.request_id)
        return [ToClient(call.session, encode(raw), call.key, final=True)]

    def _probed(self, response: Response) -> list[MuxEffect]:
        queue, self._queue = self._queue, []
        if not _knows_the_era(response):
            return self._refuse_all(queue)
        self._state = _State.READY
        return [self._forward(session, request) for session, request in queue]

    def give_up_asking(self) -> list[MuxEffect]:
        """Take silence for a no: legacy servers may not answer what they do not know."""
        if self._state is not _State.ASKED:
            return []
        queue, self._queue = self._queue, []
        return self._refuse_all(queue)

    def _refuse_all(self, queue: list[tuple[str, Request]]) -> list[MuxEffect]:
        self._state = _State.REFUSED
        return [NotModern(), *(_refuse(session, request) for session, request in queue)]

    def _notification(self, message: Notification) -> list[MuxEffect]:
        params = params_of(message)
        if message.method == "notifications/progress":
            call = self._calls.find(params.get("progressToken"))
            if call is None or call.progress_token is None:
                return [Dropped("progress of no open call")]
            restored = {**message.raw, "params": {**params, "progressToken": call.progress_token}}
            return [ToClient(call.session, encode(restored), call.key)]
        if (number := meta_of(message).get(_SUBSCRIPTION)) is not None:
            return self._subscribed(message, number)
        if message.method == "notifications/cancelled":
            return self._ended_by_server(params.get("requestId"))
        logs = message.method == "notifications/message"
        session = self._calls.sole_session_wanting_logs() if logs else self._calls.sole_session()
        if session is None:
            return [Dropped(f"{message.method[:80]}: no one request can be said to have caused it")]
        return [ToClient(session, encode(message.raw))]

    def _subscribed(self, message: Notification, number: object) -> list[MuxEffect]:
        call = self._calls.find(number)
        if call is None:
            return [Dropped("a notification of no open subscription")]
        restored = {**message.raw, "params": _with_subscription(params_of(message), call.request_id)}
        return [ToClient(call.session, encode(restored), call.key)]

    def _ended_by_server(self, number: object) -> list[MuxEffect]:
        call = self._calls.end(number)
        if call is None:
            return [Dropped("the end of no open subscription")]
        result = {"resultType": "complete", "_meta": {_SUBSCRIPTION: call.request_id}}
        body = encode({"jsonrpc": "2.0", "id": call.request_id, "result": result})
        return [ToClient(call.session, body, call.key, final=True)]

    def unusable(self, head: bytes, tail: bytes, why: Unusable) -> list[MuxEffect]:
        """Take the ends of a line that cannot be passed on, and tell the caller whom it seems to answer."""
        return answers_unusable(self._calls, numbers_in(head, tail), why)

    def end_call(self, session: str, key: CallKey) -> list[MuxEffect]:  # noqa: ARG002  # a session has one call
        """Cancel a call that nobody waits for any more."""
        return self.session_ended(session)

    def give_up_cancelled(self, now: float, patience: float) -> list[MuxEffect]:
        """Take what was cancelled, and is not answered for so many seconds, for done."""
        return given_up(self._calls.give_up(now, min(patience, _LATE)))

    def session_ended(self, session: str) -> list[MuxEffect]:
        """Cancel the request of a session."""
        if self._queue:
            self._queue = [entry for entry in self._queue if entry[0] != session]
        reason = "nobody waits for the answer any more"
        return [
            ToServer(notification_body("notifications/cancelled", {"requestId": number, "reason": reason}))
            for number, _ in self._calls.end_session(session)
        ]

    def exited(self, reason: str, code: RefusalCode = RefusalCode.SERVER_LOST) -> list[MuxEffect]:
        """Fail everything that waits for the process, see `failures.lost`."""
        waiting: list[tuple[str, Id]] = [(call.session, call.request_id) for call in self._calls.end_all()]
        waiting += [(session, request.id) for session, request in self._queue]
        self._queue = []
        return lost(waiting, reason, code)


def _refuse(session: str, request: Request) -> ToClient:
    return ToClient(session, refuse_modern(request), call_key(request.id), final=True)


def _knows_the_era(response: Response) -> bool:
    """Whether a server's answer to ``server/discover`` is one that only servers of this era give.

    There are servers that answer whatever they are asked, with nothing in it.
    """
    error = response.raw.get("error")
    if isinstance(error, dict):
        return error.get("code") in _MODERN_ERRORS
    result = response.raw.get("result")
    versions = result.get("supportedVersions") if isinstance(result, dict) else None
    return isinstance(versions, list) and any(version not in SUPPORTED_VERSIONS for version in versions)


def _with_subscription(params: Mapping[str, Any], request_id: Id) -> dict[str, Any]:
    meta = params.get("_meta")
    if not isinstance(meta, dict) or _SUBSCRIPTION not in meta:
        return dict(params)
    return {**params, "_meta": {**meta, _SUBSCRIPTION: request_id}}
