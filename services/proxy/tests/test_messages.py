from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_proxy.models.messages import Batch, Invalid, Kind, Message
from toolhive_proxy.protocol.messages import ids_within, read_client, read_server

IDS = st.one_of(st.text(), st.integers(-(2**53), 2**53))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary())
def test_no_body_makes_it_raise(data: bytes) -> None:
    assert isinstance(read_client(data), Message | Batch | Invalid)


@given(VALUES)
def test_no_json_makes_it_raise(value: Any) -> None:
    found = read_client(orjson.dumps(value))
    assert isinstance(value, list) or not isinstance(found, Batch)


@given(st.lists(st.booleans(), max_size=4))
def test_a_batch_is_one_only_when_each_of_its_parts_is_a_message(good: list[bool]) -> None:
    parts = [{"jsonrpc": "2.0", "id": 1, "method": "ping"} if each else {"id": 1} for each in good]
    found = read_client(orjson.dumps(parts))
    assert isinstance(found, Batch) == (bool(good) and all(good))


@given(IDS, st.text(), st.dictionaries(st.text(), VALUES, max_size=3))
def test_a_request_keeps_its_id_with_its_type(request_id: Any, method: str, params: dict[str, Any]) -> None:
    data = orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
    found = read_client(data)
    assert isinstance(found, Message)
    assert (found.kind, found.method, found.id, type(found.id)) == (
        Kind.REQUEST,
        method,
        request_id,
        type(request_id),
    )
    assert found.data is data


@given(IDS)
def test_a_token_is_found_in_the_request_and_in_its_progress(token: Any) -> None:
    asked = read_client(
        orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"_meta": {"progressToken": token}}})
    )
    told = read_client(
        orjson.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token}})
    )
    assert isinstance(asked, Message)
    assert isinstance(told, Message)
    assert asked.own_token == told.told_token == token


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"jsonrpc":"2.0","method":"a"}', Kind.NOTIFICATION),
        (b'{"jsonrpc":"2.0","id":0,"method":"a"}', Kind.REQUEST),
        (b'{"jsonrpc":"2.0","id":"","result":null}', Kind.RESPONSE),
        (b'{"jsonrpc":"2.0","error":{}}', Kind.RESPONSE),
        (b'{"jsonrpc":"2.0","id":null,"error":{}}', Kind.RESPONSE),
    ],
)
def test_messages_are_of_three_kinds(data: bytes, kind: Kind) -> None:
    found = read_client(data)
    assert isinstance(found, Message)
    assert found.kind is kind


@pytest.mark.parametrize(
    "data",
    [
        b'{"jsonrpc":"2.0","id":true,"method":"a"}',
        b'{"jsonrpc":"2.0","id":[1],"method":"a"}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}',
        b'{"jsonrpc":"2.0","id":1,"result":1,"error":{}}',
        b'{"jsonrpc":"1.0","id":1,"method":"a"}',
    ],
)
def test_what_only_looks_like_a_message_is_invalid(data: bytes) -> None:
    assert isinstance(read_client(data), Invalid)


@pytest.mark.parametrize(
    ("data", "request_id"),
    [
        pytest.param(rb'{"jsonrpc":"2.0","id":1,"result":"\ud800"}', 1, id="half of a surrogate pair"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"result":123456789012345678901234567890}', 1, id="a long number"),
        pytest.param(b'{"jsonrpc":"2.0","id":123456789012345678901,"result":1}', 123456789012345678901, id="long id"),
        pytest.param(b'{"id":"a","result":1}', "a", id="no version"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"result":null,"error":{}}', 1, id="result and error"),
    ],
)
def test_an_answer_that_the_agent_reads_is_read_here_too(data: bytes, request_id: Any) -> None:
    assert read_server(data) == [Message(Kind.RESPONSE, "", request_id, None, data, is_error=b"error" in data)]


def test_a_batch_of_a_server_is_its_messages() -> None:
    batch = [{"id": 1, "result": {}}, {"method": "a"}, []]
    kinds = [
        found.kind if isinstance(found, Message) else found.is_json for found in read_server(orjson.dumps(batch))
    ]
    assert kinds == [Kind.RESPONSE, Kind.NOTIFICATION, True]


@pytest.mark.parametrize(
    ("data", "ids"),
    [
        (b'{"id": 7, "result": NaN}', [7]),
        (b'{"result":"' + b"x" * 10_000 + b'\xff","id":"a"}', ["a"]),
        (b'Answering "id": 7', []),
        (b'{"result": 1', []),
    ],
)
def test_the_id_of_an_answer_that_cannot_be_read_is_looked_for(data: bytes, ids: list[Any]) -> None:
    assert ids_within(data) == ids


@given(st.binary())
def test_no_text_makes_the_search_for_an_id_raise(data: bytes) -> None:
    assert isinstance(ids_within(b"{" + data), list)
