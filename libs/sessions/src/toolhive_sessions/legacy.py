"""One process of the era with sessions (up to 2025-11-25), and the clients that share it.

Answers and progress reach the session that asked, and no other: ids and progress tokens are replaced by numbers of
our own on the way in and put back, type included, on the way out.

Requests and other notifications of the server do not say which call caused them, unless they name a task. They go to
a session only when no other can have caused them: when it is the only client or, unless the process is private, alone
has calls that the server has not answered; and in both cases no other session has such a call, cancelled ones and
those of ended sessions included, nor had a call answered, said anything to the server or ended within the last five
ticks of the broker, which are seconds, and since the calls in question began. Else they are answered here or dropped.
What was cancelled and is not answered is taken for done after some minutes. So they reach the wrong session only
where nothing in the protocol tells: for a call that the server answered some seconds ago or before the others began,
or was told to give up minutes ago, or for what no call caused, while one session alone has open calls; in a private
process only when the session that they are of is over since then. And for a call of an earlier hold on the same
process. Changes of lists go to all sessions, those of a resource to its subscribers. A client that needs more asks
for a process of its own.

A call that its client cancels is over for the client at once: it need not be answered, and the answer that comes is
dropped.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from toolhive_common.mcp.eras import is_modern, refuse_modern
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
    request_body,
    result_body,
)
from toolhive_common.mcp.port import RefusalCode
from toolhive_sessions.backcalls import BackCalls
from toolhive_sessions.bounds import capabilities_too_large
from toolhive_sessions.calls import Call, CallTable, progress_token
from toolhive_sessions.clients import LEVELS, Client, client_from
from toolhive_sessions.effects import CallKey, Dropped, Handshake, MuxEffect, ToClient, ToServer, call_key
from toolhive_sessions.facts import SessionFacts, kept_name
from toolhive_sessions.failures import Unusable, answers_unusable, lost, numbers_in
from toolhive_sessions.handshake import HandshakeDesk
from toolhive_sessions.subscriptions import Subscriptions
from toolhive_sessions.tasks import TaskTable, related_task

__all__ = ["LegacyMultiplexer"]

_TO_ALL = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
    }
)
_OF_RESOURCES = frozenset({"resources/subscribe", "resources/unsubscribe"})
_OF_ONE_TASK = frozenset({"tasks/get", "tasks/result", "tasks/cancel"})


class LegacyMultiplexer:
    """Serves any number of sessions with one process. Make a new one for each process, and each new hold on one.

    Parameters
    ----------
    numbers
        Given to calls. Higher than any that the same process was sent under an earlier hold: its late answers must
        not pass for ours.
    shared
        Whether more than one client may come.
    private
        Whether the clients are different people's, so that what cannot be told apart is for none of several.
    handshake
        The handshake that the process already had.
    """

    def __init__(
        self, numbers: Iterator[int], *, shared: bool, private: bool = False, handshake: Handshake | None = None
    ) -> None:
        self._calls = CallTable(numbers)
        self._desk = HandshakeDesk(shared=shared, done=handshake)
        self._shared = shared
        self._private = private
        self._back = BackCalls()
        self._subscriptions = Subscriptions()
        self._tasks = TaskTable()
        self._clients: dict[str, Client] = {}
        self._queue: list[tuple[str, Request]] = []
        """Calls that wait for the handshake."""
        self._own: dict[int, str] = {}
        """Numbers of requests of our own, with the level that they ask for, if they do."""
        self._told_level = ""
        """Least severe log message that the process agreed to tell."""

    @property
    def handshake(self) -> Handshake | None:
        """The handshake of this process, once it is done."""
        return self._desk.done

    def client(self, session: str) -> Client | None:
        """What a session's client said of itself."""
        return self._clients.get(session)

    @property
    def sessions(self) -> int:
        """Clients that were named to the process."""
        return len(self._clients)

    def succeed(self, earlier: "LegacyMultiplexer") -> list[MuxEffect]:
        """Go on for the clients of a process that ended: same sessions, subscriptions and log level."""
        self._clients = {**earlier._clients, **self._clients}  # noqa: SLF001  # the same class
        self._subscriptions = earlier._subscriptions  # noqa: SLF001
        if self._desk.done is not None:  # the same process: it was told
            self._told_level = earlier._told_level  # noqa: SLF001
        return self._desk.begin(self._calls.next_number()) if self._clients and self._shared else []

    def facts(self, session: str) -> SessionFacts | None:
        """What has to be kept of a session."""
        client = self._clients.get(session)
        if client is None:
            return None
        wants = tuple(self._subscriptions.of(session))
        return SessionFacts(
            kept_name(session), client.version, client.capabilities, client.name, client.log_level, wants
        )

    def restore(self, facts: SessionFacts) -> None:
        """Go on with a session that another multiplexer of the same process had."""
        self._clients[facts.name] = Client(
            facts.name, facts.version, facts.capabilities, facts.client, facts.log_level
        )
        for uri in facts.subscriptions:
            self._subscriptions.add(facts.name, uri)
        self._told_level = self._lowest_level()

    def rename(self, before: str, after: str) -> None:
        """Call a session by another name. It has no open calls."""
        client = self._clients.pop(before, None)
        if client is not None:
            client.session = after
            self._clients[after] = client
        self._subscriptions.rename(before, after)
        self._back.rename(before, after)
        self._tasks.rename(before, after)

    # from the clients

    def request(self, session: str, request: Request) -> list[MuxEffect]:
        """Take a request of a session."""
        if request.method == "initialize":  # whatever else it says: it is how the older era begins
            if (why := capabilities_too_large(params_of(request))) is not None:
                body = error_body(request.id, Code.INVALID_PARAMS, why)
                return [ToClient(session, body, call_key(request.id), final=True)]
            self._clients[session] = client_from(session, params_of(request))
            return self._desk.request(session, request, self._calls.next_number())
        if is_modern(request):  # one that the process took for the first would shut all clients of this era out
            return [ToClient(session, refuse_modern(request), call_key(request.id), final=True)]
        if session not in self._clients:
            self._clients[session] = Client(session)
        if self._desk.done is None:
            self._queue.append((session, request))
            return self._desk.begin(self._calls.next_number())
        return [*self._desk.ready(), *self._forward(session, request)]

    def _forward(self, session: str, request: Request) -> list[MuxEffect]:
        params = params_of(request)
        uri = params.get("uri") if request.method in _OF_RESOURCES else ""
        uri = uri if isinstance(uri, str) else ""
        if self._shared and (answer := self._answer_ourselves(session, request, uri)) is not None:
            return [ToClient(session, answer, call_key(request.id), final=True)]
        meta = meta_of(request)
        token = progress_token(meta)
        call = Call(session, request.id, request.method, token, uri, is_task="task" in params)
        if self._shared and request.method == "logging/setLevel" and params.get("level") in LEVELS:
            call.level = params["level"]
        number = self._calls.add(call)
        raw = {**request.raw, "id": number}
        if token is not None:
            raw["params"] = {**params, "_meta": {**meta, "progressToken": number}}
        return [ToServer(encode(raw))]

    def _answer_ourselves(self, session: str, request: Request, uri: str) -> bytes | None:
        """Answer what concerns the other clients too; ``None`` for what the process shall answer."""
        match request.method:
            case "resources/subscribe" if self._subscriptions.held(uri):
                self._subscriptions.add(session, uri)
                return result_body(request.id, {})
            case "resources/unsubscribe":
                last = self._is_last(session, uri)
                # From now on the server does not tell of it, whenever it answers: a new subscriber must ask it anew.
                self._subscriptions.remove(session, uri)
                return None if last else result_body(request.id, {})
            case "logging/setLevel":
                return self._set_level(session, request)
            case method if method in _OF_ONE_TASK:
                task_id = params_of(request).get("taskId")
                if self._tasks.owner(task_id) != session:
                    return error_body(request.id, Code.INVALID_PARAMS, "there is no such task")
        return None

    def _set_level(self, session: str, request: Request) -> bytes | None:
        """Ask the process for as much as the most curious client wants; each gets what it asked for."""
        level = params_of(request).get("level")
        if level not in LEVELS:
            return None  # the server says what is wrong with it
        wanted = min(level, self._lowest_level(but=session) or level, key=LEVELS.index)
        if wanted == level != self._told_level:
            return None  # and noted once it agrees, which it need not
        self._clients[session].log_level = level
        return result_body(request.id, {})

    def _level_agreed(self, session: str, level: str) -> list[MuxEffect]:
        """Note a level that the process agreed to, which may be less than another client still wants."""
        self._told_level = level
        if session in self._clients:
            self._clients[session].log_level = level
        wanted = self._lowest_level()
        if not wanted or LEVELS.index(wanted) >= LEVELS.index(level):
            return []
        return [self._ask("logging/setLevel", {"level": wanted})]

    def _lowest_level(self, *, but: str = "") -> str:
        clients = [client for client in self._clients.values() if client.log_level and client.session != but]
        return min((client.log_level for client in clients), key=LEVELS.index, default="")

    def _is_last(self, session: str, uri: str) -> bool:
        others_ask = self._calls.open_elsewhere("resources/subscribe", uri, but=session)
        return self._subscriptions.is_last(session, uri) and not others_ask

    def notification(self, session: str, message: Notification) -> list[MuxEffect]:
        """Take a notification of a session."""
        params = params_of(message)
        match message.method:
            case _ if is_modern(message):
                return [Dropped("a notification of the era without sessions")]
            case "notifications/initialized":
                return self._desk.ready()
            case "notifications/cancelled":
                return self._cancel(session, message)
            case "notifications/progress" if not self._back.awaits_progress(session, params.get("progressToken")):
                return [Dropped("progress of a request that the server did not send to this session")]
            case _ if self._desk.done is None:
                return [Dropped(f"{message.method[:80]} before initialize")]
            case _:
                self._calls.spoke(session)
                return [ToServer(encode(message.raw))]

    def response(self, session: str, response: Response) -> list[MuxEffect]:
        """Take a session's answer to a request of the server."""
        self._calls.spoke(session)
        return self._back.answer(session, response)

    def _cancel(self, session: str, message: Notification) -> list[MuxEffect]:
        params = params_of(message)
        request_id = params.get("requestId")
        for index, (holder, request) in enumerate(self._queue):
            if holder == session and type(request.id) is type(request_id) and request.id == request_id:
                del self._queue[index]
                body = error_body(request.id, Code.SERVER_ERROR, "cancelled before it was sent")
                return [ToClient(session, body, call_key(request.id), final=True)]
        number = self._calls.number_of(session, request_id)
        call = self._calls.leave(number) if number is not None else None
        if call is None:
            return [Dropped("a cancellation of no call of this session")]
        if call.level:  # whether the process obeyed is never known
            self._told_level = ""
        body = error_body(call.request_id, Code.SERVER_ERROR, "cancelled by the client")
        return [
            ToServer(encode({**message.raw, "params": {**params, "requestId": number}})),
            ToClient(session, body, call.key, final=True),
        ]

    # from the process

    def from_server(self, value: Any) -> list[MuxEffect]:
        """Take one message of the process."""
        match classify(value):
            case Invalid(_, reason):
                return [Dropped(f"from the server: {reason}")]
            case Response() as response:
                return self._server_response(response)
            case Request() as request:
                return self._back.route(request, self._cause(params_of(request)))
            case Notification() as notification:
                return self._server_notification(notification)

    def _server_response(self, response: Response) -> list[MuxEffect]:
        if self._desk.awaits(response.id):
            return self._handshake_answered(response)
        if type(response.id) is int and response.id in self._own:
            level = self._own.pop(response.id)
            return [] if response.is_error or not level else self._level_agreed("", level)
        call = self._calls.end(response.id)
        if call is None:
            self._calls.end_left(response.id)
            return [Dropped("an answer to no open call; its caller is gone, or cancelled it")]
        raw = {**response.raw, "id": call.request_id}
        also: list[MuxEffect] = []
        if not response.is_error:
            also = self._note_result(call, raw)
            self._note_task(call, response)
        return [ToClient(call.session, encode(raw), call.key, final=True), *also]

    def _note_result(self, call: Call, raw: dict[str, Any]) -> list[MuxEffect]:
        """Learn what an answer means for later messages, and leave out of it what is others'."""
        result = raw.get("result")
        if call.level:
            return self._level_agreed(call.session, call.level)
        if call.method == "resources/subscribe":
            self._subscriptions.add(call.session, call.uri)
        elif self._shared and isinstance(result, dict):
            if call.is_task:
                self._tasks.created(call.session, result)
            elif call.method == "tasks/list":
                raw["result"] = self._tasks.only_own(call.session, result)
        return []

    def _note_task(self, call: Call, response: Response) -> None:
        """Learn from an answer for whom a task's progress is, and when there is no more of it."""
        result = response.raw.get("result")
        if not isinstance(result, dict):
            return
        if call.is_task and call.progress_token is not None:
            self._tasks.follow(int(response.id), call.session, call.progress_token, result)
        elif call.method == "tasks/result":  # which is answered when the task is over
            self._tasks.ended(related_task(result))
        elif call.method in _OF_ONE_TASK:
            self._tasks.heard(result)

    def _handshake_answered(self, response: Response) -> list[MuxEffect]:
        effects = self._desk.answered(response)
        queue, self._queue = self._queue, []
        if response.is_error:
            refused = [
                ToClient(session, encode({**response.raw, "id": call.id}), call_key(call.id), final=True)
                for session, call in queue
            ]
            return [*effects, *refused]
        effects += self._catch_up()
        if queue:
            effects += self._desk.ready()
        for session, call in queue:
            effects += self._forward(session, call)
        return effects

    def _catch_up(self) -> list[MuxEffect]:
        """Ask a new process for what an earlier one was asked by clients that are still there."""
        asked: list[tuple[str, Mapping[str, Any]]] = [
            ("resources/subscribe", {"uri": uri}) for uri in self._subscriptions.all()
        ]
        if level := self._lowest_level():
            asked.append(("logging/setLevel", {"level": level}))
        return [self._ask(method, params) for method, params in asked]

    def _ask(self, method: str, params: Mapping[str, Any]) -> ToServer:
        number = self._calls.next_number()
        self._own[number] = str(params.get("level", ""))
        return ToServer(request_body(number, method, params))

    def _server_notification(self, message: Notification) -> list[MuxEffect]:
        params = params_of(message)
        if message.method == "notifications/tasks/status":
            self._tasks.heard(params)
        if message.method in _TO_ALL:
            data = encode(message.raw)
            return [ToClient(session, data, to_listener=True) for session in self._clients]
        match message.method:
            case "notifications/progress":
                return self._progress(message, params)
            case "notifications/resources/updated" if self._shared:
                data = encode(message.raw)
                sessions = self._subscriptions.wanting(str(params.get("uri", "")))
                return [ToClient(session, data, to_listener=True) for session in sessions] or [
                    Dropped("a change of a resource that nobody subscribed to")
                ]
            case "notifications/cancelled":
                owner = self._clients.get(self._back.cancelled(params.get("requestId")) or "")
            case "notifications/tasks/status" if self._shared:
                owner = self._clients.get(self._tasks.owner(params.get("taskId")) or "")
            case "notifications/message":
                owner = self._cause(params)
                if owner is not None and not owner.wants_log(params.get("level")):
                    return []
            case _:
                owner = self._cause(params)
        if owner is None:
            return [Dropped(f"{message.method[:80]}: no one session can be said to have caused it")]
        return [ToClient(owner.session, encode(message.raw))]

    def _progress(self, message: Notification, params: Mapping[str, Any]) -> list[MuxEffect]:
        token = params.get("progressToken")
        if (task := self._tasks.followed(token)) is not None:
            restored = {**message.raw, "params": {**params, "progressToken": task.token}}
            return [ToClient(task.session, encode(restored), to_listener=True)]
        call = self._calls.find(token)
        if call is None or call.progress_token is None:
            return [Dropped("progress of no open call")]
        restored = {**message.raw, "params": {**params, "progressToken": call.progress_token}}
        return [ToClient(call.session, encode(restored), call.key)]

    def _cause(self, params: Mapping[str, Any]) -> Client | None:
        """The client that a message of the server can be said to be for."""
        if (task := related_task(params)) is not None and self._shared:
            return self._clients.get(self._tasks.owner(task) or "")
        if len(self._clients) == 1:
            [only] = self._clients.values()
            return None if self._shared and self._calls.others_than(only.session) else only
        return None if self._private else self._clients.get(self._calls.sole_session() or "")

    def unusable(self, head: bytes, tail: bytes, why: Unusable) -> list[MuxEffect]:
        """Take the ends of a line that cannot be passed on, and tell the caller whom it seems to answer."""
        numbers = numbers_in(head, tail)
        shaking = next(filter(self._desk.awaits, numbers), None)
        if shaking is None:
            return answers_unusable(self._calls, numbers, why)
        error = {"code": int(Code.SERVER_ERROR), "message": why.why}
        return self._handshake_answered(Response(shaking, {"jsonrpc": "2.0", "id": shaking, "error": error}))

    # ends

    def end_call(self, session: str, key: CallKey) -> list[MuxEffect]:
        """Cancel a call that nobody waits for any more. Its id may be used again at once."""
        message = Notification("notifications/cancelled", _cancelled(key[1], "nobody waits for the answer any more"))
        return [effect for effect in self._cancel(session, message) if not isinstance(effect, ToClient)]

    def unanswered(self, session: str) -> int:
        """How many calls of a session the process has not answered, those that nobody waits for included."""
        return self._calls.unanswered(session)

    def tick(self, now: float, patience: float) -> None:
        """Take what was cancelled, and is not answered for so many seconds, for done; forget what was lately."""
        self._calls.tick(now, patience)

    def session_ended(self, session: str) -> list[MuxEffect]:
        """Forget a session; what it asked for is cancelled."""
        self._clients.pop(session, None)
        self._desk.forget_session(session)
        self._tasks.end_session(session)
        self._queue = [entry for entry in self._queue if entry[0] != session]
        effects: list[MuxEffect] = [
            ToServer(encode(_cancelled(number, "the client ended its session")))
            for number, _ in self._calls.end_session(session)
        ]
        effects += self._back.end_session(session)
        for uri in self._subscriptions.remove_session(session):
            if not self._calls.open_elsewhere("resources/subscribe", uri, but=session):
                effects.append(self._ask("resources/unsubscribe", {"uri": uri}))
        return effects

    def exited(self, reason: str, code: RefusalCode = RefusalCode.SERVER_LOST) -> list[MuxEffect]:
        """Fail everything that waits for the process, see `failures.lost`."""
        waiting: list[tuple[str, Id]] = [(call.session, call.request_id) for call in self._calls.end_all()]
        waiting += self._desk.waiting()
        waiting += [(session, call.id) for session, call in self._queue]
        self._queue = []
        return lost(waiting, reason, code)


def _cancelled(request_id: Id, reason: str) -> dict[str, Any]:
    params = {"requestId": request_id, "reason": reason}
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
