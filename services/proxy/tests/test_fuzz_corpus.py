"""What the fuzzer found to be of interest, and what hypothesis comes up with, hold what `fuzz.targets` promises."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .fuzz.targets import TARGETS, request, response, sse

CORPUS = sorted((Path(__file__).parent / "fuzz/corpus").glob("*/*"))

NAMES = st.sampled_from(
    [b"Host", b"host ", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"X", b"X-Request-Id", b""]
)
VALUES = st.sampled_from(
    [
        b"h",
        b"0",
        b"3",
        b"5",
        b"3, 3",
        b"+3",
        b"chunked",
        b"gzip, chunked",
        b"close",
        b"100-continue",
        b"",
        b"a\0",
        b"\xff",
    ]
) | st.binary(max_size=5)
ENDS = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\n "])
LINES = st.tuples(NAMES, st.sampled_from([b":", b": ", b" : ", b""]), VALUES, ENDS).map(b"".join)
STARTS = st.sampled_from(
    [b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\nHost: h\r\n", b"GET http://h/ HTTP/1.0\r\n", b""]
)
BODIES = st.sampled_from(
    [b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"3\nabc\n0\n\n", b"abcGET / HTTP/1.1\r\nHost: h\r\n\r\n"]
)
REQUESTS = st.lists(
    st.tuples(STARTS, st.lists(LINES, max_size=5).map(b"".join), st.just(b"\r\n"), BODIES).map(b"".join), max_size=3
).map(b"".join)
STREAMS = st.lists(
    st.sampled_from(
        [b"data", b"event", b"id", b"retry", b":", b": ", b"x", b"5", b"\n", b"\r", b"\r\n", b"\0", b"\xef\xbb\xbf"]
    )
).map(b"".join)
CHUNKS = st.lists(
    st.sampled_from([b"0", b"1", b"a", b";", b"x=y", b"\r\n", b"\n", b"\r", b"X: y\r\n", b"HTTP/1.1 200 OK\r\n"])
).map(b"".join)


@pytest.mark.parametrize("path", [pytest.param(path, id=f"{path.parent.name}-{path.name[:12]}") for path in CORPUS])
def test_what_the_fuzzer_kept_holds(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@given(REQUESTS | st.binary())
def test_requests_are_read_as_another_parser_reads_them(data: bytes) -> None:
    request(data)


@given(CHUNKS | st.binary())
def test_responses_are_read_the_same_in_pieces_of_any_size(data: bytes) -> None:
    response(b"HTTP/1.1 200 OK\r\n\r\n" + data)


@given(STREAMS | st.binary())
def test_events_are_read_the_same_in_pieces_of_any_size(data: bytes) -> None:
    sse(data)
