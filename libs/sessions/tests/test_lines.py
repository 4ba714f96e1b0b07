"""A byte stream cut into lines."""

from hypothesis import given
from hypothesis import strategies as st

from toolhive_sessions.lines import Line, LineReader, TooLong


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r"))), st.integers(1, 50))
def test_lines_are_the_same_however_they_were_chunked(lines: list[bytes], size: int) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    reader = LineReader(limit=1000)
    told = [line for start in range(0, len(stream), size) for line in reader.feed(stream[start : start + size])]
    assert told == [Line(line) for line in lines]


def test_a_line_over_the_limit_is_told_by_its_ends_and_the_next_one_is_whole() -> None:
    reader = LineReader(limit=100_000)
    chunk = b"x" * 10_000
    told = list(reader.feed(b"head"))
    for _ in range(20):
        told += reader.feed(chunk)
    told += reader.feed(b"tail\nnext\n")
    [too_long, after] = told
    assert isinstance(too_long, TooLong)
    assert too_long.head.startswith(b"headx")
    assert too_long.tail.endswith(b"xtail")
    assert len(too_long.head) + len(too_long.tail) < 10_000
    assert after == Line(b"next")


def test_a_carriage_return_belongs_to_the_line_end() -> None:
    assert list(LineReader(limit=10).feed(b"a\r\nb\n")) == [Line(b"a"), Line(b"b")]
