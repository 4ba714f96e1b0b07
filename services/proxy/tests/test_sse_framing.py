import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_proxy.protocol.sse import EventTooLargeError, SseEvent, SseParser, encode_event

ENDINGS = st.sampled_from([b"\n", b"\r", b"\r\n"])
LINES = st.one_of(
    st.builds(lambda value: b"data: " + value, st.binary(max_size=12).map(lambda v: v.translate(None, b"\r\n"))),
    st.sampled_from(
        [b"data", b"data:", b":comment", b"event: ping", b"id: 7", b"retry: 50", b"retry: x", b"other: 1"]
    ),
    st.just(b""),
)
STREAMS = st.lists(st.tuples(LINES, ENDINGS), max_size=30).map(lambda lines: b"".join(a + b for a, b in lines))


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


def read(pieces: list[bytes]) -> list[SseEvent]:
    parser = SseParser()
    return [event for piece in pieces for event in parser.feed(piece)]


@given(STREAMS, st.lists(st.integers(min_value=0), max_size=10))
def test_a_stream_means_the_same_wherever_it_is_cut(stream: bytes, places: list[int]) -> None:
    assert read(cut(stream, places)) == read([stream])


@given(STREAMS)
def test_a_stream_that_comes_byte_by_byte_means_the_same(stream: bytes) -> None:
    assert read([stream[place : place + 1] for place in range(len(stream))]) == read([stream])


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])).map(str.encode))
def test_what_is_written_is_read_back(data: bytes) -> None:
    assert read([encode_event(data)]) == [SseEvent("message", data)]


@given(st.binary(max_size=50))
def test_line_ends_in_data_never_end_the_event(data: bytes) -> None:
    expected = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert [event.data for event in read([encode_event(data)])] == [expected]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [SseEvent("message", b"a")]),
        (b"data:a\ndata: b\n\n", [SseEvent("message", b"a\nb")]),
        (b"data:  a\n\n", [SseEvent("message", b" a")]),
        (b"event: ping\nid: 7\nretry: 50\ndata: x\n\n", [SseEvent("ping", b"x", "7", 50)]),
        (b"\xef\xbb\xbfdata: a\n\n", [SseEvent("message", b"a")]),
        (b"event: ping\n\n", []),
        (b": comment\n\n", []),
        (b"data: a\n", []),
        (b"data: a\r\rdata: b\r\n\r\n", [SseEvent("message", b"a"), SseEvent("message", b"b")]),
    ],
)
def test_streams_are_read_as_the_format_says(stream: bytes, events: list[SseEvent]) -> None:
    assert read([stream]) == events


def test_an_event_over_the_limit_is_refused_before_it_is_whole() -> None:
    parser = SseParser(max_event=100)
    for _ in range(10):
        parser.feed(b"x" * 10)
    with pytest.raises(EventTooLargeError):
        parser.feed(b"x")
