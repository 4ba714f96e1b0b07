"""Headers of 2026-07-28 that repeat what the body says."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.mcp.jsonrpc import parse
from toolhive_proxy.decisions.modern_rules import (
    ParameterHeader,
    header_text,
    judge_parameters,
    parameter_headers,
    status_of,
)
from toolhive_proxy.models.messages import Message
from toolhive_proxy.protocol.messages import read_client

MARKED = (ParameterHeader("region", ("where", "region")),)


def a_call(value: Any) -> Message:
    arguments = {"where": {"region": value}}
    params = {"name": "echo", "arguments": arguments}
    found = read_client(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
    assert isinstance(found, Message)
    return found


def encoded(text: str) -> str:
    """Write a header's value as clients do."""
    plain = all(" " <= character <= "~" for character in text) and text == text.strip(" \t")
    if plain and text and not (text.startswith("=?base64?") and text.endswith("?=")):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_said_in_a_header(text: str) -> None:
    assert header_text(encoded(text)) == text
    assert judge_parameters(a_call(text), MARKED, {"region": encoded(text)}) is None


def test_a_mark_of_base64_that_is_not_whole_is_plain_text() -> None:
    assert header_text("=?base64?=") == "=?base64?="
    assert header_text("=?base64??=") == ""


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_another_text_is_refused(text: str, other: str) -> None:
    refusal = judge_parameters(a_call(text), MARKED, {"region": encoded(other)})
    assert (refusal is None) == (text == other)


@given(st.text())
def test_no_header_makes_it_raise(text: str) -> None:
    judge_parameters(a_call("x"), MARKED, {"region": text})
    judge_parameters(a_call(1), MARKED, {"region": text})


@given(st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_or_a_bool_is_said_as_json_says_it(value: Any) -> None:
    text = orjson.dumps(value).decode()
    assert judge_parameters(a_call(value), MARKED, {"region": text}) is None
    assert judge_parameters(a_call(value), MARKED, {"region": "x" + text}) is not None


@pytest.mark.parametrize(
    ("value", "text", "same"),
    [
        (10, "10", True),
        (10, "10.0", True),
        (10, "1e1", True),
        (10, "1_0", False),
        (10, " 10", False),
        (10, "\u0660", False),
        (0.1, "0.10", True),
        (9007199254740993, "9007199254740992", False),
        (1, "true", False),
        (True, "1", False),
        (True, "true", True),
        (1, "1e99999999999999999999", False),
        (1, "nan", False),
        (None, "x", True),
        ([1], "[1]", False),
    ],
)
def test_a_number_is_compared_as_a_number_and_exactly(*, value: Any, text: str, same: bool) -> None:
    assert (judge_parameters(a_call(value), MARKED, {"region": text}) is None) is same


def test_a_number_that_no_float_holds_is_compared_too() -> None:
    digits = "9" * 400
    data = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"where":{"region":%b}}}}'
    message = read_client(data % digits.encode())
    assert isinstance(message, Message)
    assert parse(digits.encode()) is not None
    judge_parameters(message, MARKED, {"region": digits})
    assert judge_parameters(message, MARKED, {"region": "1"}) is not None


def test_a_header_that_is_missing_is_refused_when_the_argument_is_there() -> None:
    refusal = judge_parameters(a_call("x"), MARKED, {})
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.request_id) == (400, -32020, 1)
    assert judge_parameters(a_call(None), MARKED, {}) is None


def test_marks_are_found_at_any_depth_and_written_in_any_case() -> None:
    inner = {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "other": True}}
    assert parameter_headers({"properties": {"where": inner}}) == MARKED
    assert parameter_headers(None) == parameter_headers({"properties": []}) == ()


@pytest.mark.parametrize(
    ("code", "status"), [(-32601, 404), (-32020, 400), (-32021, 400), (-32022, 400), (-32602, 200), (-32000, 200)]
)
def test_an_error_has_the_status_that_the_era_gives_it(code: int, status: int) -> None:
    assert status_of(code) == status
