"""The sessions of a workload: whom each message goes to, and what is remembered."""

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from toolhive_common.mcp.port import FromBroker, Note, RefusalCode, ToBroker, Verb
from toolhive_sessions.broker import Broker
from toolhive_sessions.effects import (
    BrokerEffect,
    Dropped,
    Handshake,
    SessionClosed,
    SessionOpened,
    Shook,
    StartProcess,
    StopProcess,
    ToEdge,
    ToProcess,
)
from toolhive_sessions.facts import SessionFacts, kept_name
from toolhive_sessions.records import MAIN, Policy

VERSION = "io.modelcontextprotocol/protocolVersion"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
MODERN: dict[str, Any] = {VERSION: "2026-07-28"}

DISCOVERED = {"supportedVersions": ["2026-07-28", "2025-11-25"]}


def body(message: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


def request(request_id: Any, method: str = "tools/call", **params: Any) -> bytes:
    return body({"id": request_id, "method": method, "params": params})


@dataclass
class World:
    """A broker, and everything that it said."""

    policy: Policy = field(default_factory=Policy)
    now: float = 0.0
    effects: list[BrokerEffect] = field(default_factory=list)
    streams: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.broker = Broker(self.policy, itertools.count(1000))

    # what is done to it

    def ask(self, verb: Verb, session: str = "", data: bytes = b"", *, edge: str = "e", **more: Any) -> int:
        stream: int = more.pop("stream", None) or next(self.streams)
        self._note(self.broker.handle(edge, ToBroker(verb, stream, session, data, **more), self.now))
        return stream

    def says(self, message: dict[str, Any], slot: str = MAIN) -> None:
        self._note(self.broker.from_process(slot, body(message), self.now))

    def started(self, slot: str = MAIN, known: Handshake | None = None) -> None:
        self._note(self.broker.process_started(slot, self.now, known=known))

    def exited(self, slot: str = MAIN, reason: str = "it ended") -> None:
        self._note(self.broker.process_exited(slot, reason, self.now))

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self._note(self.broker.tick(self.now))

    def later(self) -> None:
        """Let so much time pass that what was lately is so no more."""
        for _ in range(5):
            self.tick(1)

    def edge_gone(self, edge: str) -> None:
        self._note(self.broker.edge_gone(edge, self.now))

    def end_all(self) -> None:
        self._note(self.broker.end_all("the end", self.now))

    def _note(self, effects: list[BrokerEffect]) -> None:
        self.effects += effects

    # what it said since the last look

    def _take(self, kind: Any) -> list[Any]:
        found = [effect for effect in self.effects if isinstance(effect, kind)]
        self.effects = [effect for effect in self.effects if not isinstance(effect, kind)]
        return found

    def sent(self, slot: str = MAIN) -> list[dict[str, Any]]:
        """Messages to a process."""
        found = [effect for effect in self._take(ToProcess) if effect.slot == slot]
        return [json.loads(effect.data) for effect in found]

    def notes(self) -> list[tuple[Note, int]]:
        return [(effect.message.note, effect.message.stream) for effect in self._take(ToEdge)]

    def said(self, edge: str | None = None) -> list[FromBroker]:
        """What edges were told."""
        return [effect.message for effect in self._take(ToEdge) if edge is None or effect.edge == edge]

    def messages(self) -> list[tuple[int, Any]]:
        """Messages to clients with their streams."""
        return [
            (said.stream, json.loads(said.data)) for said in self.said() if said.note in (Note.MESSAGE, Note.FINAL)
        ]

    def starts(self) -> list[str]:
        return [effect.slot for effect in self._take(StartProcess)]

    def stops(self) -> list[str]:
        return [effect.slot for effect in self._take(StopProcess)]

    def forget(self) -> None:
        self.effects.clear()

    # common stories

    def shake(self, slot: str = MAIN, **result: Any) -> None:
        """Have the process answer its handshake."""
        asked = [message for message in self.sent(slot) if message["method"] in ("initialize", "server/discover")]
        for message in asked:
            told = {"protocolVersion": "2025-11-25", "supportedVersions": ["2026-07-28", "2025-11-25"], **result}
            self.says({"id": message["id"], "result": told}, slot)

    def open(self, session: str, *, edge: str = "e", **params: Any) -> None:
        """Begin a session on the shared process."""
        self.ask(Verb.OPEN, session, request("init", "initialize", **params), edge=edge)
        self.shake()
        self.forget()

    def call(self, session: str, request_id: Any, *, slot: str = MAIN, **more: Any) -> tuple[int, int]:
        """Call; returns the stream and the id on the process's side."""
        stream = self.ask(Verb.CALL, session, request(request_id), **more)
        return stream, self.sent(slot)[-1]["id"]

    def answer(self, number: int, slot: str = MAIN, result: Any = None) -> None:
        self.says({"id": number, "result": result or {}}, slot)


def running(**policy: Any) -> World:
    world = World(Policy(**policy))
    world.started()
    world.forget()
    return world


def remembered(world: World) -> dict[str, Any]:
    """What a broker holds that it should not once all is over."""
    broker, tables = world.broker, {}
    for process in broker.processes:
        for mux in (process.mux, process.earlier):
            for name in ("_clients", "_queue", "_own") if mux is not None else ():
                tables[f"{process.slot}.{name}"] = getattr(mux, name, None)
            if mux is not None:
                calls = mux._calls
                for name in ("_calls", "_of_session", "_left", "_work", "_unwanted", "_logging", "_apart"):
                    tables[f"{process.slot}.calls.{name}"] = getattr(calls, name)
                tables[f"{process.slot}.back"] = getattr(getattr(mux, "_back", None), "_asked", None)
                tables[f"{process.slot}.tasks"] = getattr(getattr(mux, "_tasks", None), "_owner", None)
                tables[f"{process.slot}.subscriptions"] = getattr(
                    getattr(mux, "_subscriptions", None), "_sessions", None
                )
    tables |= {"at": broker._at, "sessions": broker._sessions, "clients": len(broker)}
    tables["processes"] = [process.slot for process in broker.processes if process.slot != MAIN]
    tables["to start"] = broker._pool._to_start
    return {name: held for name, held in tables.items() if held}


# -- sessions and calls -------------------------------------------------------------------------------------------


def test_a_session_is_opened_called_and_ended_and_nothing_is_left() -> None:
    world = running()
    opening = world.ask(Verb.OPEN, "s", request("i", "initialize", clientInfo={"name": "c", "version": "2"}))
    world.shake()
    assert world._take(SessionOpened) == [SessionOpened("s", "c 2")]
    [(stream, answer)] = world.messages()
    assert (stream, answer["id"]) == (opening, "i")
    stream, number = world.call("s", 1)
    world.answer(number, result={"x": 1})
    [final] = world.said()
    assert (final.note, final.stream, final.number) == (Note.FINAL, stream, 1)
    assert json.loads(final.data) == {"jsonrpc": "2.0", "id": 1, "result": {"x": 1}}
    assert len(world.broker) == 1
    ending = world.ask(Verb.END, "s")
    assert world.notes() == [(Note.DONE, ending)]
    assert world._take(SessionClosed) == [SessionClosed("s", "c 2", "its client ended it")]
    assert remembered(world) == {}


@pytest.mark.parametrize("verb", [Verb.CALL, Verb.TELL, Verb.LISTEN, Verb.END])
def test_an_unknown_session_is_refused(verb: Verb) -> None:
    world = running()
    stream = world.ask(verb, "nobody", request(1))
    [said] = world.said()
    assert (said.note, said.stream, said.code) == (Note.REFUSED, stream, RefusalCode.UNKNOWN_SESSION)


@pytest.mark.parametrize("verb", [Verb.CALL, Verb.TELL, Verb.LISTEN, Verb.END])
@pytest.mark.parametrize("kind", [Verb.CALL_ONCE, Verb.CALL_MODERN])
def test_what_stands_for_one_request_is_no_session_that_a_client_can_name(kind: Verb, verb: Verb) -> None:
    world = running()
    stream = world.ask(kind, data=request(1))
    [session] = world.broker._sessions
    world.forget()
    world.ask(verb, session, request(2))
    assert [said.code for said in world.said()] == [RefusalCode.UNKNOWN_SESSION]
    assert ("e", stream) in world.broker._at


@pytest.mark.parametrize("data", [b"", b"x", b"[]", b"1", body({"method": "x"}), body({"id": 1, "result": 1})])
@pytest.mark.parametrize("verb", [Verb.OPEN, Verb.CALL, Verb.CALL_ONCE, Verb.CALL_MODERN])
def test_what_is_no_request_is_refused_and_starts_nothing(verb: Verb, data: bytes) -> None:
    world = World(Policy(has_main=False))
    if verb is Verb.CALL:
        world = running()
        world.open("s")
    world.ask(verb, "s", data)
    assert [said.code for said in world.said()] == [RefusalCode.NO_REQUEST]
    assert (world.starts(), world.stops()) == ([], [])
    world.end_all()
    assert remembered(world) == {}


def test_a_session_begins_with_initialize() -> None:
    world = running()
    world.ask(Verb.OPEN, "s", request(1, "tools/list"))
    assert [said.code for said in world.said()] == [RefusalCode.NO_REQUEST]
    assert len(world.broker) == 0


def test_a_session_cannot_be_opened_over_another() -> None:
    world = running()
    world.open("s")
    world.ask(Verb.OPEN, "s", request(1, "initialize"))
    assert [said.code for said in world.said()] == [RefusalCode.ID_IN_USE]
    assert len(world.broker) == 1


@pytest.mark.parametrize(
    "request_id", [1, "1", "{x}", "{0}", "{", "\ud800", "x" * 1024], ids=lambda each: repr(each)[:9]
)
def test_an_id_in_use_is_refused_until_it_is_answered(request_id: Any) -> None:
    world = running()
    world.open("s")
    _, number = world.call("s", request_id)
    second = world.ask(Verb.CALL, "s", request(request_id))
    [said] = world.said()
    assert (said.note, said.stream, said.code) == (Note.REFUSED, second, RefusalCode.ID_IN_USE)
    assert len(said.data) < 300
    world.answer(number)
    world.forget()
    assert world.call("s", request_id)[1] > number


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("id", {"id": "x" * 1025, "method": "tools/call"}),
        ("method", {"id": 1, "method": "x" * 1025}),
        ("progressToken", {"id": 1, "method": "tools/call", "params": {"_meta": {"progressToken": "x" * 1025}}}),
        ("uri", {"id": 1, "method": "resources/subscribe", "params": {"uri": "x" * 8193}}),
    ],
)
@pytest.mark.parametrize("verb", [Verb.CALL, Verb.CALL_ONCE, Verb.CALL_MODERN])
def test_a_request_of_which_too_much_would_be_remembered_is_refused(
    verb: Verb, what: str, message: dict[str, Any]
) -> None:
    world = running()
    world.open("s")
    world.ask(verb, "s", body(message))
    [said] = world.said()
    assert (said.note, said.code) == (Note.REFUSED, RefusalCode.NO_REQUEST)
    assert said.data.startswith(b"the %s of the request is longer than" % what.encode())
    assert world.sent() == []


def test_an_initialize_of_which_too_much_would_be_remembered_is_refused() -> None:
    world = running()
    world.ask(Verb.OPEN, "s", request("x" * 1025, "initialize"))
    assert [said.code for said in world.said()] == [RefusalCode.NO_REQUEST]
    assert len(world.broker) == 0


@pytest.mark.parametrize("shaken", [True, False], ids=["first client", "later client"])
def test_a_client_that_can_do_more_than_can_be_remembered_gets_an_error_and_no_session(shaken: bool) -> None:
    world = running()
    if shaken:
        world.open("other")
    before = remembered(world)
    stream = world.ask(Verb.OPEN, "s", request(1, "initialize", capabilities={"experimental": {"x": "y" * 20_000}}))
    [(to, answer)] = world.messages()
    assert (to, answer["error"]["code"]) == (stream, -32602)
    assert "capabilities" in answer["error"]["message"]
    assert remembered(world) == before
    assert world.sent() == []


def test_a_session_has_only_so_many_open_calls_those_that_its_client_left_included() -> None:
    world = running()
    world.open("s")
    numbers = []
    for count in range(Policy().max_calls):
        stream, number = world.call("s", count, streams=True)
        numbers.append(number)
        if count % 2:
            world.ask(Verb.LEAVE, stream=stream)
    world.forget()
    world.ask(Verb.CALL, "s", request("one more"))
    assert [said.code for said in world.said()] == [RefusalCode.CALLS_FULL]
    world.open("another")
    assert world.call("another", 1)[1] > numbers[-1]
    world.answer(numbers[1])
    assert world.call("s", "one more")[1] > numbers[-1]


def test_a_progress_token_that_can_be_none_is_left_to_the_process() -> None:
    world = running()
    world.open("s")
    token = {"x": "y"}
    world.ask(Verb.CALL, "s", request(1, _meta={"progressToken": token}))
    assert world.sent()[-1]["params"]["_meta"]["progressToken"] == token


def test_a_subscription_whose_client_stopped_waiting_is_not_remembered() -> None:
    world = running()
    world.open("s")
    stream = world.ask(Verb.CALL, "s", request(1, "resources/subscribe", uri="a:1"))
    world.ask(Verb.LEAVE, stream=stream, cancel=True)
    assert world.broker._sessions["s"].noted == set()


def test_the_same_id_as_text_is_another() -> None:
    world = running()
    world.open("s")
    numbers = {world.call("s", request_id)[1] for request_id in (1, "1")}
    assert len(numbers) == 2


def test_a_refused_handshake_ends_the_session() -> None:
    world = running()
    world.ask(Verb.OPEN, "s", request(0, "initialize"))
    [asked] = world.sent()
    world.says({"id": asked["id"], "error": {"code": -32602, "message": "no"}})
    assert [message["error"]["code"] for _, message in world.messages()] == [-32602]
    assert world._take(SessionOpened) == world._take(SessionClosed) == []
    assert remembered(world) == {}


def test_the_first_process_is_not_waited_for() -> None:
    world = World()
    for verb, data in (
        (Verb.OPEN, request(1, "initialize")),
        (Verb.ATTACH, b""),
        (Verb.CALL_ONCE, request(1)),
        (Verb.CALL_MODERN, request(1, _meta=MODERN)),
    ):
        world.ask(verb, "s", data)
        assert [said.code for said in world.said()] == [RefusalCode.SERVER_UNAVAILABLE]
    assert remembered(world) == {}


@pytest.mark.parametrize("policy", [{"max_sessions": 2}, {"max_processes": 2, "per_session": True}])
def test_a_session_makes_room_only_when_it_was_left_alone_for_long(policy: dict[str, Any]) -> None:
    world = running(spared=600, **policy)
    for session in "ab":
        world.ask(Verb.OPEN, session, request(0, "initialize"))
        for slot in world.starts():
            world.started(slot)
            world.shake(slot)
        world.shake()
        world.now += 1
    world.forget()
    world.ask(Verb.OPEN, "c", request(0, "initialize"))
    assert [said.note for said in world.said()] == [Note.REFUSED]
    assert len(world.broker) == 2
    world.now += 598.5
    world.ask(Verb.OPEN, "c", request(0, "initialize"))
    assert [closed.session for closed in world._take(SessionClosed)] == ["a"]
    assert set(world.broker._sessions) == {"b", "c"}


def test_a_session_that_listens_or_waits_makes_no_room_and_does_not_expire() -> None:
    world = running(max_sessions=2, spared=1, ttl=10)
    for session in "ab":
        world.open(session)
    world.ask(Verb.LISTEN, "a", streams=True)
    world.call("b", 1)
    world.tick(100)
    world.forget()
    world.ask(Verb.OPEN, "c", request(0, "initialize"))
    assert [said.code for said in world.said()] == [RefusalCode.SESSIONS_FULL]


def test_sessions_expire_when_nobody_uses_them() -> None:
    world = running(ttl=100)
    world.open("a")
    world.open("b")
    world.tick(60)
    world.ask(Verb.TELL, "b", body({"method": "notifications/initialized"}))
    world.tick(60)
    assert [closed.session for closed in world._take(SessionClosed)] == ["a"]
    world.tick(60)
    assert remembered(world) == {}


def test_a_session_whose_client_left_during_a_call_that_is_never_answered_expires() -> None:
    world = running(ttl=100)
    world.open("a")
    stream, number = world.call("a", 1)
    world.ask(Verb.LEAVE, stream=stream)
    world.tick(101)
    assert [closed.session for closed in world._take(SessionClosed)] == ["a"]
    assert [message["params"]["requestId"] for message in world.sent()] == [number]


# -- leaving and cancelling -----------------------------------------------------------------------------------------


def test_a_client_that_leaves_does_not_cancel_its_call() -> None:
    world = running()
    world.open("s")
    stream, number = world.call("s", 1)
    world.ask(Verb.LEAVE, stream=stream)
    assert world.sent() == []
    world.answer(number)
    assert world.said() == []


def test_an_answer_to_a_call_that_was_left_is_not_taken_for_a_later_calls_of_the_same_id() -> None:
    world = running()
    world.open("s")
    stream, first = world.call("s", 1)
    world.ask(Verb.LEAVE, stream=stream, cancel=True)
    assert [message["params"]["requestId"] for message in world.sent()] == [first]
    stream, second = world.call("s", 1)
    world.answer(first, result={"of": "first"})
    assert world.said() == []
    world.answer(second, result={"of": "second"})
    assert world.messages() == [(stream, {"jsonrpc": "2.0", "id": 1, "result": {"of": "second"}})]


CANCEL = body({"method": "notifications/cancelled", "params": {"requestId": 1}})


@pytest.mark.parametrize("per_session", [False, True])
def test_a_call_that_is_cancelled_ends_at_once_and_its_id_is_free(per_session: bool) -> None:
    world = running(per_session=per_session)
    slot = own(world, "s") if per_session else MAIN
    if per_session:
        world.started(slot)
        world.shake(slot)
        world.forget()
    else:
        world.open("s")
    stream, first = world.call("s", 1, slot=slot)
    telling = world.ask(Verb.TELL, "s", CANCEL)
    assert [message["params"]["requestId"] for message in world.sent(slot)] == [first]
    done, final = world.said()
    assert (done.note, done.stream) == (Note.DONE, telling)
    assert (final.note, final.stream) == (Note.FINAL, stream)
    error = {"code": -32000, "message": "cancelled by the client"}
    assert json.loads(final.data) == {"jsonrpc": "2.0", "id": 1, "error": error}
    again, second = world.call("s", 1, slot=slot)
    world.answer(first, slot, {"of": "first"})
    assert world.said() == []
    world.answer(second, slot, {"of": "second"})
    assert world.messages() == [(again, {"jsonrpc": "2.0", "id": 1, "result": {"of": "second"}})]
    world.ask(Verb.TELL, "s", CANCEL)
    assert [note for note, _ in world.notes()] == [Note.DONE]


def test_a_client_that_comes_back_for_a_call_that_it_cancelled_is_told_of_its_end() -> None:
    world = running()
    world.open("s")
    stream, _ = world.call("s", 1, streams=True)
    world.ask(Verb.LEAVE, stream=stream)
    world.now += 5
    world.ask(Verb.TELL, "s", CANCEL)
    world.forget()
    again = world.ask(Verb.LISTEN, "s", after=f"e.{stream}.0", streams=True)
    assert [(said.note, said.stream) for said in world.said()] == [(Note.STARTED, again), (Note.FINAL, again)]


def test_cancelled_calls_that_are_not_answered_count_among_a_sessions_calls() -> None:
    world = running(max_calls=3, cancel_patience=300)
    world.open("s")
    for _ in range(3):
        world.call("s", 1)
        world.ask(Verb.TELL, "s", CANCEL)
    world.forget()
    world.ask(Verb.CALL, "s", request(1))
    assert [said.code for said in world.said()] == [RefusalCode.CALLS_FULL]
    world.tick(1)
    world.tick(300)
    assert world.call("s", 1)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("how", ["fresh", "known", "started again", "restored"])
def test_what_names_no_call_reaches_a_session_that_alone_can_have_caused_it(how: str, private: bool) -> None:
    world = running(private=private) if how != "restored" else World(Policy(private=private))
    if how in ("known", "restored"):
        handshake = Handshake({}, {"protocolVersion": "2025-11-25"})
        if how == "restored":
            world.broker.restore([SessionFacts(kept_name("c"))], world.now)
        world.started(known=handshake)
    for session in "ab":
        world.open(session)
    if how == "started again":
        world.exited()
        world.started()
        world.shake()
    stream, _ = world.call("a", 1, streams=True)
    _, number = world.call("b", 1)
    world.forget()
    log = {"method": "notifications/message", "params": {"level": "info", "data": "of b"}}
    world.says(log)
    assert world.messages() == []
    world.answer(number)
    world.forget()
    for _ in range(5):
        world.says(log)
        assert world.messages() == []
        world.tick(1)
    world.says(log)
    assert [to for to, _ in world.messages()] == ([] if private else [stream])


def test_a_cancelled_call_that_is_never_answered_is_given_up_and_others_can_be_attributed_again() -> None:
    world = running(cancel_patience=300)
    world.open("a")
    world.open("b", capabilities={"sampling": {}})
    _, number = world.call("a", 1)
    world.ask(Verb.TELL, "a", CANCEL)
    left, _ = world.call("a", 2)
    world.ask(Verb.LEAVE, stream=left, cancel=True)
    stream, _ = world.call("b", 1, streams=True)
    sampling = {"id": 9, "method": "sampling/createMessage", "params": {}}
    world.forget()
    world.tick(1)
    world.tick(299)
    world.says(sampling)
    assert [message["error"]["code"] for message in world.sent()] == [-32601]
    world.tick(2)
    assert world.said() == []
    world.later()
    world.says(sampling)
    assert [(to, message["method"]) for to, message in world.messages()] == [(stream, "sampling/createMessage")]
    world.answer(number)
    assert world.said() == []


def test_a_dead_edges_calls_go_on_and_its_single_requests_and_attached_sessions_end() -> None:
    world = running()
    world.open("s")
    world.call("s", 1, edge="dead")
    world.ask(Verb.CALL_ONCE, data=request(1), edge="dead")
    once = world.sent()[-1]["id"]
    world.ask(Verb.ATTACH, "attached", edge="dead")
    other, number = world.call("s", 2, edge="alive")
    world.forget()
    world.edge_gone("dead")
    assert [message["params"]["requestId"] for message in world.sent()] == [once]
    told = world.said("dead")
    assert [(said.note, said.code) for said in told] == [(Note.DONE, RefusalCode.EDGE_LOST)] * 3
    assert len({said.stream for said in told}) == 3
    assert set(world.broker._sessions) == {"s"}
    assert set(world.broker._at) == {("alive", other)}
    world.answer(number)
    assert world.notes() == [(Note.FINAL, other)]


def test_an_edge_that_is_taken_for_dead_is_told_once_of_each_stream_also_of_those_of_a_session_that_ends() -> None:
    world = running()
    attached = world.ask(Verb.ATTACH, "s", edge="dead")
    listening = world.ask(Verb.LISTEN, "s", edge="dead")
    waiting = world.ask(Verb.ATTACH, "other", edge="dead")
    world.forget()
    world.edge_gone("dead")
    told = [said.stream for said in world.said("dead")]
    assert sorted(told) == sorted({listening, waiting}), f"{attached} ended when its client listened anew"
    world.edge_gone("dead")
    assert world.said() == []
    assert remembered(world) == {}


# -- sessions on one stream, single requests ------------------------------------------------------------------------


def test_a_session_on_one_stream_gets_everything_there() -> None:
    world = running()
    sse = world.ask(Verb.ATTACH, "s")
    assert world.notes() == [(Note.STARTED, sse)]
    world.ask(Verb.CALL, "s", request(0, "initialize"))
    world.shake()
    world.forget()
    for request_id in (1, "1"):
        post = world.ask(Verb.CALL, "s", request(request_id))
        assert world.notes() == [(Note.DONE, post)]
    numbers = [message["id"] for message in world.sent()]
    world.says({"method": "notifications/tools/list_changed"})
    for number in numbers:
        world.answer(number)
    said = world.messages()
    assert [stream for stream, _ in said] == [sse] * 3
    assert [message.get("id") for _, message in said] == [None, 1, "1"]
    assert world.broker._sessions["s"].listener.kept is None  # type: ignore[union-attr]
    world.ask(Verb.LEAVE, stream=sse)
    assert remembered(world) == {}


def test_the_first_message_of_an_attached_session_finds_a_process_of_its_era() -> None:
    world = running()
    world.ask(Verb.ATTACH, "s")
    world.ask(Verb.CALL_MODERN, data=request(1, _meta=MODERN))
    assert world.starts() == ["modern"]
    world.ask(Verb.CALL, "s", request(0, "initialize"))
    assert [message["method"] for message in world.sent()] == ["initialize"]


def test_one_request_without_a_session_is_served_and_forgotten() -> None:
    world = running()
    stream = world.ask(Verb.CALL_ONCE, data=request("x"))
    world.shake()
    [asked] = [message for message in world.sent() if message["method"] == "tools/call"]
    world.answer(asked["id"])
    assert [(to, message["id"]) for to, message in world.messages()] == [(stream, "x")]
    assert len(world.broker) == 0
    assert remembered(world) == {}


def test_a_client_without_a_session_is_asked_nothing() -> None:
    world = running()
    world.ask(Verb.CALL_ONCE, data=request("x"), streams=True)
    world.shake()
    world.forget()
    world.says({"id": "r", "method": "elicitation/create", "params": {}})
    assert [message["error"]["code"] for message in world.sent()] == [-32601]


# -- the era without sessions ---------------------------------------------------------------------------------------


def modern(world: World, request_id: Any = 1, **more: Any) -> int:
    return world.ask(Verb.CALL_MODERN, data=request(request_id, _meta=MODERN), **more)


@pytest.mark.parametrize(
    "result",
    [{}, {"supportedVersions": []}, {"supportedVersions": ["2025-11-25"]}, {"supportedVersions": "2026-07-28"}, 1],
)
def test_a_server_that_answers_anything_is_not_taken_for_one_of_this_era(result: Any) -> None:
    world = running()
    modern(world, "a")
    [probe] = world.sent()
    world.says({"id": probe["id"], "result": result})
    [(_, refused)] = world.messages()
    assert refused["error"]["code"] == -32022


def test_a_server_is_asked_whether_it_knows_the_era_before_anything_else() -> None:
    world = running()
    first, second = modern(world, "a"), modern(world, "b")
    [probe] = world.sent()
    assert probe["method"] == "server/discover"
    assert probe["params"]["_meta"][VERSION] == "2026-07-28"
    world.says({"id": probe["id"], "result": {"supportedVersions": ["2026-07-28"]}})
    calls = world.sent()
    assert [call["method"] for call in calls] == ["tools/call"] * 2
    assert world._take(Shook) == [Shook(Handshake(modern=True))]
    for call in reversed(calls):
        world.answer(call["id"])
    assert [(to, message["id"]) for to, message in world.messages()] == [(second, "b"), (first, "a")]
    assert remembered(world) == {}


@pytest.mark.parametrize("code", [-32020, -32021, -32022])
def test_an_error_of_the_era_shows_that_the_server_knows_it(code: int) -> None:
    world = running()
    modern(world)
    [probe] = world.sent()
    world.says({"id": probe["id"], "error": {"code": code, "message": ""}})
    assert [message["method"] for message in world.sent()] == ["tools/call"]


@pytest.mark.parametrize("how", ["refusal", "silence"])
@pytest.mark.parametrize("slot", [MAIN, "modern"])
def test_clients_of_a_server_that_does_not_know_the_era_are_sent_back_to_initialize(how: str, slot: str) -> None:
    world = running(probe_patience=10)
    if slot != MAIN:
        world.open("s")
    stream = modern(world, "x")
    if slot != MAIN:
        assert world.starts() == [slot]
        world.tick(60)  # as long as starting may take
        world.started(slot)
    [probe] = world.sent(slot)
    world.tick(9)
    assert world.said() == []
    if how == "refusal":
        world.says({"id": probe["id"], "error": {"code": -32601, "message": ""}}, slot)
    else:
        world.tick(2)
    [(to, answer)] = world.messages()
    assert (to, answer["id"], answer["error"]["code"]) == (stream, "x", -32022)
    assert answer["error"]["data"]["supported"][0] == "2025-11-25"
    assert world.stops() == ([slot] if slot != MAIN else [])
    again = modern(world, "y")
    assert [(to, message["error"]["code"]) for to, message in world.messages()] == [(again, -32022)]
    assert world.sent() == []
    world.ask(Verb.OPEN, "t", request(0, "initialize"))
    assert [message["method"] for message in world.sent()] == (["initialize"] if slot == MAIN else [])
    assert "t" in world.broker._sessions


@pytest.mark.parametrize("slot", [MAIN, "modern"])
def test_a_server_that_says_no_to_the_era_may_say_more_in_the_same_batch(slot: str) -> None:
    world = running()
    if slot != MAIN:
        world.open("s")
    stream = world.ask(Verb.CALL_MODERN, data=request(1, _meta=MODERN))
    if slot != MAIN:
        world.started(slot)
    number = world.sent(slot)[-1]["id"]
    no = {"jsonrpc": "2.0", "id": number, "error": {"code": -32601, "message": "what?"}}
    batch = [no, {"jsonrpc": "2.0", "method": "notifications/x"}, 1]
    world._note(world.broker.from_process(slot, json.dumps(batch).encode(), world.now))
    assert [(to, answer["error"]["code"]) for to, answer in world.messages()] == [(stream, -32022)]


def test_another_first_process_is_asked_anew() -> None:
    world = running()
    modern(world)
    world.says({"id": world.sent()[0]["id"], "error": {"code": -32601, "message": ""}})
    world.exited()
    world.started()
    modern(world)
    assert [message["method"] for message in world.sent()] == ["server/discover"]


@pytest.mark.parametrize("first", ["legacy", "modern"])
def test_clients_of_both_eras_get_a_process_each(first: str) -> None:
    world = running()
    slots = {first: MAIN}
    for era in (first, "modern" if first == "legacy" else "legacy"):
        if era == "legacy":
            world.ask(Verb.OPEN, "s", request(0, "initialize"))
        else:
            modern(world)
        for slot in world.starts():
            assert slot == era
            slots[era] = slot
            world.started(slot)
        [asked] = world.sent(slots[era])
        assert asked["method"] == ("initialize" if era == "legacy" else "server/discover")
    assert slots["legacy"] != slots["modern"]


def test_the_id_of_a_subscription_is_its_callers() -> None:
    world = running()
    streams = {}
    for request_id in (1, "1"):
        params = {"_meta": MODERN, "notifications": {"toolsListChanged": True}}
        data = body({"id": request_id, "method": "subscriptions/listen", "params": params})
        streams[request_id] = world.ask(Verb.CALL_MODERN, data=data, streams=True)
    world.says({"id": world.sent()[0]["id"], "result": DISCOVERED})
    numbers = [message["id"] for message in world.sent()]
    for number in numbers:
        meta = {SUBSCRIPTION: number, "x": 1}
        world.says({"method": "notifications/subscriptions/acknowledged", "params": {"_meta": meta}})
    assert [(to, message["params"]["_meta"]) for to, message in world.messages()] == [
        (streams[1], {SUBSCRIPTION: 1, "x": 1}),
        (streams["1"], {SUBSCRIPTION: "1", "x": 1}),
    ]
    world.says({"id": numbers[0], "result": {"_meta": {SUBSCRIPTION: numbers[0]}}})
    world.says({"method": "notifications/cancelled", "params": {"requestId": numbers[1]}})
    said = world.messages()
    assert [(to, message["id"], message["result"]["_meta"][SUBSCRIPTION]) for to, message in said] == [
        (streams[1], 1, 1),
        (streams["1"], "1", "1"),
    ]
    world.says({"method": "notifications/cancelled", "params": {"requestId": numbers[1]}})
    assert world.said() == []
    assert remembered(world) == {}


def test_the_end_of_a_stream_cancels_its_request() -> None:
    world = running()
    queued = modern(world, "queued")
    world.ask(Verb.LEAVE, stream=queued)
    kept = modern(world, "kept")
    world.says({"id": world.sent()[0]["id"], "result": DISCOVERED})
    [call] = world.sent()
    world.ask(Verb.LEAVE, stream=kept)
    [cancelled] = world.sent()
    assert (cancelled["method"], cancelled["params"]["requestId"]) == ("notifications/cancelled", call["id"])
    world.answer(call["id"])
    assert world.said() == []
    assert remembered(world) == {}


def test_log_messages_of_this_era_go_to_the_request_that_alone_asked_for_them() -> None:
    world = running()
    logged = request(1, _meta=MODERN | {LOG_LEVEL: "info"})
    first = world.ask(Verb.CALL_MODERN, data=logged, streams=True)
    world.says({"id": world.sent()[0]["id"], "result": DISCOVERED})
    world.forget()
    log = {"method": "notifications/message", "params": {"level": "info", "data": "x"}}
    world.says(log)
    assert [to for to, _ in world.messages()] == [first]
    second = world.ask(Verb.CALL_MODERN, data=logged, streams=True)
    world.says(log)
    assert world.messages() == []
    world.ask(Verb.LEAVE, stream=first)  # what the server said before it heard of this is not the other's
    world.says(log)
    assert world.messages() == []
    world.tick(0)
    world.tick(11)
    world.later()
    world.says(log)
    assert [to for to, _ in world.messages()] == [second]


@pytest.mark.parametrize("end", ["answered", "left"])
def test_a_log_message_of_this_era_that_another_request_may_have_caused_goes_to_nobody(end: str) -> None:
    world = running()
    silent = modern(world, streams=True)
    world.says({"id": world.sent()[0]["id"], "result": DISCOVERED})
    [asked] = world.sent()
    logged = world.ask(Verb.CALL_MODERN, data=request(1, _meta=MODERN | {LOG_LEVEL: "info"}), streams=True)
    world.forget()
    log = {"method": "notifications/message", "params": {"level": "info", "data": "of the other"}}
    world.says(log)
    assert world.messages() == []
    if end == "left":
        world.ask(Verb.LEAVE, stream=silent)
        world.later()
        world.says(log)
        assert world.said() == []
    world.answer(asked["id"])
    world.forget()
    for _ in range(5):
        world.says(log)
        assert world.messages() == []
        world.tick(1)
    world.says(log)
    assert [to for to, _ in world.messages()] == [logged]


def test_an_open_subscription_keeps_no_log_messages_from_others_once_it_began() -> None:
    world = running()
    listening = request("l", "subscriptions/listen", _meta=MODERN)
    subscribed = world.ask(Verb.CALL_MODERN, data=listening, streams=True)
    world.says({"id": world.sent()[0]["id"], "result": DISCOVERED})
    logged = world.ask(Verb.CALL_MODERN, data=request(1, _meta=MODERN | {LOG_LEVEL: "info"}), streams=True)
    log = {"method": "notifications/message", "params": {"level": "info", "data": "x"}}
    world.says(log)
    assert world.messages() == []
    world.later()
    world.says(log)
    assert [to for to, _ in world.messages()] == [logged]
    world.ask(Verb.LEAVE, stream=subscribed)
    world.says(log)
    assert world.messages() == []
    world.ask(Verb.LEAVE, stream=logged)
    world.tick(1)
    world.tick(11)
    world.later()
    assert remembered(world) == {}


def test_the_end_of_a_process_of_this_era_fails_its_requests_and_it_is_started_again_when_needed() -> None:
    world = running()
    world.open("s")
    stream = modern(world, 7)
    assert world.starts() == ["modern"]
    world.started("modern")
    world.exited("modern", "it fell over")
    [(to, answer)] = world.messages()
    assert (to, answer["id"], answer["error"]["message"]) == (stream, 7, "it fell over")
    modern(world, 8)
    assert (world.starts(), world.stops()) == (["modern"], [])


def test_a_shared_process_that_nobody_uses_is_ended() -> None:
    world = running(ttl=100)
    world.open("s")
    stream = modern(world)
    world.started("modern")
    world.says({"id": world.sent("modern")[0]["id"], "result": DISCOVERED}, "modern")
    world.ask(Verb.CALL, "s", request(9))
    world.tick(101)
    assert world.stops() == []
    world.ask(Verb.LEAVE, stream=stream)
    world.tick(101)
    assert world.stops() == ["modern"]
    world.tick(101)
    assert world.stops() == []


def test_requests_of_this_era_within_a_session_of_the_other_are_refused() -> None:
    world = running()
    world.open("s")
    stream = world.ask(Verb.CALL, "s", request(1, _meta=MODERN))
    assert world.sent() == []
    assert [(to, message["error"]["code"]) for to, message in world.messages()] == [(stream, -32022)]


# -- coming again ---------------------------------------------------------------------------------------------------


def progress(world: World, number: int, done: int) -> None:
    world.says({"method": "notifications/progress", "params": {"progressToken": number, "progress": done}})


def call_with_progress(world: World, **more: Any) -> tuple[int, int]:
    data = request(1, _meta={"progressToken": "t"})
    stream = world.ask(Verb.CALL, "s", data, streams=True, **more)
    return stream, world.sent()[-1]["id"]


def test_a_call_is_taken_up_again_through_another_edge_with_every_message_once() -> None:
    world = running()
    world.open("s")
    stream, number = call_with_progress(world, edge="e1")
    progress(world, number, 1)
    progress(world, number, 2)
    world.ask(Verb.LEAVE, stream=stream, edge="e1")
    progress(world, number, 3)
    world.forget()
    again = world.ask(Verb.LISTEN, "s", edge="e2", after=f"e1.{stream}.1", streams=True)
    progress(world, number, 4)
    world.now += 5
    world.answer(number)
    said = world.said("e2")
    assert [(each.note, each.stream, each.number) for each in said] == [
        (Note.STARTED, again, 0),
        (Note.MESSAGE, again, 2),
        (Note.MESSAGE, again, 3),
        (Note.MESSAGE, again, 4),
        (Note.FINAL, again, 5),
    ]
    assert [json.loads(each.data)["params"]["progress"] for each in said[1:4]] == [2, 3, 4]
    assert world.broker._at == {}


def test_a_call_that_was_answered_meanwhile_is_told_once_and_kept_for_a_while() -> None:
    world = running()
    world.open("s")
    stream, number = call_with_progress(world, edge="e1")
    world.ask(Verb.LEAVE, stream=stream, edge="e1")
    world.now += 5
    progress(world, number, 1)
    world.answer(number)
    for after, notes in (
        (0, [Note.STARTED, Note.MESSAGE, Note.FINAL]),
        (1, [Note.STARTED, Note.FINAL]),
        (2, [Note.STARTED, Note.DONE]),
        (99, [Note.STARTED, Note.DONE]),
    ):
        world.forget()
        world.ask(Verb.LISTEN, "s", edge="e2", after=f"e1.{stream}.{after}", streams=True)
        assert [said.note for said in world.said()] == notes
    assert world.broker._at == {}
    world.tick(301)
    world.forget()
    world.ask(Verb.LISTEN, "s", after=f"e1.{stream}.1", streams=True)
    assert [said.code for said in world.said()] == [RefusalCode.NOTHING_TO_RESUME]


def test_the_earlier_connection_ends_when_a_client_comes_again() -> None:
    world = running()
    world.open("s")
    stream, number = call_with_progress(world, edge="e1")
    progress(world, number, 1)
    world.forget()
    world.ask(Verb.LISTEN, "s", edge="e2", after=f"e1.{stream}.1", streams=True)
    assert [(said.note, said.stream) for said in world.said("e1")] == [(Note.DONE, stream)]
    world.ask(Verb.LEAVE, stream=stream, edge="e1", cancel=True)  # it says so late
    assert world.sent() == []
    world.answer(number)
    assert [said.note for said in world.said("e2")] == [Note.FINAL]


def test_another_sessions_streams_cannot_be_resumed() -> None:
    world = running()
    world.open("s")
    world.open("thief")
    stream, number = call_with_progress(world)
    progress(world, number, 1)
    world.forget()
    world.ask(Verb.LISTEN, "thief", after=f"e.{stream}.0", streams=True)
    assert [said.code for said in world.said()] == [RefusalCode.NOTHING_TO_RESUME]


@pytest.mark.parametrize("after", ["x", ".", "e.1.", "e.1.x", "e.1.-1", "e.1.²", "e.1." + "9" * 5000, "..", "1"])
def test_an_event_that_nobody_made_breaks_nothing(after: str) -> None:
    world = running()
    world.open("s")
    world.ask(Verb.LISTEN, "s", after=after, streams=True)
    assert [said.note for said in world.said()] == [Note.STARTED]


def test_what_came_while_nobody_listened_waits_and_its_events_have_the_ids_of_the_new_stream() -> None:
    world = running()
    world.open("s")
    changed = {"method": "notifications/tools/list_changed"}
    world.says(changed)
    first = world.ask(Verb.LISTEN, "s", edge="e1", streams=True)
    assert [(said.note, said.number) for said in world.said()] == [(Note.STARTED, 0), (Note.MESSAGE, 1)]
    world.says(changed)
    world.ask(Verb.LEAVE, stream=first, edge="e1")
    world.says(changed)
    world.forget()
    second = world.ask(Verb.LISTEN, "s", edge="e2", streams=True)
    assert [(said.note, said.number) for said in world.said()] == [(Note.STARTED, 0), (Note.MESSAGE, 3)]
    world.ask(Verb.LEAVE, stream=second, edge="e2")
    world.says(changed)
    world.ask(Verb.LISTEN, "s", edge="e3", after=f"e2.{second}.3", streams=True)
    assert [(said.note, said.number) for said in world.said()] == [(Note.STARTED, 0), (Note.MESSAGE, 4)]


def test_only_so_much_is_kept_for_who_may_come_again() -> None:
    world = running()
    world.open("s")
    world.ask(Verb.LISTEN, "s", streams=True)
    for _ in range(300):
        world.says({"method": "notifications/tools/list_changed", "params": {"x": "y" * 1000}})
    listener = world.broker._sessions["s"].listener
    assert listener is not None
    assert listener.kept is not None
    assert len(listener.kept) == 200
    world.says({"method": "notifications/tools/list_changed", "params": {"x": "y" * 5_000_000}})
    assert len(listener.kept) == 200
    for each in range(200):
        _, number = world.call("s", f"c{each}", streams=True)
        world.now += 1
        world.answer(number, result={"x": "y" * 100_000})
    past = world.broker._sessions["s"].shelf.past
    assert 0 < sum(stream.kept_bytes for stream in past.values()) <= 4 * 1024 * 1024


def test_what_all_streams_of_a_session_keep_is_bounded_and_the_oldest_goes_first() -> None:
    world = running()
    world.open("s")
    numbers = []
    for count in range(40):
        stream = world.ask(Verb.CALL, "s", request(count, _meta={"progressToken": count}), streams=True)
        numbers.append((stream, world.sent()[-1]["id"]))
        world.ask(Verb.LEAVE, stream=stream)
    for step in range(3):
        for _, number in numbers:
            params = {"progressToken": number, "progress": step, "message": "y" * 200_000}
            world.says({"method": "notifications/progress", "params": params})
    session = world.broker._sessions["s"]
    kept = [[number for number, _ in stream.kept or ()] for stream in session.calls.values()]
    assert session.shelf.size == sum(stream.kept_bytes for stream in session.calls.values())
    assert 8 * 1024 * 1024 - 201_000 < session.shelf.size <= 8 * 1024 * 1024
    assert [len(each) for each in kept] == sorted(len(each) for each in kept), "the oldest of all goes first"
    assert all(each[-1] == 3 for each in kept)
    for _, number in numbers:
        world.answer(number)
    world.now += 1000
    world.tick(0)
    assert session.shelf.size == 0
    assert session.shelf.past == {}


def test_what_is_not_kept_any_more_is_forgotten_in_the_end() -> None:
    world = running()
    world.open("s")
    for _ in range(5000):
        world.says({"method": "notifications/tools/list_changed"})
    assert len(world.broker._sessions["s"].shelf._order or ()) <= 500


def test_an_ended_stream_whose_messages_made_room_cannot_be_resumed() -> None:
    world = running()
    world.open("s")
    stream, number = world.call("s", 1, streams=True)
    world.ask(Verb.LEAVE, stream=stream)
    world.answer(number, result={"x": "y" * 1_000_000})
    world.now += 1
    world.ask(Verb.LISTEN, "s")
    world.ask(Verb.CALL, "s", request(2, _meta={"progressToken": 2}), streams=True)
    token = world.sent()[-1]["id"]
    large = {"message": "y" * 1_000_000}
    for _ in range(4):
        world.says({"method": "notifications/tools/list_changed", "params": large})
        world.forget()
        world.says({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1, **large}})
    world.forget()
    world.ask(Verb.LISTEN, "s", after=f"e.{stream}.0")
    assert [said.code for said in world.said()] == [RefusalCode.NOTHING_TO_RESUME]


def test_changes_of_lists_come_to_who_listens_and_not_among_the_messages_of_a_call() -> None:
    world = running()
    world.open("s")
    listening = world.ask(Verb.LISTEN, "s", streams=True)
    world.call("s", 1, streams=True)
    world.forget()
    world.says({"method": "notifications/tools/list_changed"})
    assert [to for to, _ in world.messages()] == [listening]


# -- the process's end ----------------------------------------------------------------------------------------------


def test_the_end_of_the_first_process_fails_calls_and_sessions_go_on_with_the_next() -> None:
    world = running()
    world.open("s")
    world.open("gone")
    subscribe = body({"id": 1, "method": "resources/subscribe", "params": {"uri": "u"}})
    for session in ("s", "gone"):
        world.ask(Verb.CALL, session, subscribe)
    for message in world.sent():
        world.answer(message["id"])
    world.ask(Verb.CALL, "s", body({"id": 2, "method": "logging/setLevel", "params": {"level": "error"}}))
    world.answer(world.sent()[-1]["id"])
    stream, _ = world.call("s", 3)
    world.forget()
    world.exited(reason="it fell over")
    assert [(to, m["id"], m["error"]["message"]) for to, m in world.messages()] == [(stream, 3, "it fell over")]
    world.ask(Verb.CALL, "s", request(4))
    assert [said.code for said in world.said()] == [RefusalCode.SERVER_UNAVAILABLE]
    world.ask(Verb.END, "gone")
    world.started()
    [initialize] = world.sent()
    assert initialize["method"] == "initialize"
    world.says({"id": initialize["id"], "result": {"protocolVersion": "2025-11-25"}})
    assert [(m["method"], m.get("params")) for m in world.sent()] == [
        ("notifications/initialized", None),
        ("resources/subscribe", {"uri": "u"}),
        ("logging/setLevel", {"level": "error"}),
    ]
    world.forget()
    listening = world.ask(Verb.LISTEN, "s", streams=True)
    world.forget()
    world.says({"method": "notifications/resources/updated", "params": {"uri": "u"}})
    world.says({"method": "notifications/tools/list_changed"})
    assert [to for to, _ in world.messages()] == [listening] * 2


def test_nothing_is_left_of_sessions_that_end_between_two_processes() -> None:
    world = running()
    world.open("s")
    world.ask(Verb.CALL, "s", body({"id": 1, "method": "resources/subscribe", "params": {"uri": "u"}}))
    world.answer(world.sent()[-1]["id"])
    world.exited()
    world.ask(Verb.END, "s")
    assert remembered(world) == {}
    world.started()
    assert world.sent() == []


def test_a_shared_process_that_was_started_on_demand_is_started_again_for_its_sessions() -> None:
    world = running()
    modern(world)
    world.says({"id": world.sent()[0]["id"], "result": DISCOVERED})
    world.ask(Verb.OPEN, "s", request(0, "initialize"))
    assert world.starts() == ["legacy"]
    world.started("legacy")
    world.shake("legacy")
    world.exited("legacy")
    world.forget()
    stream = world.ask(Verb.CALL, "s", request(1))
    assert world.starts() == ["legacy"]
    assert world.said() == []
    world.ask(Verb.CALL, "s", request(2))
    assert world.starts() == []
    world.exited("legacy", "no room for it")  # it could not be started
    assert [(m["id"], m["error"]["message"]) for _, m in world.messages()] == [
        (1, "no room for it"),
        (2, "no room for it"),
    ]
    stream = world.ask(Verb.CALL, "s", request(3))
    assert world.starts() == ["legacy"]
    world.started("legacy")
    world.shake("legacy")
    [call] = [message for message in world.sent("legacy") if message["method"] == "tools/call"]
    world.answer(call["id"], "legacy")
    assert [(to, m["id"]) for to, m in world.messages()] == [(stream, 3)]
    assert world.stops() == []


def test_sessions_that_come_while_a_process_starts_again_are_not_forgotten() -> None:
    world = running()
    modern(world)
    world.says({"id": world.sent()[0]["id"], "result": DISCOVERED})
    world.ask(Verb.OPEN, "old", request(0, "initialize"))
    world.started("legacy")
    world.shake("legacy")
    world.exited("legacy")
    world.ask(Verb.OPEN, "new", request(0, "initialize"))
    world.started("legacy")
    world.shake("legacy")
    streams = [world.ask(Verb.LISTEN, session, streams=True) for session in ("old", "new")]
    world.forget()
    world.says({"method": "notifications/tools/list_changed"}, "legacy")
    assert [to for to, _ in world.messages()] == streams


# -- a process for each session -------------------------------------------------------------------------------------


def own(world: World, session: str = "s") -> str:
    world.ask(Verb.OPEN, session, request("init", "initialize", capabilities={"roots": {}}))
    [slot] = world.starts()
    return slot


@pytest.mark.parametrize("policy", [{"per_session": True}, {"has_main": False}])
def test_a_session_has_its_process_from_its_start_to_its_end(policy: dict[str, Any]) -> None:
    world = World(Policy(**policy))
    slot = own(world)
    assert "s" not in slot.removeprefix("s-")
    assert world.sent(slot) == []
    world.started(slot)
    [initialize] = world.sent(slot)
    assert initialize["params"] == {"capabilities": {"roots": {}}}
    world.says({"id": initialize["id"], "result": {"protocolVersion": "2025-11-25"}}, slot)
    [(_, answer)] = world.messages()
    assert answer["id"] == "init"
    stream, number = world.call("s", 1, slot=slot)
    world.answer(number, slot)
    assert [to for to, _ in world.messages()] == [stream]
    world.ask(Verb.END, "s")
    assert world.stops() == [slot]
    world.exited(slot)
    assert world.stops() == []
    assert remembered(world) == {}


def test_two_sessions_have_two_processes_that_know_nothing_of_each_other() -> None:
    world = World(Policy(per_session=True))
    a, b = own(world, "a"), own(world, "b")
    assert a != b
    for slot in (a, b):
        world.started(slot)
    world.forget()
    world.says({"method": "notifications/message", "params": {"data": "of a"}}, a)
    world.ask(Verb.LISTEN, "b", streams=True)
    assert world.messages() == []
    world.ask(Verb.LISTEN, "a", streams=True)
    assert len(world.messages()) == 1


def test_what_a_process_of_one_session_says_goes_to_its_client_whatever_it_subscribed_to() -> None:
    world = World(Policy(per_session=True))
    slot = own(world)
    world.started(slot)
    world.ask(Verb.LISTEN, "s", streams=True)
    world.forget()
    world.says({"method": "notifications/resources/updated", "params": {"uri": "u"}}, slot)
    assert len(world.messages()) == 1


def test_a_process_that_does_not_start_fails_its_session() -> None:
    world = World(Policy(per_session=True))
    slot = own(world)
    world.exited(slot, "the image is gone")
    assert [message["error"]["message"] for _, message in world.messages()] == ["the image is gone"]
    assert world.stops() == []
    assert remembered(world) == {}


def test_the_end_of_a_sessions_process_ends_the_session() -> None:
    world = World(Policy(per_session=True))
    slot = own(world)
    world.started(slot)
    world.says({"id": world.sent(slot)[0]["id"], "result": DISCOVERED}, slot)
    stream, _ = world.call("s", 1, slot=slot)
    listening = world.ask(Verb.LISTEN, "s", streams=True)
    world.forget()
    world.exited(slot)
    assert world.notes() == [(Note.FINAL, stream), (Note.DONE, listening)]
    assert world.stops() == []
    assert remembered(world) == {}


def test_a_session_that_ends_while_its_process_starts_stops_it_once() -> None:
    world = World(Policy(per_session=True))
    slot = own(world)
    world.ask(Verb.END, "s")
    assert world.stops() == [slot]
    world.end_all()
    assert world.stops() == []
    assert remembered(world) == {}


def test_one_request_has_a_process_of_its_own_where_there_is_no_other() -> None:
    world = World(Policy(has_main=False))
    stream = world.ask(Verb.CALL_ONCE, data=request(5))
    [slot] = world.starts()
    world.started(slot)
    world.shake(slot)
    [call] = [message for message in world.sent(slot) if message["method"] == "tools/call"]
    world.answer(call["id"], slot)
    assert [(to, message["id"]) for to, message in world.messages()] == [(stream, 5)]
    assert world.stops() == [slot]
    assert remembered(world) == {}


def test_the_end_of_everything_leaves_nothing() -> None:
    world = World(Policy(per_session=True))
    world.started()
    slots = [own(world, session) for session in "abc"]
    world.ask(Verb.CALL_ONCE, data=request(1))
    modern(world)
    slots += world.starts()
    world.end_all()
    assert sorted(world.stops()) == sorted(slots)
    world.forget()
    world.broker._pool._processes[MAIN].mux = None
    assert remembered(world) == {}


# -- a shared process, seen from its clients ------------------------------------------------------------------------


def test_a_client_sees_its_own_tasks_only() -> None:
    world = running()
    world.open("a")
    world.open("b")
    world.ask(Verb.CALL, "a", request(1, task={"ttl": 1}))
    world.answer(world.sent()[-1]["id"], result={"task": {"taskId": "T", "status": "working"}})
    for method in ("tasks/get", "tasks/result", "tasks/cancel"):
        world.ask(Verb.CALL, "b", request(method, method, taskId="T"))
        assert world.sent() == []
    world.forget()
    listing = world.ask(Verb.CALL, "b", request("list", "tasks/list"))
    world.answer(world.sent()[-1]["id"], result={"tasks": [{"taskId": "T"}, {"taskId": "?"}], "nextCursor": "n"})
    assert [(to, m["result"]) for to, m in world.messages()] == [(listing, {"tasks": [], "nextCursor": "n"})]
    world.ask(Verb.CALL, "a", request("get", "tasks/get", taskId="T"))
    assert [message["method"] for message in world.sent()] == ["tasks/get"]
    world.call("b", 2, streams=True)
    stream = world.ask(Verb.LISTEN, "a", streams=True)
    world.forget()
    world.says({"method": "notifications/tasks/status", "params": {"taskId": "T"}})
    related = {"_meta": {"io.modelcontextprotocol/related-task": {"taskId": "T"}}}
    world.says({"method": "notifications/message", "params": related | {"data": "x"}})
    assert [to for to, _ in world.messages()] == [stream] * 2
    world.ask(Verb.END, "a")
    world.forget()
    world.says({"method": "notifications/tasks/status", "params": {"taskId": "T"}})
    assert world.messages() == []


def test_each_client_gets_log_messages_of_its_level() -> None:
    world = running()
    world.open("a")
    world.open("b")

    def level(session: str, name: str) -> list[str]:
        world.ask(Verb.CALL, session, request("l", "logging/setLevel", level=name))
        asked = world.sent()
        for message in asked:
            world.answer(message["id"])
        world.forget()
        return [message["params"]["level"] for message in asked]

    def heard(session: str, name: str) -> int:
        stream, number = world.call(session, "c", streams=True)
        world.forget()
        world.later()
        world.says({"method": "notifications/message", "params": {"level": name}})
        count = len([to for to, _ in world.messages() if to == stream])
        world.answer(number)
        return count

    assert level("a", "error") == ["error"]
    assert heard("b", "debug") == 1  # it did not say what it wants
    assert [heard("a", name) for name in ("debug", "warning", "error", "emergency")] == [0, 0, 1, 1]
    assert level("b", "critical") == []  # the process tells as much already
    assert heard("b", "error") == 0
    assert level("b", "debug") == ["debug"]
    assert [heard("a", "debug"), heard("b", "debug")] == [0, 1]
    assert level("b", "x") == ["x"]  # the process says what is wrong with it


def test_a_log_level_that_the_server_refused_is_no_other_sessions() -> None:
    world = running()
    for session in ("a", "b", "c"):
        world.open(session)

    def asks(session: str, name: str) -> int:
        world.ask(Verb.CALL, session, request("l", "logging/setLevel", level=name))
        return int(world.sent()[-1]["id"])

    for session in ("a", "b"):
        world.says({"id": asks(session, "debug"), "error": {"code": -32601, "message": "Method not found"}})
        assert [answer["error"]["code"] for _, answer in world.messages()] == [-32601]
    assert world.broker.facts("a").log_level == ""  # type: ignore[union-attr]
    world.answer(asks("c", "error"))  # none is there that wants more
    assert world.broker.facts("c").log_level == "error"  # type: ignore[union-attr]


def test_a_server_that_is_asked_for_two_log_levels_at_once_tells_as_much_as_the_most_curious_wants() -> None:
    world = running()
    for session in ("a", "b"):
        world.open(session)
    world.ask(Verb.CALL, "a", request("l", "logging/setLevel", level="debug"))
    world.ask(Verb.CALL, "b", request("l", "logging/setLevel", level="error"))
    first, second = world.sent()
    world.answer(first["id"])
    world.answer(second["id"])
    [again] = world.sent()
    assert (again["method"], again["params"]) == ("logging/setLevel", {"level": "debug"})
    world.answer(again["id"])
    world.ask(Verb.CALL, "b", request("l", "logging/setLevel", level="debug"))
    assert world.sent() == []


def test_a_new_process_that_refuses_the_log_level_of_the_one_before_it_is_asked_again() -> None:
    world = running()
    world.open("a")
    world.ask(Verb.CALL, "a", request("l", "logging/setLevel", level="info"))
    world.answer(world.sent()[-1]["id"])
    world.exited()
    world.started()
    world.shake()
    [asked] = [message for message in world.sent() if message["method"] == "logging/setLevel"]
    world.says({"id": asked["id"], "error": {"code": -32601, "message": "Method not found"}})
    world.ask(Verb.CALL, "a", request("l", "logging/setLevel", level="info"))
    assert [message["method"] for message in world.sent()] == ["logging/setLevel"]


def test_what_is_not_json_or_over_the_limit_is_dropped_or_told() -> None:
    world = running()
    world.open("s")
    stream, number = world.call("s", 1)
    for line in (b"Starting...", b"\xff", b"", b"  ", b"[1]", b"null", b"[" * 100_000):
        world._note(world.broker.from_process(MAIN, line, world.now))
    assert world.said() == []
    assert all(isinstance(effect, Dropped) for effect in world.effects)
    head = b'{"jsonrpc":"2.0","id":%d,"result":"' % number
    world._note(world.broker.too_long(MAIN, head, b'"}', limit=1024 * 1024, now=world.now))
    assert [(to, "1 MiB" in message["error"]["message"]) for to, message in world.messages()] == [(stream, True)]


def test_a_handshake_that_is_known_is_not_repeated() -> None:
    world = World()
    world.started(known=Handshake({}, {"protocolVersion": "2025-06-18"}))
    stream = world.ask(Verb.OPEN, "s", request(0, "initialize", protocolVersion="2025-11-25"))
    assert [(to, m["result"]["protocolVersion"]) for to, m in world.messages()] == [(stream, "2025-06-18")]
    assert world.sent() == []
    assert world._take(Shook) == []
    modern(world)
    assert world.starts() == ["modern"]


@pytest.mark.parametrize("per_session", [False, True])
@pytest.mark.parametrize("gone", ["the client", "the edge"])
def test_a_client_that_leaves_before_its_session_began_leaves_none(per_session: bool, gone: str) -> None:
    world = World(Policy(per_session=per_session))
    world.started()
    stream = world.ask(Verb.OPEN, "a", request(1, "initialize"))
    if gone == "the edge":
        world.edge_gone("e")
    else:
        world.ask(Verb.LEAVE, "a", stream=stream)
    assert (len(world.broker), [process.slot for process in world.broker.processes]) == (0, [MAIN])
    assert world.broker._sessions == {}


@pytest.mark.parametrize("line", [b'{"id":%d,"result":', b'{"jsonrpc":"2.0","id":%d}'])
def test_a_broken_answer_fails_its_call_and_an_object_that_a_server_logs_fails_none(line: bytes) -> None:
    world = World()
    world.started()
    world.ask(Verb.OPEN, "a", request(1, "initialize"))
    world.shake()
    world.forget()
    stream = world.ask(Verb.CALL, "a", request(2))
    number = world.sent()[-1]["id"]
    log = b'{"id":%d,"level":"info","text":"begun"}' % number  # it counts as it likes
    world._note(world.broker.from_process(MAIN, log, world.now))
    assert world.messages() == []
    world._note(world.broker.from_process(MAIN, line % number, world.now))
    [(told, answer)] = world.messages()
    assert (told, answer["id"]) == (stream, 2)
    assert "cannot be read" in answer["error"]["message"]


def test_progress_of_a_task_comes_to_who_listens_once_its_call_is_answered() -> None:
    world = World()
    world.started()
    world.ask(Verb.OPEN, "a", request(1, "initialize"))
    world.shake()
    listener = world.ask(Verb.LISTEN, "a")
    world.ask(Verb.CALL, "a", request(2, task={}, _meta={"progressToken": "t"}), streams=True)
    number = world.sent()[-1]["id"]
    world.says({"id": number, "result": {"task": {"taskId": "T", "status": "working"}}})
    world.forget()
    world.says({"method": "notifications/progress", "params": {"progressToken": number, "progress": 1}})
    [(stream, message)] = world.messages()
    assert (stream, message["params"]["progressToken"]) == (listener, "t")
