"""Whatever message is read can be written again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.mcp.jsonrpc import encode, parse


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]", inmost: bytes = b"") -> bytes:
    """A message of so many levels, its own object included."""
    return b'{"id":1,"x":' + opening * (depth - 1) + inmost + closing * (depth - 1) + b"}"


@pytest.mark.parametrize("depth", [1, 2, 199, 200])
@pytest.mark.parametrize("inmost", [b"1", b"12345678901234567890", b'"\\ud800"'])
def test_what_is_not_nested_too_deep_is_read_and_written(depth: int, inmost: bytes) -> None:
    for data in (nested(depth, inmost=inmost), nested(depth, b'{"a":', b"}", inmost)):
        assert parse(encode(parse(data))) == parse(data)


@pytest.mark.parametrize("depth", [201, 202, 255, *range(900, 1030, 4), 100_000])
@pytest.mark.parametrize("inmost", [b"1", b"12345678901234567890", b'"\\ud800"'])
def test_what_is_nested_too_deep_is_refused(depth: int, inmost: bytes) -> None:
    for data in (nested(depth, inmost=inmost), nested(depth, b'{"a":', b"}", inmost)):
        with pytest.raises(ValueError, match="deeper than 200 levels"):
            parse(data)


def test_many_objects_side_by_side_are_not_deep() -> None:
    value: dict[str, Any] = {"x": [{"y": [{}]}] * 10_000}
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "number",
    [
        b"1e400",
        b"-1E400",
        b"1.5e+999",
        b"0.1E+310",
        b"1e0000309",
        b"9" * 400 + b".0",
        b"9" * 18 + b"e292",
        b"1.8e308",
    ],
)
def test_a_number_that_no_float_holds_is_refused(number: bytes) -> None:
    for data in (b'{"x":%s}' % number, b'{"id":1,"params":{"a":[1,{"b":%s}]}}' % number):
        with pytest.raises(ValueError, match="too large"):
            parse(data)


@pytest.mark.parametrize("number", [b"1e308", b"1e-400", b"-1.5E+300", b"1e99", b"0e000", b"9" * 400])
def test_a_large_number_that_can_be_written_is_read(number: bytes) -> None:
    value = parse(b'{"x":%s}' % number)
    assert parse(encode(value)) == value


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_JSON)
def test_reading_changes_nothing(value: Any) -> None:
    message = {"x": value}
    assert parse(json.dumps(message).encode()) == message
    assert parse(encode(parse(json.dumps(message).encode()))) == message
