from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_proxy.protocol.jsonrpc import Batch, Invalid, Kind, Message, peek

IDS = st.one_of(st.text(), st.integers(-(2**53), 2**53))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary())
def test_no_body_makes_it_raise(data: bytes) -> None:
    assert isinstance(peek(data), Message | Batch | Invalid)


@given(VALUES)
def test_no_json_makes_it_raise(value: Any) -> None:
    found = peek(orjson.dumps(value))
    assert isinstance(found, Batch) == isinstance(value, list)


@given(IDS, st.text(), st.dictionaries(st.text(), VALUES, max_size=3))
def test_a_request_keeps_its_id_with_its_type(request_id: Any, method: str, params: dict[str, Any]) -> None:
    data = orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
    found = peek(data)
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
    asked = peek(
        orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"_meta": {"progressToken": token}}})
    )
    told = peek(
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
    ],
)
def test_messages_are_of_three_kinds(data: bytes, kind: Kind) -> None:
    found = peek(data)
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
    assert isinstance(peek(data), Invalid)
