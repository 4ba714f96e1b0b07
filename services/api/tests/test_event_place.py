from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_api.decisions.event_place import FromNow, FromSequence, FromTime, Place, parse_place, resumed
from toolhive_api.models.verdicts import Rejection

NOON = FromTime(datetime(2026, 1, 31, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("start", "last_event_id", "follow", "expected"),
    [
        ("", "", True, FromNow()),
        ("", "", False, FromSequence(1)),
        ("7", "", True, FromSequence(7)),
        ("7", "9", True, FromSequence(10)),
        ("2026-01-31T12:00:00Z", "", True, NOON),
        ("2026-01-31T13:00:00+01:00", "", True, NOON),
        ("2026-01-31T13:00:00 01:00", "", True, NOON),
    ],
)
def test_a_reader_begins_where_it_says(start: str, last_event_id: str, *, follow: bool, expected: Place) -> None:
    assert parse_place(start, last_event_id, follow=follow) == expected


@pytest.mark.parametrize(
    ("start", "last_event_id"),
    [("yesterday", ""), ("2026-01-31T12:00:00", ""), ("-1", ""), ("", "x"), ("9" * 30, ""), ("٣", "")],
)
def test_any_other_place_is_refused(start: str, last_event_id: str) -> None:
    assert isinstance(parse_place(start, last_event_id, follow=True), Rejection)


@given(start=st.text(), last_event_id=st.text(), follow=st.booleans())
def test_no_text_breaks_the_parser(start: str, last_event_id: str, *, follow: bool) -> None:
    assert parse_place(start, last_event_id, follow=follow)


@pytest.mark.parametrize(("wanted", "last", "expected"), [(5, 10, 5), (11, 10, 11), (12, 10, 1), (1, 0, 1)])
def test_a_place_of_a_log_that_is_gone_becomes_the_beginning(wanted: int, last: int, expected: int) -> None:
    assert resumed(wanted, last=last) == expected
