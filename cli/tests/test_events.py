import json
from typing import Any

import pytest

from .support.played_api import PlayedApi
from .support.program import Thv

pytestmark = pytest.mark.wire


def _message(sequence: int, kind: str, **data: Any) -> bytes:
    event = {
        "specversion": "1.0",
        "id": f"e{sequence}",
        "source": "/toolhive/agent/default",
        "type": kind,
        "subject": "default/time",
        "time": "2026-01-02T03:04:05Z",
        "data": {"namespace": "default", "workload": "time", **data},
    }
    return f"id: {sequence}\nevent: {kind}\ndata: {json.dumps(event)}".encode()


DIED = _message(2, "container.died", container_id="c", reason="exited", exit_code=1, last_log_lines=["no key\nset"])


def test_events_are_lines_of_time_type_workload_and_fact(api: PlayedApi, thv: Thv) -> None:
    api.events = [
        [_message(1, "workload.requested", action="run"), DIED, b": still here", _message(3, "workload.running")]
    ]
    done = thv("events")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "2026-01-02 03:04:05  workload.requested  time  was asked to run\n"
        "2026-01-02 03:04:05  container.died      time  ended by itself, exit code 1; it said last: no key set\n"
        "2026-01-02 03:04:05  workload.running    time  runs\n"
    )


def test_events_as_json_are_cloudevents_one_a_line(api: PlayedApi, thv: Thv) -> None:
    api.events = [[DIED, _message(3, "workload.running")]]
    lines = [json.loads(line) for line in thv("events", "--format", "json").out.splitlines()]
    assert [(line["specversion"], line["id"], line["type"]) for line in lines] == [
        ("1.0", "e2", "container.died"),
        ("1.0", "e3", "workload.running"),
    ]


def test_filters_are_the_apis_work(api: PlayedApi, thv: Thv) -> None:
    assert (
        thv("events", "--workload", "time", "--type", "container.died", "--from", "2026-01-02T03:04:05+01:00").code
        == 0
    )
    assert api.asked[0].query == {
        "workload": "time",
        "type": "container.died",
        "from": "2026-01-02T03:04:05+01:00",
        "follow": "false",
        "limit": "1000",
    }


def test_all_pages_of_the_log_are_read(api: PlayedApi, thv: Thv) -> None:
    full = [_message(number, "workload.running") for number in range(1, 1001)]
    api.events = [full, [_message(1001, "workload.stopped")]]
    done = thv("events", "--from", "1")
    assert (done.code, len(done.out.splitlines())) == (0, 1001)
    assert [(asked.query.get("from"), asked.headers.get("last-event-id")) for asked in api.asked] == [
        ("1", None),
        (None, "1000"),
    ]


def test_following_goes_on_after_a_broken_connection_with_the_last_event_seen(api: PlayedApi, thv: Thv) -> None:
    api.events = [
        [_message(1, "workload.starting"), _message(2, "workload.running")],
        [_message(3, "workload.stopped")],
    ]
    process = thv.start("events", "--follow", "--from", "1")
    assert process.stdout
    assert [process.stdout.readline().split()[2] for _ in range(3)] == [
        "workload.starting",
        "workload.running",
        "workload.stopped",
    ]
    done = thv.interrupt(process)
    assert done.code == 130
    assert "The stream of events broke off" in done.err
    assert "Traceback" not in done.err
    first, second = api.asked
    assert (first.query["from"], first.headers.get("last-event-id")) == ("1", None)
    assert (second.query.get("from"), second.headers["last-event-id"]) == (None, "2")


def test_an_event_of_a_type_that_is_not_known_stops_nobody(api: PlayedApi, thv: Thv) -> None:
    api.events = [[_message(1, "quota.exceeded"), b"data: no json", _message(2, "workload.running")]]
    done = thv("events")
    assert (done.code, len(done.out.splitlines())) == (0, 1)


def test_a_refused_filter_is_told(api: PlayedApi, thv: Thv) -> None:
    api.raw = lambda *_: (400, "text/plain", b"from 'soon' is neither a sequence number nor a time")
    done = thv("events", "--follow", "--from", "soon")
    assert (done.code, done.err) == (1, "Error: from 'soon' is neither a sequence number nor a time\n")


def test_an_unknown_type_is_wrong_usage(thv: Thv) -> None:
    assert thv("events", "--type", "container.exploded").code == 2
