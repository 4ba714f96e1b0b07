"""What each POST is taken for, from its message and its headers alone."""

from typing import Any

import orjson
import pytest

from toolhive_common.mcp.port import Verb
from toolhive_proxy.decisions.post_verdict import PostFacts, judge_body, judge_post
from toolhive_proxy.decisions.refusal import Refusal
from toolhive_proxy.models.messages import Batch, Message
from toolhive_proxy.protocol.messages import read_client

PREFIX = "io.modelcontextprotocol/"
MODERN = "2026-07-28"


def a_message(**value: Any) -> Message:
    found = read_client(orjson.dumps({"jsonrpc": "2.0", **value}))
    assert isinstance(found, Message)
    return found


def a_modern_message(method: str, version: str = MODERN, **params: Any) -> Message:
    meta = {PREFIX + "protocolVersion": version, PREFIX + "clientCapabilities": {}}
    return a_message(id=1, method=method, params={"_meta": meta, **params})


def judged(message: Message, **facts: Any) -> Any:
    verdict = judge_post(message, PostFacts(**{"version": "", "session_id": "", **facts}))
    return (verdict.status, int(verdict.code)) if isinstance(verdict, Refusal) else verdict


PING = a_message(id=1, method="ping")
TOLD = a_message(method="notifications/x")


@pytest.mark.parametrize(
    ("message", "facts", "expected"),
    [
        (a_message(id=1, method="initialize"), {"strict": True}, Verb.OPEN),
        (a_message(id=1, method="initialize"), {"version": MODERN, "session_id": "old"}, Verb.OPEN),
        (PING, {}, Verb.CALL_ONCE),
        (PING, {"strict": True}, (400, -32600)),
        (PING, {"version": "2025-06-18", "session_id": "s", "strict": True}, Verb.CALL),
        (PING, {"session_id": "s"}, Verb.CALL),
        (PING, {"session_id": "with space"}, (400, -32600)),
        (PING, {"session_id": "s", "version": "1999-01-01"}, (400, -32022)),
        (PING, {"version": "1999-01-01"}, (400, -32022)),
        (TOLD, {"strict": True}, (400, -32600)),
        (TOLD, {"session_id": "s"}, Verb.TELL),
        (TOLD, {}, None),
        (a_message(id=1, result={}), {"session_id": "s"}, Verb.TELL),
    ],
)
def test_a_post_of_the_era_with_sessions_is_judged_by_its_message_and_headers(
    message: Message, facts: dict[str, Any], expected: Any
) -> None:
    assert judged(message, **facts) == expected


LIST = a_modern_message("tools/list")
CALL = a_modern_message("tools/call", name="echo", arguments={})
READ = a_modern_message("resources/read", uri="file:///a")
GET = a_modern_message("prompts/get", name="b")
FACTS = {"version": MODERN, "method": "tools/list"}


@pytest.mark.parametrize(
    ("message", "facts", "expected"),
    [
        (LIST, FACTS, Verb.CALL_MODERN),
        (LIST, FACTS | {"session_id": "ignored"}, Verb.CALL_MODERN),
        (CALL, FACTS | {"method": "tools/call", "name": "echo"}, Verb.CALL_MODERN),
        (CALL, FACTS | {"method": "tools/call", "name": "=?base64?ZWNobw==?="}, Verb.CALL_MODERN),
        (READ, FACTS | {"method": "resources/read", "name": "file:///a"}, Verb.CALL_MODERN),
        (GET, FACTS | {"method": "prompts/get", "name": "b"}, Verb.CALL_MODERN),
        (LIST, {"version": MODERN}, (400, -32020)),
        (LIST, FACTS | {"method": "tools/call"}, (400, -32020)),
        (LIST, {"method": "tools/list"}, (400, -32020)),
        (LIST, {"version": "2025-11-25", "method": "tools/list"}, (400, -32020)),
        (CALL, FACTS | {"method": "tools/call"}, (400, -32020)),
        (CALL, FACTS | {"method": "tools/call", "name": "other"}, (400, -32020)),
        (CALL, FACTS | {"method": "tools/call", "name": "Echo"}, (400, -32020)),
        (CALL, FACTS | {"method": "tools/call", "name": "=?base64?ZWNob?="}, (400, -32020)),
        (READ, FACTS | {"method": "resources/read", "name": "b"}, (400, -32020)),
        (a_modern_message("tools/list", "2999-01-01"), FACTS | {"version": "2999-01-01"}, Verb.CALL_MODERN),
        (a_message(id=1, method="tools/list"), FACTS, (400, -32602)),
        (a_message(id=1, method="server/discover"), {}, (400, -32602)),
        (a_message(method="notifications/cancelled"), {"version": MODERN}, None),
        (a_message(id=1, result={}), {"version": MODERN}, (400, -32600)),
        (LIST, FACTS | {"modern": False}, (400, -32022)),
    ],
)
def test_a_post_of_the_era_without_sessions_says_the_same_in_headers_and_body(
    message: Message, facts: dict[str, Any], expected: Any
) -> None:
    assert judged(message, **facts) == expected


@pytest.mark.parametrize(("version", "taken"), [("", True), ("2025-03-26", True), ("2025-06-18", False)])
def test_batches_belong_to_one_revision(*, version: str, taken: bool) -> None:
    found = judge_body(read_client(b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]'), version=version)
    assert isinstance(found, Batch) == taken
