"""What an edge and a broker write is what the other reads."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from toolhive_common.mcp.port import (
    FromBroker,
    Note,
    RefusalCode,
    ToBroker,
    Verb,
    decode_down,
    decode_up,
    encode_down,
    encode_up,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(0, 2**53)
ASKED = st.builds(ToBroker, st.sampled_from(Verb), NUMBERS, TEXT, st.binary(), st.booleans(), TEXT, st.booleans())
SAID = st.builds(
    FromBroker, st.sampled_from(Note), NUMBERS, st.binary(), NUMBERS, st.none() | st.sampled_from(RefusalCode)
)


@given(ASKED)
def test_what_is_asked_comes_through(message: ToBroker) -> None:
    assert decode_up(encode_up(message)) == message


@given(SAID)
def test_what_is_said_comes_through(message: FromBroker) -> None:
    assert decode_down(encode_down(message)) == message


@given(st.binary() | st.binary().map(lambda data: b'["call",1,"s",true,"",false]' + data))
def test_any_other_bytes_are_refused_with_the_one_error_that_readers_expect(data: bytes) -> None:
    for decode in (decode_up, decode_down):
        with contextlib.suppress(ValueError):
            decode(data)


@given(st.sampled_from([b"1", b"null", b"{}", b'["call",1]', b'["message",1,2,[]]', b'[[],1,"s",true,"",false]']))
def test_json_of_another_shape_is_refused_so_too(data: bytes) -> None:
    for decode in (decode_up, decode_down):
        with contextlib.suppress(ValueError):
            decode(data)
            raise AssertionError(decode)
