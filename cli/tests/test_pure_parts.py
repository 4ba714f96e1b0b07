from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_cli.decisions.health_url import health_url
from toolhive_cli.decisions.new_lines import new_text
from toolhive_cli.presentation.events import event_line
from toolhive_cli.presentation.workloads import uptime
from toolhive_common.schemas.events import EVENT_DATA, EventType, LifecycleEvent
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.workload import Workload, WorkloadStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 50))
def test_following_a_log_of_distinct_lines_shows_each_once(first: int, more: int, window: int) -> None:
    lines = [f"line {number}\n" for number in range(first + more)]
    before, after = lines[:first][-window:], lines[-window:]
    assert new_text("".join(before), "".join(after)) == "".join(lines[first:][-window:])


def test_a_line_that_was_not_ended_is_gone_on_with() -> None:
    assert new_text("one\ntw", "one\ntwo\n") == "o\n"


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (timedelta(days=1, hours=2, minutes=3, seconds=59), "1d 2h 3m"),
        (timedelta(hours=2, minutes=3), "2h 3m"),
        (timedelta(minutes=3), "3m"),
        (timedelta(seconds=1), "0m"),
        (timedelta(seconds=-5), "0m"),
    ],
)
def test_uptime_is_said_in_days_hours_and_minutes(since: timedelta, said: str) -> None:
    workload = Workload(
        name="a",
        transport_type=Transport.STDIO,
        status=WorkloadStatus.RUNNING,
        created_at=NOW,
        started_at=NOW - since,
    )
    assert uptime(workload, NOW) == said
    assert uptime(workload.model_copy(update={"status": WorkloadStatus.STOPPED}), NOW) == ""


@pytest.mark.parametrize("data", [{}, {"reason": "two\nlines", "restarts": 1, "last_log_lines": ["a\nb"]}])
@pytest.mark.parametrize("event_type", EventType)
def test_every_type_of_event_is_one_line_in_words(event_type: EventType, data: dict[str, object]) -> None:
    event = LifecycleEvent(id="1", source="/x", type=event_type, subject="default/time", time=NOW, data=data)
    line = event_line(event, UTC)
    assert len(line.splitlines()) == 1
    assert line.startswith(f"2026-01-02 03:04:05  {event_type}")
    assert len(line.split("  time  ")[1]) > 3
    assert event_type in EVENT_DATA


@pytest.mark.parametrize(
    ("url", "health"),
    [
        ("http://127.0.0.1:8081/time/mcp", "http://127.0.0.1:8081/time/health"),
        ("http://127.0.0.1:8081/time", "http://127.0.0.1:8081/time/health"),
        ("http://127.0.0.1:8081/time/sse#time", "http://127.0.0.1:8081/time/health"),
        ("http://127.0.0.1:8081/time/v2/mcp", "http://127.0.0.1:8081/time/health"),
        ("https://example.com/hive/time/mcp", "https://example.com/hive/time/health"),
        ("http://127.0.0.1:21001/mcp", "http://127.0.0.1:21001/health"),
        ("http://127.0.0.1:21001/timeless", "http://127.0.0.1:21001/health"),
    ],
)
def test_health_is_told_beside_the_address(url: str, health: str) -> None:
    assert health_url(url, "time") == health
