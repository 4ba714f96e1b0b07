"""Many clients on one stdio server."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhive_common.mcp.jsonrpc import Invalid, Notification, Request, Response, classify, parse
from toolhive_sessions.clients import client_from
from toolhive_sessions.effects import Dropped, Handshake, MuxEffect, ToClient, ToServer
from toolhive_sessions.facts import SessionFacts, kept_name
from toolhive_sessions.failures import over_limit
from toolhive_sessions.handshake import ALL_CAPABILITIES
from toolhive_sessions.legacy import LegacyMultiplexer
from toolhive_sessions.tasks import TaskTable

DONE = Handshake({"protocolVersion": "2025-11-25"}, {"serverInfo": {"name": "s"}}, initialized=True)


class Driver:
    """Parses what is fed to a multiplexer and hands it on, as the broker does."""

    def __init__(self, first_id: int = 1, handshake: Handshake | None = None, *, shared: bool = True) -> None:
        self.mux = LegacyMultiplexer(itertools.count(first_id), shared=shared, handshake=handshake)

    def from_client(self, session: str, data: bytes) -> list[MuxEffect]:
        match _classified(data):
            case Request() as request:
                return self.mux.request(session, request)
            case Notification() as notification:
                return self.mux.notification(session, notification)
            case Response() as response:
                return self.mux.response(session, response)
            case _:
                return []

    def from_server(self, data: bytes) -> list[MuxEffect]:
        try:
            value = parse(data)
        except ValueError:
            return [Dropped("no JSON")]
        if isinstance(value, list):
            return [effect for part in value for effect in self.mux.from_server(part)]
        return self.mux.from_server(value)


def _classified(data: bytes) -> Request | Notification | Response | Invalid | None:
    try:
        return classify(parse(data))
    except ValueError:
        return None


def body(message: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


def sent(effects: list[MuxEffect]) -> list[dict[str, Any]]:
    return [json.loads(effect.data) for effect in effects if isinstance(effect, ToServer)]


def told(effects: list[MuxEffect]) -> list[tuple[str, dict[str, Any]]]:
    return [(effect.session, json.loads(effect.data)) for effect in effects if isinstance(effect, ToClient)]


def ready(first_id: int = 1) -> Driver:
    return Driver(first_id, DONE)


def call(mux: Driver, session: str, request_id: Any, **params: Any) -> int:
    """Send a call; returns its id on the server's side."""
    effects = mux.from_client(session, body({"id": request_id, "method": "tools/call", "params": params}))
    return int(sent(effects)[0]["id"])


def test_what_a_client_says_of_itself_can_be_written() -> None:
    info = {"name": "\ud800" * 300, "version": "1\udfff"}
    client = client_from("a", {"protocolVersion": "\ud800", "clientInfo": info})
    assert (client.name, client.version) == ("?" * 100 + " 1?", "?")


@pytest.mark.parametrize("request_id", [1, "1", 0, -7, 1.5, "", "ü", 2**70], ids=repr)
def test_an_answer_carries_the_id_of_its_caller_type_included(request_id: Any) -> None:
    mux = ready()
    number = call(mux, "a", request_id)
    [(session, answer)] = told(mux.from_server(body({"id": number, "result": {}})))
    assert (session, answer["id"], type(answer["id"])) == ("a", request_id, type(request_id))


def test_equal_ids_of_two_sessions_are_two_calls() -> None:
    mux = ready()
    first, second = call(mux, "a", 1), call(mux, "b", 1)
    assert told(mux.from_server(body({"id": second, "result": "b"}))) == [
        ("b", {"jsonrpc": "2.0", "id": 1, "result": "b"})
    ]
    assert told(mux.from_server(body({"id": first, "result": "a"})))[0][0] == "a"


def test_an_integer_id_and_the_same_text_are_two_calls() -> None:
    mux = ready()
    number, text = call(mux, "a", 1), call(mux, "a", "1")
    cancelled = mux.from_client("a", body({"method": "notifications/cancelled", "params": {"requestId": "1"}}))
    assert number != text
    assert sent(cancelled)[0]["params"]["requestId"] == text


def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    mux = ready(first_id=100)
    call(mux, "a", 1)
    assert [type(effect) for effect in mux.from_server(body({"id": 1, "result": {}}))] == [Dropped]
    assert [type(effect) for effect in mux.from_server(body({"id": "100", "result": {}}))] == [Dropped]


def test_a_second_answer_to_a_call_is_dropped() -> None:
    mux = ready()
    number = call(mux, "a", 1)
    mux.from_server(body({"id": number, "result": {}}))
    assert told(mux.from_server(body({"id": number, "result": {}}))) == []


@pytest.mark.parametrize(
    "result",
    [
        {"content": [{"type": "text", "text": "\u2028 \U0001f600"}], "isError": True, "_meta": {"x/y": None}},
        {"tools": [{"inputSchema": {"$defs": {"$anchor": "a"}, "x-unknown": [1, 1.0, 1e30]}}]},
        {"big": 2**63, "bigger": 123456789012345678901234567890, "small": -(2**63)},
    ],
    ids=["texts", "schema", "long integers"],
)
def test_the_rest_of_an_answer_survives(result: Any) -> None:
    mux = ready()
    number = call(mux, "a", 1)
    line = body({"id": number, "result": result, "extra": {"unknown": True}})
    [(_, answer)] = told(mux.from_server(line))
    assert answer == {"jsonrpc": "2.0", "id": 1, "result": result, "extra": {"unknown": True}}


def test_lone_surrogates_survive() -> None:
    mux = ready()
    number = call(mux, "a", 1)
    [effect] = mux.from_server(b'{"jsonrpc":"2.0","id":%d,"result":"\\ud800"}' % number)
    assert isinstance(effect, ToClient)
    assert json.loads(effect.data)["result"] == "\ud800"


def test_an_error_keeps_its_code_and_data() -> None:
    mux = ready()
    number = call(mux, "a", "x")
    error = {"code": -32601, "message": "no", "data": {"why": [1]}}
    assert told(mux.from_server(body({"id": number, "error": error}))) == [
        ("a", {"jsonrpc": "2.0", "id": "x", "error": error})
    ]


def test_progress_reaches_the_caller_under_its_own_token() -> None:
    mux = ready()
    call(mux, "a", 1, _meta={"progressToken": 7})
    effects = mux.from_client(
        "b", body({"id": 1, "method": "tools/call", "params": {"name": "n", "_meta": {"progressToken": 7, "z": 1}}})
    )
    params = sent(effects)[0]["params"]
    assert params["name"] == "n"
    assert params["_meta"]["z"] == 1
    progress = {"progressToken": params["_meta"]["progressToken"], "progress": 0.5, "message": "half"}
    assert told(mux.from_server(body({"method": "notifications/progress", "params": progress}))) == [
        (
            "b",
            {
                "jsonrpc": "2.0",
                "method": "notifications/progress",
                "params": {"progressToken": 7, "progress": 0.5, "message": "half"},
            },
        )
    ]


def test_a_cancellation_reaches_only_a_call_of_its_own_session() -> None:
    mux = ready()
    call(mux, "a", 1)
    own = call(mux, "b", 1)
    cancel = body({"method": "notifications/cancelled", "params": {"requestId": 1, "reason": "r"}})
    assert sent(mux.from_client("b", cancel))[0]["params"] == {"requestId": own, "reason": "r"}
    assert sent(mux.from_client("c", cancel)) == []


def test_one_handshake_of_ours_serves_all_clients() -> None:
    mux = Driver()
    first = sent(
        mux.from_client("a", body({"id": 0, "method": "initialize", "params": {"clientInfo": {"name": "x"}}}))
    )
    assert first[0]["params"]["clientInfo"]["name"] == "toolhive"
    assert first[0]["params"]["capabilities"] == ALL_CAPABILITIES
    assert mux.from_client("b", body({"id": 0, "method": "initialize", "params": {}})) == []
    result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
    effects = mux.from_server(body({"id": first[0]["id"], "result": result}))
    assert told(effects) == [
        ("a", {"jsonrpc": "2.0", "id": 0, "result": result}),
        ("b", {"jsonrpc": "2.0", "id": 0, "result": result}),
    ]
    assert [message["method"] for message in sent(effects)] == ["notifications/initialized"]
    initialized = body({"method": "notifications/initialized"})
    assert sent(mux.from_client("a", initialized)) == []
    late = mux.from_client("c", body({"id": "i", "method": "initialize", "params": {}}))
    assert (sent(late), told(late)) == ([], [("c", {"jsonrpc": "2.0", "id": "i", "result": result})])


def test_a_process_of_one_session_gets_the_clients_own_initialize_and_one_initialized() -> None:
    mux = Driver(shared=False)
    params = {"protocolVersion": "2025-06-18", "capabilities": {"roots": {}}, "x": 1}
    [first] = sent(mux.from_client("a", body({"id": "i", "method": "initialize", "params": params})))
    assert first["params"] == params
    answer = mux.from_server(body({"id": first["id"], "result": {"protocolVersion": "2025-06-18"}}))
    assert (sent(answer), told(answer)[0][1]["id"]) == ([], "i")
    initialized = body({"method": "notifications/initialized"})
    assert len(sent(mux.from_client("a", initialized))) == 1
    assert sent(mux.from_client("a", initialized)) == []


@pytest.mark.parametrize(
    ("asked", "spoken", "agreed"),
    [
        ("2025-11-25", "2025-11-25", "2025-11-25"),
        ("2025-03-26", "2025-11-25", "2025-03-26"),
        ("2025-11-25", "2024-11-05", "2024-11-05"),
        ("2030-01-01", "2025-06-18", "2025-06-18"),
        ("", "2025-06-18", "2025-06-18"),
        ("2025-06-18", "1999-01-01", "1999-01-01"),
    ],
)
def test_each_client_is_told_the_version_that_both_speak(asked: str, spoken: str, agreed: str) -> None:
    mux = Driver(handshake=Handshake({}, {"protocolVersion": spoken}))
    request = body({"id": 1, "method": "initialize", "params": {"protocolVersion": asked}})
    assert told(mux.from_client("a", request))[0][1]["result"]["protocolVersion"] == agreed


def test_after_a_refused_handshake_the_next_one_is_passed_on() -> None:
    mux = Driver()
    number = sent(mux.from_client("a", body({"id": 0, "method": "initialize"})))[0]["id"]
    [(_, answer)] = told(mux.from_server(body({"id": number, "error": {"code": -32602, "message": "no"}})))
    assert answer["error"]["code"] == -32602
    assert len(sent(mux.from_client("a", body({"id": 1, "method": "initialize"})))) == 1


def test_a_refused_handshake_fails_the_calls_that_wait_for_it() -> None:
    mux = Driver()
    [asked] = sent(mux.from_client("a", body({"id": "c", "method": "tools/list"})))
    refused = mux.from_server(body({"id": asked["id"], "error": {"code": -32602, "message": "no"}}))
    assert [(session, answer["id"], answer["error"]["code"]) for session, answer in told(refused)] == [
        ("a", "c", -32602)
    ]


def test_an_answer_to_initialize_over_the_limit_is_told_to_who_waits_for_it() -> None:
    mux = Driver()
    [asked] = sent(mux.from_client("a", body({"id": "i", "method": "initialize"})))
    head = b'{"jsonrpc":"2.0","id":%d,"result":{"instructions":"' % asked["id"]
    [(session, answer)] = told(mux.mux.unusable(head, b'"}}', over_limit(1024)))
    assert (session, answer["id"], answer["error"]["code"]) == ("a", "i", -32000)


def test_a_call_without_a_handshake_waits_for_one_of_ours() -> None:
    mux = Driver()
    [initialize] = sent(mux.from_client("a", body({"id": 5, "method": "tools/list"})))
    assert initialize["method"] == "initialize"
    assert mux.from_client("b", body({"id": 5, "method": "tools/list"})) == []
    effects = mux.from_server(body({"id": initialize["id"], "result": {}}))
    assert [message["method"] for message in sent(effects)] == [
        "notifications/initialized",
        "tools/list",
        "tools/list",
    ]
    assert mux.mux.handshake is not None
    assert mux.mux.handshake.initialized


def test_list_changed_is_told_to_every_session_once() -> None:
    mux = ready()
    for session in ("a", "b", "a"):
        call(mux, session, 1)
    changed = mux.from_server(body({"method": "notifications/tools/list_changed"}))
    assert [session for session, _ in told(changed)] == ["a", "b"]
    mux.mux.session_ended("a")
    changed = mux.from_server(body({"method": "notifications/tools/list_changed"}))
    assert [session for session, _ in told(changed)] == ["b"]


def test_resource_subscriptions_are_counted() -> None:
    mux = ready()

    def ask(session: str, verb: str) -> list[MuxEffect]:
        return mux.from_client(
            session, body({"id": 1, "method": f"resources/{verb}", "params": {"uri": "file:///x"}})
        )

    def updated() -> list[str]:
        params = {"uri": "file:///x"}
        effects = mux.from_server(body({"method": "notifications/resources/updated", "params": params}))
        return [session for session, _ in told(effects)]

    mux.from_server(body({"id": sent(ask("a", "subscribe"))[0]["id"], "result": {}}))
    second = ask("b", "subscribe")
    assert (sent(second), told(second)[0][1]["result"]) == ([], {})
    assert updated() == ["a", "b"]
    assert sent(ask("a", "unsubscribe")) == []
    assert updated() == ["b"]
    mux.from_server(body({"id": sent(ask("b", "unsubscribe"))[0]["id"], "result": {}}))
    assert updated() == []


def test_the_last_subscribers_end_is_told_to_the_server() -> None:
    mux = ready()
    subscribe = body({"id": 1, "method": "resources/subscribe", "params": {"uri": "u"}})
    mux.from_server(body({"id": sent(mux.from_client("a", subscribe))[0]["id"], "result": {}}))
    [message] = sent(mux.mux.session_ended("a"))
    assert (message["method"], message["params"]) == ("resources/unsubscribe", {"uri": "u"})
    assert mux.from_server(body({"id": message["id"], "result": {}})) == []


def begin(mux: Driver, session: str, *capabilities: str) -> None:
    """Have a session say what its client can do."""
    params: dict[str, Any] = {"capabilities": {name: {} for name in capabilities}}
    mux.from_client(session, body({"id": "begin", "method": "initialize", "params": params}))


@pytest.mark.parametrize(
    ("method", "capability"),
    [
        ("sampling/createMessage", "sampling"),
        ("elicitation/create", "elicitation"),
        ("roots/list", "roots"),
        ("tasks/get", "tasks"),
        ("x/unknown", ""),
    ],
)
def test_a_request_that_the_client_cannot_answer_is_answered_here(method: str, capability: str) -> None:
    mux = ready()
    begin(mux, "a", "other")
    begin(mux, "b", capability)
    request = body({"id": "r", "method": method, "params": {}})
    number = call(mux, "a", 1)
    effects = mux.from_server(request)
    if capability:
        assert told(effects) == []
        assert [(message["id"], message["error"]["code"]) for message in sent(effects)] == [("r", -32601)]
    else:
        assert [session for session, _ in told(effects)] == ["a"]
    mux.from_server(body({"id": number, "result": {}}))
    call(mux, "b", 1)
    assert [(session, asked["method"]) for session, asked in told(mux.from_server(request))] == [("b", method)]


def test_the_servers_own_cancellation_reaches_who_was_asked_and_ends_the_wait() -> None:
    mux = ready()
    begin(mux, "a", "sampling")
    call(mux, "a", 1)
    mux.from_server(body({"id": 9, "method": "sampling/createMessage", "params": {}}))
    cancelled = body({"method": "notifications/cancelled", "params": {"requestId": 9}})
    assert [session for session, _ in told(mux.from_server(cancelled))] == ["a"]
    assert sent(mux.from_client("a", body({"id": 9, "result": {}}))) == []
    assert told(mux.from_server(cancelled)) == []


def test_a_request_of_the_server_goes_to_the_session_that_alone_waits() -> None:
    mux = ready()
    begin(mux, "a", "sampling")
    begin(mux, "b", "sampling")
    call(mux, "a", 1)
    request = body({"id": 9, "method": "sampling/createMessage", "params": {"x": 1}})
    [(session, message)] = told(mux.from_server(request))
    assert (session, message["id"], message["params"]) == ("a", 9, {"x": 1})
    answer = body({"id": 9, "result": {"y": 2}})
    assert sent(mux.from_client("b", answer)) == []
    assert sent(mux.from_client("a", answer)) == [{"jsonrpc": "2.0", "id": 9, "result": {"y": 2}}]
    assert sent(mux.from_client("a", answer)) == []


@pytest.mark.parametrize("sessions", [(), ("a", "b")], ids=["nobody waits", "two wait"])
def test_an_ambiguous_request_of_the_server_is_answered_here(sessions: tuple[str, ...]) -> None:
    mux = ready()
    for session in sessions:
        call(mux, session, 1)
    effects = mux.from_server(body({"id": "r", "method": "roots/list"}))
    assert told(effects) == []
    assert [(message["id"], message["error"]["code"]) for message in sent(effects)] == [("r", -32601)]


CANCEL = body({"method": "notifications/cancelled", "params": {"requestId": 1}})


@pytest.mark.parametrize("session_over", [False, True])
def test_what_a_cancelled_call_still_causes_reaches_no_other_session(session_over: bool) -> None:
    mux = ready()
    begin(mux, "a", "sampling")
    begin(mux, "b", "sampling")
    number = call(mux, "a", 1)
    mux.from_client("a", CANCEL)
    if session_over:
        mux.mux.session_ended("a")
    call(mux, "b", 1)
    sampling = body({"id": "r", "method": "sampling/createMessage", "params": {"data": "secret of a"}})
    log = body({"method": "notifications/message", "params": {"data": "secret of a"}})
    assert told(mux.from_server(sampling)) == []
    assert told(mux.from_server(log)) == []
    mux.from_server(body({"id": number, "error": {"code": 0, "message": "cancelled"}}))
    assert [session for session, _ in told(mux.from_server(log))] == ["b"]
    assert [session for session, _ in told(mux.from_server(sampling))] == ["b"]


def test_the_rest_of_an_ended_sessions_calls_may_be_over_the_limit() -> None:
    mux = ready()
    number = call(mux, "a", 1)
    mux.mux.session_ended("a")
    assert told(mux.mux.unusable(b'{"id":%d,"result":"' % number, b"x", over_limit(1))) == []
    call(mux, "b", 1)
    log = body({"method": "notifications/message", "params": {}})
    assert [session for session, _ in told(mux.from_server(log))] == ["b"]


def test_an_id_that_is_used_twice_at_a_time_harms_nobody() -> None:
    mux = ready()
    first, second = call(mux, "a", 1), call(mux, "a", 1)
    for number in (second, first):
        assert [session for session, _ in told(mux.from_server(body({"id": number, "result": {}})))] == ["a"]


def test_an_initialize_that_also_says_its_version_is_passed_on() -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    effects = Driver().from_client("a", body({"id": 0, "method": "initialize", "params": {"_meta": meta}}))
    assert [message["method"] for message in sent(effects)] == ["initialize"]


def resource(mux: Driver, session: str, verb: str) -> list[int]:
    """Ask for a resource's changes or the end of them; returns ids of what the server is asked."""
    request = body({"id": verb, "method": f"resources/{verb}", "params": {"uri": "u"}})
    return [message["id"] for message in sent(mux.from_client(session, request))]


def test_a_subscription_during_the_last_ones_end_is_asked_of_the_server() -> None:
    mux = ready()
    [subscribed] = resource(mux, "a", "subscribe")
    mux.from_server(body({"id": subscribed, "result": {}}))
    [ending] = resource(mux, "a", "unsubscribe")
    [anew] = resource(mux, "b", "subscribe")
    for number in (ending, anew):
        mux.from_server(body({"id": number, "result": {}}))
    updated = body({"method": "notifications/resources/updated", "params": {"uri": "u"}})
    assert [session for session, _ in told(mux.from_server(updated))] == ["b"]


@pytest.mark.parametrize("session_over", [False, True])
def test_a_subscription_that_is_asked_for_is_not_ended_by_another_session(session_over: bool) -> None:
    mux = ready()
    [first], [_] = resource(mux, "a", "subscribe"), resource(mux, "b", "subscribe")
    mux.from_server(body({"id": first, "result": {}}))
    if session_over:
        assert [m["method"] for m in sent(mux.mux.session_ended("a"))] == []
    else:
        assert resource(mux, "a", "unsubscribe") == []


def test_a_ping_of_the_server_is_answered_here() -> None:
    assert sent(ready().from_server(body({"id": 3, "method": "ping"}))) == [{"jsonrpc": "2.0", "id": 3, "result": {}}]


def test_log_messages_go_to_the_session_that_alone_waits() -> None:
    mux = ready()
    log = body({"method": "notifications/message", "params": {"data": "secret of a"}})
    assert told(mux.from_server(log)) == []
    number = call(mux, "a", 1)
    assert [session for session, _ in told(mux.from_server(log))] == ["a"]
    call(mux, "b", 1)
    assert told(mux.from_server(log)) == []
    mux.from_server(body({"id": number, "result": {}}))
    assert [session for session, _ in told(mux.from_server(log))] == ["b"]


@pytest.mark.parametrize(
    "message",
    [
        {"id": 1, "method": "server/discover"},
        {
            "id": 1,
            "method": "tools/list",
            "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}},
        },
    ],
    ids=["discover", "a versioned request"],
)
def test_requests_of_the_newer_era_never_reach_a_shared_process(message: dict[str, Any]) -> None:
    effects = Driver().from_client("a", body(message))
    assert sent(effects) == []
    [(_, answer)] = told(effects)
    assert answer["id"] == 1
    assert answer["error"]["code"] == -32022
    assert answer["error"]["data"] == {"supported": ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]}


@pytest.mark.parametrize(
    "line",
    [
        b"Starting server on stdio...",
        b"\xff\xfe\x00",
        b"{",
        b"[1, 2]",
        b"null",
        b'"text"',
        b'{"id": null, "result": 1}',
        b'{"jsonrpc": "2.0"}',
        b'{"id": {}, "method": "x"}',
        b'{"id":1,"result":NaN}',
        b"[" * 100_000,
    ],
    ids=lambda line: repr(line[:20]),
)
def test_garbage_of_the_server_is_dropped_with_a_reason(line: bytes) -> None:
    effects = ready().from_server(line)
    assert effects
    assert all(isinstance(effect, Dropped) and effect.reason for effect in effects)


def test_a_batch_of_the_server_is_taken_apart() -> None:
    mux = ready()
    a, b = call(mux, "a", 1), call(mux, "b", 1)
    effects = mux.from_server(json.dumps([{"id": a, "result": 1}, {"id": b, "result": 2}]).encode())
    assert [session for session, _ in told(effects)] == ["a", "b"]


def test_the_end_of_a_session_cancels_its_calls_only() -> None:
    mux = ready()
    mine, other = call(mux, "a", 1), call(mux, "b", 1)
    assert [message["params"]["requestId"] for message in sent(mux.mux.session_ended("a"))] == [mine]
    assert told(mux.from_server(body({"id": mine, "result": {}}))) == []
    assert [session for session, _ in told(mux.from_server(body({"id": other, "result": {}})))] == ["b"]


def test_the_servers_end_fails_all_that_wait() -> None:
    mux = ready()
    call(mux, "a", 1)
    call(mux, "b", "x")
    answers = told(mux.mux.exited("the server ended"))
    assert sorted((session, answer["id"], answer["error"]["message"]) for session, answer in answers) == [
        ("a", 1, "the server ended"),
        ("b", "x", "the server ended"),
    ]
    assert mux.mux.exited("again") == []


def test_the_servers_end_fails_what_waits_for_a_handshake() -> None:
    mux = Driver()
    mux.from_client("a", body({"id": 0, "method": "initialize"}))
    mux.from_client("b", body({"id": 1, "method": "tools/list"}))
    assert [(session, answer["id"]) for session, answer in told(mux.mux.exited("gone"))] == [("a", 0), ("b", 1)]


def test_the_caller_of_an_answer_over_the_limit_is_told() -> None:
    mux = ready(first_id=1_000_000)
    number = call(mux, "a", 1)
    tail = b'xxxx"}]},"jsonrpc":"2.0","id":%d}' % number
    [(session, answer)] = told(mux.mux.unusable(b'{"result":{"id":3,"content":[', tail, over_limit(64 * 1024 * 1024)))
    assert (session, answer["id"]) == ("a", 1)
    assert "64 MiB" in answer["error"]["message"]


IDS = st.one_of(st.integers(0, 3), st.sampled_from(["0", "1", "2", "3"]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.sampled_from("abc"), IDS),
        st.tuples(st.just("cancel"), st.sampled_from("abc"), IDS),
        st.tuples(st.just("end"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("answer"), st.just(""), st.integers(0, 50)),
        st.tuples(st.just("progress"), st.just(""), st.integers(0, 50)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_no_session_ever_sees_anothers_answers(steps: list[tuple[str, str, Any]]) -> None:
    mux = ready()
    owners: dict[int, tuple[str, Any]] = {}
    for step, session, value in steps:
        effects: list[MuxEffect] = []
        match step:
            case "call":
                params: dict[str, Any] = {"owner": session, "_meta": {"progressToken": value}}
                effects = mux.from_client(session, body({"id": value, "method": "tools/call", "params": params}))
                number = sent(effects)[0]["id"]
                assert number not in owners
                owners[number] = (session, value)
            case "cancel":
                params = {"requestId": value}
                effects = mux.from_client(session, body({"method": "notifications/cancelled", "params": params}))
                for message in sent(effects):
                    assert owners[message["params"]["requestId"]] == (session, value)
            case "end":
                effects = mux.mux.session_ended(session)
                for message in sent(effects):
                    assert owners[message["params"]["requestId"]][0] == session
            case "answer":
                effects = mux.from_server(body({"id": value, "result": {"owner": owners.get(value, ["", 0])[0]}}))
            case "progress":
                params = {"progressToken": value, "progress": 1, "owner": owners.get(value, ["", 0])[0]}
                effects = mux.from_server(body({"method": "notifications/progress", "params": params}))
        for to, message in told(effects):
            carried = message.get("result") or message["params"]
            assert carried["owner"] == to
            own = message.get("id", carried.get("progressToken"))
            assert (type(own), own) == (type(owners[value][1]), owners[value][1])


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from("ab"),
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["id", "method", "params", "result", "error", "_meta", "progressToken", "requestId"]),
                inner,
            )
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_nothing_that_anyone_sends_breaks_it(session: str, data: bytes) -> None:
    for mux in (ready(), Driver()):
        call_of_another = mux.from_client("c", body({"id": 1, "method": "tools/call"}))
        assert sent(call_of_another)
        mux.from_client(session, data)
        mux.from_server(data)
        mux.mux.session_ended(session)
        mux.mux.exited("end")


def test_progress_that_nobody_asked_for_is_dropped() -> None:
    mux = ready()
    number = call(mux, "a", 1)
    progress = {"progressToken": number, "progress": 1}
    assert told(mux.from_server(body({"method": "notifications/progress", "params": progress}))) == []


def test_a_restored_client_may_answer_what_it_was_asked_while_it_was_away() -> None:
    mux = ready()
    mux.mux.restore(SessionFacts(kept_name("a"), capabilities={"roots": {}}))
    mux.from_server(body({"id": 7, "method": "roots/list"}))
    mux.mux.rename(kept_name("a"), "a")
    assert sent(mux.from_client("a", body({"id": 7, "result": {"roots": []}})))[0]["id"] == 7


def test_a_task_stays_its_sessions_when_that_gets_another_name() -> None:
    mux = ready()
    number = call(mux, "a", 1, task={})
    mux.from_server(body({"id": number, "result": {"task": {"taskId": "T"}}}))
    mux.mux.rename("a", "b")
    status = body({"method": "notifications/tasks/status", "params": {"taskId": "T", "status": "working"}})
    assert [session for session, _ in told(mux.from_server(status))] == ["b"]


def test_a_session_tells_progress_only_of_what_it_was_asked() -> None:
    def progress(session: str, token: Any) -> list[MuxEffect]:
        params = {"progressToken": token, "progress": 1}
        return mux.from_client(session, body({"method": "notifications/progress", "params": params}))

    mux = ready()
    for session, token in (("a", 5), ("b", "of b")):
        mux.from_client(
            session, body({"id": 0, "method": "initialize", "params": {"capabilities": {"sampling": {}}}})
        )
        number = call(mux, session, 1)
        params = {"_meta": {"progressToken": token}}
        assert told(mux.from_server(body({"id": session, "method": "sampling/createMessage", "params": params})))
        mux.from_server(body({"id": number, "result": {}}))
    assert sent(progress("a", 5))
    assert sent(progress("b", "of b"))
    for session, other in (("a", "of b"), ("a", "5"), ("b", 5), ("b", None), ("c", 5)):
        assert sent(progress(session, other)) == []
    mux.from_client("a", body({"id": "a", "result": {}}))
    assert sent(progress("a", 5)) == []


def a_task(mux: Driver, session: str, token: Any, **task: Any) -> int:
    """Have a session's call make a task; returns the token that the server has."""
    number = call(mux, session, 1, task={}, _meta={"progressToken": token})
    mux.from_server(body({"id": number, "result": {"task": task}}))
    return number


def progress_of(mux: Driver, number: int) -> list[tuple[str, Any]]:
    params = {"progressToken": number, "progress": 1}
    effects = mux.from_server(body({"method": "notifications/progress", "params": params}))
    return [(session, message["params"]["progressToken"]) for session, message in told(effects)]


@pytest.mark.parametrize("shared", [True, False])
def test_progress_of_a_task_reaches_its_session_after_the_answer_that_made_it(shared: bool) -> None:
    mux = Driver(1, DONE, shared=shared)
    numbers = [a_task(mux, session, "t", taskId=session, status="working") for session in ("a", "b")]
    assert [progress_of(mux, number) for number in numbers] == [[("a", "t")], [("b", "t")]]
    mux.mux.rename("a", "c")
    mux.mux.session_ended("b")
    assert [progress_of(mux, number) for number in numbers] == [[("c", "t")], []]


def test_a_task_that_is_over_has_no_more_progress() -> None:
    mux = ready()
    told_so, asked, over = (
        a_task(mux, "a", task_id, taskId=task_id, status=status)
        for task_id, status in (("T", "working"), ("U", "input_required"), ("V", "completed"))
    )
    assert progress_of(mux, over) == []
    working = {"taskId": "T", "status": "working"}
    mux.from_server(body({"method": "notifications/tasks/status", "params": working}))
    assert progress_of(mux, told_so) == [("a", "T")]
    mux.from_server(body({"method": "notifications/tasks/status", "params": working | {"status": "failed"}}))
    assert progress_of(mux, told_so) == []
    assert progress_of(mux, asked) == [("a", "U")]
    request = body({"id": 2, "method": "tasks/get", "params": {"taskId": "U"}})
    number = sent(mux.from_client("a", request))[0]["id"]
    mux.from_server(body({"id": number, "result": {"taskId": "U", "status": "cancelled"}}))
    assert progress_of(mux, asked) == []
    fetched = a_task(mux, "a", "W", taskId="W", status=["no", "state"])
    assert progress_of(mux, fetched) == [("a", "W")]
    number = sent(mux.from_client("a", body({"id": 3, "method": "tasks/result", "params": {"taskId": "W"}})))[0]["id"]
    meta = {"io.modelcontextprotocol/related-task": {"taskId": "W"}}
    mux.from_server(body({"id": number, "result": {"content": [], "_meta": meta}}))
    assert progress_of(mux, fetched) == []


def test_progress_of_only_so_many_tasks_is_waited_for() -> None:
    table = TaskTable()
    for number in range(10_001):
        table.follow(number, "a", number, {"task": {"taskId": str(number)}})
    assert (table.followed(0), table.followed(1) is None) == (None, False)


# -- what a server can have us remember ---------------------------------------------------------------------------


def asking(mux: Driver, request_id: Any, token: Any = None) -> list[MuxEffect]:
    """Have the server ask the client that it works for."""
    params = {"_meta": {"progressToken": token}} if token is not None else {}
    return mux.from_server(body({"id": request_id, "method": "elicitation/create", "params": params}))


def asked_by_a_server() -> Driver:
    mux = ready()
    mux.from_client("a", body({"id": 0, "method": "initialize", "params": {"capabilities": {"elicitation": {}}}}))
    call(mux, "a", 1)
    return mux


@pytest.mark.parametrize(("request_id", "token"), [("x" * 1025, None), (1, "x" * 1025)])
def test_a_server_that_asks_under_an_endless_id_gets_an_error(request_id: Any, token: Any) -> None:
    mux = asked_by_a_server()
    [answer] = sent(asking(mux, request_id, token))
    assert (answer["id"], answer["error"]["code"]) == (request_id, -32600)
    assert mux.mux._back._asked == {}


def test_a_server_has_only_so_many_requests_open() -> None:
    mux = asked_by_a_server()
    for number in range(1000):
        assert len(told(asking(mux, number))) == 1
    [answer] = sent(asking(mux, 1000))
    assert (answer["id"], answer["error"]["code"]) == (1000, -32000)
    assert len(told(asking(mux, 7))) == 1  # the same once more
    assert mux.from_client("a", body({"id": 7, "result": {}}))
    assert len(told(asking(mux, 1000))) == 1
    assert len(sent(mux.mux.session_ended("a"))) == 1 + 1000


def test_progress_of_a_servers_requests_is_passed_on_while_one_of_them_waits() -> None:
    mux = asked_by_a_server()

    def passed_on(session: str) -> bool:
        progress = {"method": "notifications/progress", "params": {"progressToken": "t", "progress": 1}}
        return bool(sent(mux.from_client(session, body(progress))))

    for number in (1, 2, 2):
        asking(mux, number, "t")
    assert (passed_on("a"), passed_on("b")) == (True, False)
    mux.mux.rename("a", "b")
    assert (passed_on("a"), passed_on("b")) == (False, True)
    mux.from_client("b", body({"id": 2, "result": {}}))
    assert passed_on("b")
    mux.from_server(body({"method": "notifications/cancelled", "params": {"requestId": 1}}))
    assert not passed_on("b")
    assert mux.mux._back._tokens == {}
