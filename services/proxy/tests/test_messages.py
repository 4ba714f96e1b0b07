from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_proxy.models.messages import Batch, Invalid, Kind, Message
from toolhive_proxy.protocol.messages import ids_within, read_client

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
