import json

from hypothesis import given
from hypothesis import strategies as st

from toolhive_runtime.decisions.channel_frames import Ended, Output, input_messages, read_message


@given(st.binary())
def test_whatever_comes_is_read_without_an_error(message: bytes) -> None:
    assert read_message(message) is None or isinstance(read_message(message), Output | Ended)


@given(st.binary(min_size=1))
def test_output_comes_out_as_it_went_in(data: bytes) -> None:
    assert read_message(b"\x01" + data) == Output(data)


@given(st.sampled_from([0, 2, 4, 7]), st.binary())
def test_other_channels_say_nothing_of_the_server(channel: int, data: bytes) -> None:
    assert read_message(bytes([channel]) + data) is None


@given(st.binary(max_size=200_000))
def test_input_is_cut_into_messages_that_put_together_are_the_input(data: bytes) -> None:
    messages = list(input_messages(data))
    assert b"".join(message[1:] for message in messages) == data
    assert all(message[0] == 0 and 1 < len(message) <= 32 * 1024 + 1 for message in messages)


def test_what_opens_a_channel_says_nothing() -> None:
    assert [read_message(message) for message in (b"", b"\x01", b"\x03", "")] == [None] * 4


def test_a_status_that_is_well_ends_without_a_reason() -> None:
    assert read_message(b"\x03" + json.dumps({"status": "Success"}).encode()) == Ended("")


def test_a_status_that_is_not_ends_with_its_message() -> None:
    failure = {"status": "Failure", "message": "container not running", "reason": "BadRequest"}
    assert read_message(b"\x03" + json.dumps(failure).encode()) == Ended("container not running")


def test_a_reason_that_is_no_status_is_told_as_it_is() -> None:
    assert read_message(b"\x03the node is gone\n") == Ended("the node is gone")


def test_the_end_of_the_output_is_the_end() -> None:
    assert read_message(b"\xff\x01") == Ended("")
    assert read_message(b"\xff\x02") is None
