"""Tools as clients see them, and calls as the server gets them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.middleware.parts import PartName, ToolRules
from toolhive_common.schemas.runconfig import ToolOverride
from toolhive_common.schemas.state import WorkloadKey
from toolhive_common.testing.factories import a_run_config
from toolhive_proxy.decisions.modern_rules import header_text
from toolhive_proxy.decisions.tool_rules import ToolNames, encode_header
from toolhive_proxy.middleware.tool_filter import tool_call_gate, tool_list_gate
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Header, Request, Response
from toolhive_proxy.models.messages import Batch, Message
from toolhive_proxy.models.routes import Route
from toolhive_proxy.protocol.messages import read_client
from toolhive_proxy.protocol.results import rewritten

CONFIG = a_run_config()
ROUTE = Route(WorkloadKey.default("time"), 1, CONFIG.transport, CONFIG)
NAMES = st.sampled_from(["a", "b", "c", "d", "ü"])
OVERRIDES = st.dictionaries(
    NAMES,
    st.builds(ToolOverride, name=st.one_of(st.just(""), NAMES), description=st.sampled_from(["", "told otherwise"])),
)


def rules(*names: str, **overrides: str) -> ToolRules:
    given_names = {actual: ToolOverride(name=shown) for actual, shown in overrides.items()}
    return ToolRules(PartName.TOOL_CALL_FILTER, frozenset(names), given_names)


def posted(body: Any, headers: list[Header] | None = None) -> RequestContext:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", "/time/mcp", "", headers or [], data, "")
    message = read_client(data)
    assert isinstance(message, Message | Batch)
    return RequestContext(request, ROUTE, request.headers, message)


def call(name: Any, request_id: Any = 1, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": {"name": name, **more}}


def answer_of(rule: ToolRules, context: RequestContext) -> Response | None:
    answer = tool_call_gate(rule)(context)
    assert answer is None or isinstance(answer, Response)
    return answer


@given(st.sets(NAMES), OVERRIDES, st.lists(NAMES, unique=True))
def test_a_tool_is_shown_under_the_name_that_calls_it_and_no_other(
    names: set[str], overrides: dict[str, ToolOverride], tools: list[str]
) -> None:
    rule = ToolRules(PartName.TOOL_FILTER, frozenset(names), overrides)
    listed = ToolNames.of(rule).rewrite({"tools": [{"name": tool, "x-origin": tool} for tool in tools]})["tools"]
    shown = [tool["name"] for tool in listed]
    assert len(set(shown)) == len(shown)
    for tool in listed:
        assert not names or tool["name"] in names
        context = posted(call(tool["name"]))
        assert answer_of(rule, context) is None
        assert isinstance(context.message, Message)
        assert json.loads(context.message.data)["params"]["name"] == tool["x-origin"]
    for name in {"a", "b", "c", "d", "ü"} - set(shown):
        actual = ToolNames.of(rule).actual_name(name)
        assert actual is None or actual not in tools, "what is not shown cannot be called"


def test_a_list_keeps_everything_that_nobody_spoke_of() -> None:
    rule = ToolRules(PartName.TOOL_FILTER, frozenset({"z"}), {"a": ToolOverride(name="z", description="new")})
    result = {
        "tools": [
            {"name": "a", "description": "old", "inputSchema": {"$defs": {}}, "_meta": {"k": 1}},
            {"name": "b"},
            3,
        ],
        "nextCursor": "page 2",
        "_meta": {"x": 1},
        "ttlMs": 5,
    }
    assert ToolNames.of(rule).rewrite(result) == result | {
        "tools": [{"name": "z", "description": "new", "inputSchema": {"$defs": {}}, "_meta": {"k": 1}}]
    }
    assert ToolNames.of(rule).rewrite({"resultType": "input_required"}) == {"resultType": "input_required"}


def test_lists_are_rewritten_and_other_answers_are_not() -> None:
    gate = tool_list_gate(rules("a"))
    for method, rewrites in (("tools/list", 1), ("tools/call", 0), ("resources/list", 0)):
        context = posted({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "a"}})
        assert gate(context) is None
        assert len(context.rewrites) == rewrites
    for method, rewrites in (("GET", 1), ("DELETE", 0)):
        request = Request(method, "/time/mcp", "", [], b"", "")
        context = RequestContext(request, ROUTE, request.headers)
        gate(context)
        assert len(context.rewrites) == rewrites


def no_tools(result: dict[str, Any]) -> dict[str, Any]:
    return result | {"tools": []} if "tools" in result else result


@pytest.mark.parametrize("written", ["NaN", "Infinity", '"a\tb"', '"\ud800"', "12345678901234567890"])
def test_a_list_is_changed_also_when_it_is_not_quite_json(written: str) -> None:
    data = f'{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{{"name":"a"}}],"x":{written}}}}}'.encode(
        errors="surrogatepass"
    )
    for found in (
        json.loads(rewritten(data, [no_tools])),
        json.loads(rewritten(b"[" + data + b"]", [no_tools]))[0],
    ):
        assert (found["id"], found["result"]["tools"]) == (1, [])
        assert "x" in found["result"]


@pytest.mark.parametrize("rest", [b"", b"}} more", b"[" * 100_000])
def test_an_answer_that_cannot_be_read_becomes_an_error(rest: bytes) -> None:
    found = json.loads(rewritten(b'{"jsonrpc":"2.0","id":"x","result":{"tools":[{"name":"a"}]' + rest, [no_tools]))
    assert (found["id"], found["error"]["code"]) == ("x", -32603)
    assert "cannot be filtered" in found["error"]["message"]


@pytest.mark.parametrize(
    "data", [b"", b" ", b'{ "result": {} }', b'[ {"error": {}} ]', b"3", b"[]", b'{"method":"a"}']
)
def test_what_holds_no_list_keeps_its_bytes(data: bytes) -> None:
    assert rewritten(data, [no_tools]) is data
    assert rewritten(b"{", []) == b"{"


def test_a_call_by_its_new_name_reaches_the_server_by_its_own_with_all_else_unchanged() -> None:
    sent = call("z", "x", arguments={"n": 12345678901234567890}, _meta={"progressToken": 1}) | {"extra": [1]}
    context = posted(sent, [(b"mcp-name", b"z"), (b"mcp-param-n", b"1"), (b"accept", b"*/*")])
    before = context.request.headers
    assert answer_of(rules(a="z"), context) is None
    assert isinstance(context.message, Message)
    assert json.loads(context.message.data) == sent | {"params": sent["params"] | {"name": "a"}}
    assert context.headers == [(b"mcp-name", b"a"), (b"mcp-param-n", b"1"), (b"accept", b"*/*")]
    assert before == [(b"mcp-name", b"z"), (b"mcp-param-n", b"1"), (b"accept", b"*/*")], "the request stays as it is"


@pytest.mark.parametrize(
    "data",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad","name":"a"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad"},"params":{"name":"a"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","method":"tools/call","params":{"name":"a"}}',
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_a_key_that_is_there_twice_goes_on_once_as_it_was_judged(data: bytes, batch: bool) -> None:
    context = posted(b"[" + data + b"]" if batch else data)
    assert answer_of(rules("a", "b"), context) is None
    assert context.message is not None
    assert json.loads(context.message.data, object_pairs_hook=list) == json.loads(
        json.dumps([call("a")] if batch else call("a")), object_pairs_hook=list
    )


def test_a_call_behind_another_method_goes_on_as_what_it_was_judged_to_be() -> None:
    context = posted(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"bad"}}')
    assert answer_of(rules("a"), context) is None
    assert context.message is not None
    assert b"tools/call" not in context.message.data


@pytest.mark.parametrize(
    "body",
    [
        call("a", Name="bad"),
        call("a") | {"Params": {"name": "bad"}},
        call("a") | {"param\u017f": {"name": "bad"}},  # a long s, which Go takes for an s
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "METHOD": "tools/call", "params": {"name": "bad"}},
        {"jsonrpc": "2.0", "id": 1, "result": {}, "Method": "tools/call", "params": {"name": "bad"}},
    ],
)
def test_a_key_that_differs_in_case_alone_is_refused(body: dict[str, Any]) -> None:
    for context in (posted(body), posted([body])):
        answer = answer_of(rules("a"), context)
        assert answer is not None
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, -32600)
    assert answer_of(rules("a"), posted(call("a", arguments={"Name": 1, "Method": 2, "Params": 3}))) is None


def test_a_name_in_a_header_follows_only_where_it_agreed() -> None:
    context = posted(call("z"), [(b"mcp-name", b"other")])
    assert answer_of(rules(a="z"), context) is None
    assert context.headers == [(b"mcp-name", b"other")]
    coded = encode_header("größe").encode()
    context = posted(call("größe"), [(b"mcp-name", coded)])
    assert answer_of(rules(a="größe", größe="c"), context) is None
    assert context.headers == [(b"mcp-name", b"a")]


@given(st.text(max_size=30))
def test_any_name_survives_its_header(name: str) -> None:
    header = encode_header(name)
    assert header.isascii()
    assert header.isprintable()
    assert header_text(header) == name


@pytest.mark.parametrize("name", ["b", "a"])
def test_a_tool_that_clients_do_not_know_is_not_found(name: str) -> None:
    answer = answer_of(rules("z", a="z"), posted(call(name, "7")))
    assert answer is not None
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "jsonrpc": "2.0",
        "id": "7",
        "error": {"code": -32602, "message": "tool not found"},
    }
    streaming = posted(call(name), [(b"accept", b"text/event-stream")])
    assert answer_of(rules("z", a="z"), streaming) == Response(400)


@pytest.mark.parametrize("params", [{}, {"name": ""}, {"name": 3}, None])
def test_a_call_without_a_usable_name_is_a_bad_request(params: Any) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"} | ({} if params is None else {"params": params})
    assert answer_of(rules("a"), posted(message)) == Response(400)


def test_members_of_a_batch_are_looked_at_one_by_one() -> None:
    other = {"jsonrpc": "2.0", "method": "notifications/x", "unknown": 1}
    context = posted([call("z", 1), call("b", 2), other])
    assert answer_of(rules("z", "b", a="z"), context) is None
    assert isinstance(context.message, Batch)
    assert [json.loads(member.data) for member in context.message.messages] == json.loads(context.message.data)
    assert json.loads(context.message.data) == [call("a", 1), call("b", 2), other]
    for bad in (call("q", 3), call("", 3), {"jsonrpc": "2.0", "id": 3, "method": "tools/call"}):
        answer = answer_of(rules("z", a="z"), posted([call("z", 1), bad, other]))
        assert answer is not None
        found = {error["id"]: error["error"]["code"] for error in json.loads(answer.body)}
        assert found == {1: -32600, 3: -32602}
