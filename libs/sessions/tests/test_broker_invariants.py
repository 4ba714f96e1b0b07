"""Whatever clients, edges and processes do: nobody hears what is another's, and each call ends once."""

import itertools
import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from toolhive_common.mcp.port import FromBroker, Note, ToBroker, Verb
from toolhive_sessions.broker import Broker
from toolhive_sessions.effects import BrokerEffect, StartProcess, StopProcess, ToEdge, ToProcess
from toolhive_sessions.records import MAIN, Policy

VERSION = "io.modelcontextprotocol/protocolVersion"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
ENDS = (Note.FINAL, Note.DONE, Note.REFUSED)
SESSIONS = st.sampled_from(["s1", "s2", "s3"])
EDGES = st.sampled_from(["e1", "e2"])
RARELY = st.sampled_from([False, False, False, True])
"""Whether to do what ends much: else nothing lives long enough to go wrong."""
WORK = ["result", "error", "progress", "log", "log", "sampling", "sampling", "twice"]
RECENT = 5
"""Ticks for which what a call caused reaches nobody else, once it is answered."""
IDS = st.sampled_from([1, "1", 2, "2", 1.5, "{0}"])


def body(message: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


class Server:
    """What a server knows: the calls it was sent, each with the mark of whom it is from."""

    def __init__(self) -> None:
        self.calls: dict[int, dict[str, Any]] = {}
        self.back: dict[str, str] = {}
        self.numbers: set[int] = set()
        self.cancelled: dict[int, float] = {}
        """When it was told to give a call up."""
        self.answered: list[tuple[int, dict[str, Any], frozenset[int]]] = []
        """What it says of calls that it answered, the ticks until then, and the other calls that were open then."""
        self.said_initialize = False


class Crowd(RuleBasedStateMachine):
    """Each client signs its calls; the process signs what it says with the mark of the call that it says it for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.streams = itertools.count(1)
        self.marks = itertools.count(1)
        self.owner: dict[tuple[str, int], str] = {}
        """Of each stream: the session that may hear things there."""
        self.waiting: dict[tuple[str, int], tuple[Any, str]] = {}
        """Streams of calls: id and mark."""
        self.ended: set[tuple[str, int]] = set()
        self.attached: dict[str, tuple[str, int]] = {}
        self.processes: dict[str, Server] = {}
        self.starting: set[str] = set()
        self.sessions_ids = itertools.count(1)
        self.names: dict[str, str] = {}
        self.ticks = 0

    @initialize(per_session=st.booleans(), has_main=st.booleans(), private=st.booleans())
    def begin(self, per_session: bool, has_main: bool, private: bool) -> None:
        limits: dict[str, int] = {"ttl": 100, "cancel_patience": 50, "max_sessions": 3, "max_processes": 4}
        self.policy = Policy(per_session=per_session, has_main=has_main, private=private, **limits)
        self.broker = Broker(self.policy, itertools.count(1000))
        if has_main:
            self.start(MAIN)
        for session in ("s1", "s2"):
            self.open(session, "e1", attach=False, settled=True)

    # -- what the broker does -------------------------------------------------------------------------------------

    def start(self, slot: str) -> None:
        self.processes[slot] = Server()
        self.carry_out(self.broker.process_started(slot, self.now))

    def carry_out(self, effects: list[BrokerEffect]) -> None:
        for effect in effects:
            match effect:
                case ToProcess(slot, data):
                    if slot in self.processes:
                        self.hear(slot, self.processes[slot], json.loads(data))
                case StartProcess(slot):
                    assert slot not in self.processes
                    assert slot not in self.starting
                    self.starting.add(slot)
                case StopProcess(slot):
                    assert slot in self.processes or slot in self.starting, "stopped twice, or never started"
                    self.processes.pop(slot, None)
                    self.starting.discard(slot)
                case ToEdge(edge, message):
                    self.told((edge, message.stream), message)
                case _:
                    pass

    def hear(self, slot: str, process: Server, message: dict[str, Any]) -> None:
        if "id" in message and "method" in message:
            assert type(message["id"]) is int
            assert message["id"] not in process.numbers, "a number was used twice"
            process.numbers.add(message["id"])
            process.calls[message["id"]] = message
            if message["method"] == "initialize":
                assert not process.said_initialize, "two handshakes with one process"
                process.said_initialize = True
        elif message.get("method") == "notifications/cancelled":
            process.cancelled.setdefault(message["params"]["requestId"], self.now)
        elif "id" in message:
            mark = process.back.pop(message["id"], None)
            assert mark is not None, "an answer that was not asked for"
            assert "error" in message or message["result"]["mark"] == mark

    def told(self, address: tuple[str, int], message: FromBroker) -> None:
        owner = self.owner[address]
        assert address not in self.ended, "something came behind the end"
        if message.note in ENDS:
            self.ended.add(address)
        if message.note not in (Note.MESSAGE, Note.FINAL):
            return
        value = json.loads(message.data)
        marks = self.marks_of(value)
        assert all(mark.split("/")[0] == owner for mark in marks), f"{owner} heard {value}"
        if "id" in value and "method" not in value and owner not in self.attached and address in self.waiting:
            request_id, mark = self.waiting[address]
            assert (type(value["id"]), value["id"]) == (type(request_id), request_id)
            assert message.note is Note.FINAL
            assert all(each == mark for each in marks)
        if value.get("method") == "notifications/progress":
            token = value["params"]["progressToken"]
            request_id = json.loads(value["params"]["id"])
            assert (type(token), token) == (type(request_id), request_id)

    @staticmethod
    def marks_of(value: Any) -> list[str]:
        parts = (value.get("result"), value.get("params"))
        return [part["mark"] for part in parts if isinstance(part, dict) and "mark" in part]

    # -- what clients do ------------------------------------------------------------------------------------------

    def ask(self, verb: Verb, session: str, owner: str, data: bytes = b"", *, edge: str = "e1", **more: Any) -> int:
        stream = next(self.streams)
        self.owner[edge, stream] = owner
        self.carry_out(self.broker.handle(edge, ToBroker(verb, stream, session, data, **more), self.now))
        return stream

    def signed(self, owner: str, request_id: Any, *, modern: bool = False) -> tuple[bytes, str]:
        mark = f"{owner}/{next(self.marks)}"
        meta: dict[str, Any] = {"progressToken": request_id}
        if modern:
            meta |= {VERSION: "2026-07-28", LOG_LEVEL: "debug"}
        params = {"mark": mark, "_meta": meta, "id": json.dumps(request_id)}
        return body({"id": request_id, "method": "tools/call", "params": params}), mark

    @rule(session=SESSIONS, edge=EDGES, attach=st.booleans(), settled=st.booleans())
    def open(self, session: str, edge: str, attach: bool, settled: bool) -> None:
        if self.names.get(session) in self.broker._sessions:
            return
        name = self.names[session] = f"{session}.{next(self.sessions_ids)}"
        data = body({"id": "i", "method": "initialize", "params": {"capabilities": {"sampling": {}}}})
        if attach:
            number = self.ask(Verb.ATTACH, name, name, edge=edge)
            if (edge, number) not in self.ended:
                self.attached[name] = (edge, number)
                self.ask(Verb.CALL, name, name, data, edge=edge)
        else:
            stream = self.ask(Verb.OPEN, name, name, data, edge=edge)
            self.waiting[edge, stream] = ("i", "")
        if settled:
            self.settle()

    def settle(self) -> None:
        """All that starts does, and each handshake is answered."""
        for slot in sorted(self.starting):
            self.starting.remove(slot)
            self.start(slot)
        for slot, process in list(self.processes.items()):
            for number, call in list(process.calls.items()):
                if call["method"] in ("initialize", "server/discover"):
                    del process.calls[number]
                    self.says(slot, {"id": number, "result": {"protocolVersion": "2025-11-25"}})

    @rule(edge=EDGES, data=st.data(), todo=st.lists(st.sampled_from(WORK), max_size=6))
    def all_call_at_once(self, edge: str, data: st.DataObject, todo: list[str]) -> None:
        for session in ("s1", "s2", "s3"):
            self.open(session, edge, attach=False, settled=True)
            self.call(session, edge, next(self.marks), streams=True)
        self.call_alone(edge, 1, modern=True, streams=True)
        self.settle()
        self.works(data, todo)

    @rule(session=SESSIONS, edge=EDGES, request_id=IDS, streams=st.booleans())
    def call(self, session: str, edge: str, request_id: Any, streams: bool) -> None:
        name = self.names.get(session, session)
        data, mark = self.signed(name, request_id)
        number = next(self.streams)
        self.owner[edge, number] = name
        self.waiting[edge, number] = (request_id, mark)
        asked = ToBroker(Verb.CALL, number, name, data, streams)
        self.carry_out(self.broker.handle(edge, asked, self.now))

    @rule(edge=EDGES, request_id=IDS, modern=st.booleans(), streams=st.booleans())
    def call_alone(self, edge: str, request_id: Any, modern: bool, streams: bool) -> None:
        owner = f"alone.{next(self.marks)}"
        data, mark = self.signed(owner, request_id, modern=modern)
        number = next(self.streams)
        self.owner[edge, number] = owner
        self.waiting[edge, number] = (request_id, mark)
        asked = ToBroker(Verb.CALL_MODERN if modern else Verb.CALL_ONCE, number, "", data, streams)
        self.carry_out(self.broker.handle(edge, asked, self.now))

    @rule(session=SESSIONS, edge=EDGES, request_id=IDS)
    def cancel(self, session: str, edge: str, request_id: Any) -> None:
        name = self.names.get(session, session)
        data = body({"method": "notifications/cancelled", "params": {"requestId": request_id}})
        self.ask(Verb.TELL, name, name, data, edge=edge)

    @rule(session=SESSIONS, edge=EDGES)
    def answer_whatever_the_server_asked(self, session: str, edge: str) -> None:
        name = self.names.get(session, session)
        for process in list(self.processes.values()):
            for request_id, mark in list(process.back.items()):
                if mark.split("/")[0] == name:
                    self.ask(Verb.TELL, name, name, body({"id": request_id, "result": {"mark": mark}}), edge=edge)

    @rule(session=SESSIONS, edge=EDGES)
    def listen(self, session: str, edge: str) -> None:
        name = self.names.get(session, session)
        if name not in self.attached:
            self.ask(Verb.LISTEN, name, name, edge=edge, streams=True)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), edge=EDGES, after=st.integers(0, 3))
    def come_again(self, data: st.DataObject, edge: str, after: int) -> None:
        address = data.draw(st.sampled_from(sorted(self.waiting)))
        name = self.owner[address]
        number = next(self.streams)
        self.owner[edge, number] = name
        asked = ToBroker(Verb.LISTEN, number, name, b"", streams=True, after=f"{address[0]}.{address[1]}.{after}")
        self.carry_out(self.broker.handle(edge, asked, self.now))

    @precondition(lambda self: self.owner.keys() - self.ended)
    @rule(data=st.data(), cancel=st.booleans())
    def leave(self, data: st.DataObject, cancel: bool) -> None:
        address = data.draw(st.sampled_from(sorted(self.owner.keys() - self.ended)))
        self.ended.add(address)
        asked = ToBroker(Verb.LEAVE, address[1], cancel=cancel)
        self.carry_out(self.broker.handle(address[0], asked, self.now))

    @rule(session=SESSIONS, edge=EDGES, really=RARELY)
    def end(self, session: str, edge: str, really: bool) -> None:
        if not really:
            return
        name = self.names.get(session, session)
        self.ask(Verb.END, name, name, edge=edge)

    @rule(edge=EDGES, really=RARELY)
    def an_edge_dies(self, edge: str, really: bool) -> None:
        if not really:
            return
        still_open = {address for address in self.broker._at if address[0] == edge}
        self.carry_out(self.broker.edge_gone(edge, self.now))
        assert still_open <= self.ended, "a client was not told, though its edge may be there"
        self.ended |= {address for address in self.owner if address[0] == edge}

    # -- what processes do ----------------------------------------------------------------------------------------

    def says(self, slot: str, message: dict[str, Any]) -> None:
        self.carry_out(self.broker.from_process(slot, body(message), self.now))

    @precondition(lambda self: self.starting)
    @rule(data=st.data(), works=st.booleans())
    def starts(self, data: st.DataObject, works: bool) -> None:
        slot = data.draw(st.sampled_from(sorted(self.starting)))
        self.starting.remove(slot)
        if works:
            self.start(slot)
        else:
            self.carry_out(self.broker.process_exited(slot, "it does not start", self.now))

    @precondition(lambda self: any(process.calls for process in self.processes.values()))
    @rule(data=st.data(), todo=st.lists(st.sampled_from(WORK), min_size=1, max_size=4))
    def works(self, data: st.DataObject, todo: list[str]) -> None:
        for each in todo:
            if any(process.calls for process in self.processes.values()):
                self.work(data, each)

    def work(self, data: st.DataObject, answer: str) -> None:
        slots = sorted(slot for slot, process in self.processes.items() if process.calls)
        slot = data.draw(st.sampled_from(slots))
        process = self.processes[slot]
        number = data.draw(st.sampled_from(sorted(process.calls)))
        call = process.calls[number]
        params = call.get("params", {})
        mark = params.get("mark")
        if call["method"] in ("initialize", "server/discover") or mark is None:
            del process.calls[number]
            if answer == "error":
                process.said_initialize = False  # it may be tried again
                self.says(slot, {"id": number, "error": {"code": -32601, "message": ""}})
            else:
                self.says(slot, {"id": number, "result": {"protocolVersion": "2025-11-25"}})
            return
        signed = {"mark": mark, "id": params["id"]}
        patience = 10 if VERSION in params["_meta"] else self.policy.cancel_patience
        given_up = self.now - process.cancelled.get(number, self.now) >= patience
        if given_up and answer in ("log", "sampling"):
            return  # what nobody can tell apart any more
        if answer == "progress":
            token = params["_meta"]["progressToken"]
            assert token == number
            self.says(slot, {"method": "notifications/progress", "params": {**signed, "progressToken": token}})
        elif answer == "log":
            self.says(slot, {"method": "notifications/message", "params": {**signed, "level": "info"}})
        elif answer == "sampling" and VERSION not in params["_meta"]:
            request_id = f"back{next(self.marks)}"
            process.back[request_id] = mark
            self.says(slot, {"id": request_id, "method": "sampling/createMessage", "params": signed})
        else:
            for _ in range(2 if answer == "twice" else 1):
                self.answer(slot, process, number, signed)

    @rule(edge=EDGES, data=st.data(), slow=SESSIONS, seconds=st.integers(0, 6))
    def one_call_is_slow_and_the_others_are_answered(
        self, edge: str, data: st.DataObject, slow: str, seconds: int
    ) -> None:
        for session in ("s1", "s2"):
            self.open(session, edge, attach=False, settled=True)
            self.call(session, edge, next(self.marks), streams=True)
        self.settle()
        for slot, process in list(self.processes.items()):
            for number, call in list(process.calls.items()):
                params = call.get("params", {})
                if "mark" in params and params["mark"].split("/")[0] != self.names.get(slow):
                    self.answer(slot, process, number, {"mark": params["mark"], "id": params["id"]})
        for _ in range(seconds):
            self.time_passes(1)
        if any(process.answered for process in self.processes.values()):
            self.says_more_of_what_it_answered(data, data.draw(st.booleans()))

    def answer(self, slot: str, process: Server, number: int, signed: dict[str, Any]) -> None:
        process.calls.pop(number, None)
        process.answered.append((self.ticks, signed, frozenset(process.calls)))
        self.says(slot, {"id": number, "result": signed})

    @precondition(lambda self: any(process.answered for process in self.processes.values()))
    @rule(data=st.data(), sampling=st.booleans())
    def says_more_of_what_it_answered(self, data: st.DataObject, sampling: bool) -> None:
        """Nobody but the caller may hear it, for some seconds; after that nobody can tell whose it is.

        Nor can anybody when another call began meanwhile.
        """
        slot = data.draw(st.sampled_from(sorted(slot for slot, each in self.processes.items() if each.answered)))
        process = self.processes[slot]
        ticks, signed, others = data.draw(st.sampled_from(process.answered[-5:]))
        if self.ticks - ticks >= RECENT or not process.calls.keys() <= others:
            return
        if sampling:
            request_id = f"back{next(self.marks)}"
            process.back[request_id] = signed["mark"]
            self.says(slot, {"id": request_id, "method": "sampling/createMessage", "params": signed})
        else:
            self.says(slot, {"method": "notifications/message", "params": {**signed, "level": "info"}})

    @precondition(lambda self: self.processes)
    @rule(data=st.data())
    def changes(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.processes)))
        self.says(slot, {"method": "notifications/tools/list_changed"})

    @precondition(lambda self: self.processes)
    @rule(data=st.data(), really=RARELY)
    def dies(self, data: st.DataObject, really: bool) -> None:
        if not really:
            return
        slot = data.draw(st.sampled_from(sorted(self.processes)))
        del self.processes[slot]
        self.carry_out(self.broker.process_exited(slot, "it fell over", self.now))

    @precondition(lambda self: self.policy.has_main and MAIN not in self.processes)
    @rule()
    def main_starts_again(self) -> None:
        self.start(MAIN)

    @rule(seconds=st.sampled_from([0.1, 1, 5, 20, 60, 200]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.ticks += 1
        self.carry_out(self.broker.tick(self.now))

    # -- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def what_is_remembered_is_used(self) -> None:
        broker = getattr(self, "broker", None)
        if broker is None:
            return
        for address, (session, stream) in broker._at.items():
            assert address not in self.ended, "an ended stream is remembered"
            assert broker._sessions.get(session.id) is session
            assert (stream.edge, stream.number) == address
        assert len(broker) == sum(session.kind.name == "CLIENT" for session in broker._sessions.values())
        for process in broker.processes:
            if process.session:
                assert process.session in broker._sessions, "a process without its session"
            if process.slot != MAIN and (process.running or process.starting):
                assert (process.slot in self.processes) is process.running
        for slot in self.processes:
            assert broker._pool.find(slot) is not None, "a process that nobody will end"
        for session in broker._sessions.values():
            if session.kind.name != "CLIENT":
                assert session.calls, "a session for one request outlives it"

    def teardown(self) -> None:
        if not hasattr(self, "broker"):
            return
        self.settle()
        for _ in range(5):
            self.answer_everything()
        for session in list(self.broker._sessions.values()):
            self.ask(Verb.END, session.id, session.id)
        lost = [
            address
            for address in self.waiting
            if address not in self.ended and self.owner[address] not in self.attached
        ]
        assert not lost, f"calls without an end: {lost}"
        assert self.broker._at == {}
        assert self.broker._sessions == {}
        assert len(self.broker) == 0
        for process in self.broker.processes:
            assert not process.session
            for mux in (process.mux, process.earlier):
                if mux is not None:
                    assert_idle(mux)
        for _ in range(RECENT):  # what was cancelled and never answered, and what nobody uses, goes with time
            self.now += 200
            self.carry_out(self.broker.tick(self.now))
        assert [process.slot for process in self.broker.processes if process.slot != MAIN] == []
        for process in self.broker.processes:
            calls = process.mux._calls if process.mux is not None else None
            tables = ("_left", "_work", "_unwanted", "_logging", "_apart", "_recent")
            assert calls is None or not [name for name in tables if getattr(calls, name)]

    def answer_everything(self) -> None:
        for slot, server in list(self.processes.items()):
            for number, call in list(server.calls.items()):
                server.calls.pop(number, None)
                params = call.get("params", {})
                signed = {"mark": params["mark"], "id": params["id"]} if "mark" in params else {}
                self.says(slot, {"id": number, "result": {"protocolVersion": "2025-11-25", **signed}})


def assert_idle(mux: Any) -> None:
    """Nothing is remembered of sessions that ended."""
    assert not mux._calls._calls
    assert not mux._calls._of_session
    assert not mux._queue
    assert not getattr(mux, "_clients", {})
    assert not getattr(getattr(mux, "_back", None), "_asked", {})


TestCrowd = Crowd.TestCase
TestCrowd.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
