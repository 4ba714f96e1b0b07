"""Sessions that outlive their broker: the next one goes on with each, and lets in nobody else."""

import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.mcp.port import Note, RefusalCode, ToBroker, Verb
from toolhive_sessions.broker import Broker
from toolhive_sessions.effects import (
    BrokerEffect,
    Handshake,
    SessionChanged,
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

RESULT = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}


class Life:
    """One broker and a server that answers all."""

    def __init__(self, *, per_session: bool = False, known: Handshake | None = None) -> None:
        self.broker = Broker(Policy(per_session=per_session), itertools.count(1))
        self.handshake = known
        self.server: list[dict[str, Any]] = []
        self.edges: list[ToEdge] = []
        self.others: list[BrokerEffect] = []
        self._streams = itertools.count(1)

    def start(self) -> None:
        self.take(self.broker.process_started(MAIN, 0.0, known=self.handshake))

    def take(self, effects: list[BrokerEffect]) -> None:
        for effect in effects:
            if isinstance(effect, ToProcess):
                message = json.loads(effect.data)
                self.server.append(message)
                if "id" in message and "method" in message:
                    result = RESULT if message["method"] == "initialize" else {"asked": message["method"]}
                    answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
                    self.take(self.broker.from_process(effect.slot, json.dumps(answer).encode(), 0.0))
            elif isinstance(effect, ToEdge):
                self.edges.append(effect)
            else:
                self.others.append(effect)
                if isinstance(effect, Shook):
                    self.handshake = effect.handshake

    def ask(self, session: str, method: str, verb: Verb = Verb.CALL, **params: Any) -> ToEdge:
        number = next(self._streams)
        data = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
        self.take(self.broker.handle("e", ToBroker(verb, number, session, data), 0.0))
        return next(each for each in self.edges if each.message.stream == number)

    def begin(self, session: str, **capabilities: Any) -> None:
        self.ask(session, "initialize", Verb.OPEN, protocolVersion="2025-11-25", capabilities=capabilities)

    def facts(self) -> list[SessionFacts]:
        found = [self.broker.facts(session) for session in self.broker.kept()]
        return [each for each in found if each is not None]

    def next_life(self) -> "Life":
        other = Life(known=self.handshake)
        other.broker.restore(self.facts(), 0.0)
        other.start()
        return other


def heard(life: Life, uri: str) -> set[str]:
    """Sessions that are told of a change, by the messages that wait for them."""
    line = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}}
    found = set()
    for session in list(life.broker.kept()):
        number = next(life._streams)
        life.take(life.broker.handle("e", ToBroker(Verb.LISTEN, number, session), 0.0))
    before = len(life.edges)
    life.take(life.broker.from_process(MAIN, json.dumps(line).encode(), 0.0))
    listening = {stream: session for session, stream in _listeners(life).items()}
    for each in life.edges[before:]:
        found.add(listening[each.message.stream])
    return found


def _listeners(life: Life) -> dict[str, int]:
    return {each.id: each.listener.number for each in life.broker._sessions.values() if each.listener is not None}


IDS = st.lists(st.text(alphabet="0123456789abcdef", min_size=1, max_size=32), min_size=1, max_size=5, unique=True)
URIS = st.lists(st.sampled_from(["a:1", "a:2", "b:3"]), max_size=3, unique=True)


@given(IDS, st.data())
def test_what_is_restored_is_what_was_kept_and_each_gets_its_own(ids: list[str], data: st.DataObject) -> None:
    life, wanted = Life(), {}
    life.start()
    for session in ids:
        life.begin(session, **data.draw(st.sampled_from([{}, {"sampling": {}}])))
        wanted[session] = data.draw(URIS)
        for uri in wanted[session]:
            life.ask(session, "resources/subscribe", uri=uri)
        if level := data.draw(st.sampled_from(["", "debug", "error"])):
            life.ask(session, "logging/setLevel", level=level)
    then = life.next_life()
    assert then.server == []  # the same process: nothing is asked of it again
    assert then.facts() == life.facts()
    for session in data.draw(st.permutations(ids)):
        answer = then.ask(session, "tools/list")
        assert answer.message.note is Note.FINAL
        assert json.loads(answer.message.data)["result"] == {"asked": "tools/list"}
    assert {each.name for each in then.facts()} == {kept_name(each) for each in ids}
    for uri in ("a:1", "a:2", "b:3"):
        assert heard(then, uri) == {session for session in ids if uri in wanted[session]}
    assert len(then.broker) == len(ids)


@given(IDS, st.text(max_size=70))
def test_nobody_gets_in_who_does_not_know_the_id(ids: list[str], other: str) -> None:
    life = Life()
    life.start()
    for session in ids:
        life.begin(session)
    then = life.next_life()
    for guess in {other, *(each.name for each in life.facts())} - set(ids):
        for _ in range(2):
            assert then.ask(guess, "tools/list").message.code is RefusalCode.UNKNOWN_SESSION
    ids_told = json.dumps([vars(each) for each in life.facts()])
    assert not any(session in ids_told for session in ids if len(session) > 8 + 64)
    assert then.server == []


def test_a_kept_session_that_nobody_comes_for_ends_and_is_told() -> None:
    life = Life()
    life.start()
    life.begin("0123456789abcdef")
    then = life.next_life()
    closed = [each for each in then.broker.tick(1e9) if isinstance(each, SessionClosed)]
    assert [each.session for each in closed] == [kept_name("0123456789abcdef")]
    assert len(then.broker) == 0
    assert then.ask("0123456789abcdef", "tools/list").message.code is RefusalCode.UNKNOWN_SESSION


def test_the_facts_of_a_restored_session_are_found_by_its_kept_name_for_as_long_as_it_lives() -> None:
    life = Life()
    life.start()
    life.begin("s")
    then = life.next_life()
    [name], [facts] = then.broker.kept(), life.facts()
    assert then.broker.facts(name) == facts
    then.ask("s", "tools/list")
    assert then.broker.facts(name) == then.broker.facts("s") == facts
    then.take(then.broker.handle("e", ToBroker(Verb.END, 100, "s"), 0.0))
    assert then.broker.facts(name) is None
    assert then.broker._awake == {}


def test_what_changes_the_facts_is_told_once_the_server_agreed() -> None:
    life = Life()
    life.start()
    life.begin("s")
    life.ask("s", "tools/list")
    assert [each for each in life.others if isinstance(each, SessionChanged)] == [SessionChanged("s")]
    life.others.clear()
    life.ask("s", "resources/subscribe", uri="a:1")
    assert life.others == [SessionChanged("s")]
    [facts] = life.facts()
    assert facts.subscriptions == ("a:1",)


def test_a_session_with_a_process_of_its_own_is_not_kept() -> None:
    life = Life(per_session=True)
    initialize = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}'
    asked = life.broker.handle("e", ToBroker(Verb.OPEN, 1, "s", initialize), 0.0)
    [slot] = [each.slot for each in asked if isinstance(each, StartProcess)]
    life.take(life.broker.process_started(slot, 0.0))
    assert isinstance(life.others[0], SessionOpened)
    assert life.broker.kept() == []
    assert life.broker.rest(0.0) == [StopProcess(slot), SessionClosed("s", "", "the keeper of its process ended")]


def test_a_broker_that_rests_ends_no_session_that_can_go_on() -> None:
    life = Life()
    life.start()
    life.begin("s")
    assert life.broker.rest(0.0) == []
    assert len(life.facts()) == 1
