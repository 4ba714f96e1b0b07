from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_runtime.decisions.build_progress import BuildLog
from toolhive_runtime.decisions.pull_progress import PullLog
from toolhive_runtime.runtime import ImageProgress


def downloading(layer: str, current: int, total: int) -> dict[str, Any]:
    return {"status": "Downloading", "id": layer, "progressDetail": {"current": current, "total": total}}


def layer(name: str, status: str) -> dict[str, Any]:
    return {"status": status, "id": name, "progressDetail": {}}


def last(log: PullLog | BuildLog, messages: list[dict[str, Any]]) -> ImageProgress | None:
    told = None
    for message in messages:
        told = log.feed(message)
    return told


def test_a_pull_counts_its_layers() -> None:
    messages = [layer("a", "Pulling fs layer"), layer("b", "Pulling fs layer"), layer("a", "Pull complete")]
    assert last(PullLog(), messages) == ImageProgress(building=False, message="1 of 2 layers done", fraction=0.5)


def test_layers_weigh_as_much_as_they_are_large() -> None:
    messages = [
        layer("a", "Waiting"),
        downloading("a", 900, 900),
        downloading("b", 0, 100),
        layer("a", "Pull complete"),
    ]
    told = last(PullLog(), messages)
    assert told is not None
    assert told.fraction == pytest.approx(0.9)


def test_a_layer_that_is_here_already_is_done() -> None:
    told = last(PullLog(), [layer("a", "Already exists")])
    assert told is not None
    assert told.fraction == 1.0


def test_what_the_engine_says_of_the_whole_pull_is_passed_on() -> None:
    told = PullLog().feed({"status": "Pulling from library/python", "id": "3.14-slim"})
    assert told == ImageProgress(building=False, message="Pulling from library/python", fraction=None)


def test_the_error_of_a_pull_is_kept() -> None:
    log = PullLog()
    assert log.feed({"error": "manifest unknown", "errorDetail": {"message": "manifest unknown"}}) is None
    assert log.error == "manifest unknown"


_NUMBERS = st.integers(-5, 10**12)
_PULL_MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(
            ["Downloading", "Extracting", "Waiting", "Pull complete", "Already exists", "x", ""]
        )
        | st.none(),
        "id": st.sampled_from(["a", "b", "c"]) | st.none(),
        "progressDetail": st.none()
        | st.text(max_size=2)
        | st.fixed_dictionaries({}, optional={"current": _NUMBERS, "total": _NUMBERS | st.none()}),
    },
)


@given(st.lists(_PULL_MESSAGES, max_size=40))
def test_a_pull_of_the_same_layers_never_runs_backwards_nor_past_its_end(messages: list[dict[str, Any]]) -> None:
    log = PullLog()
    known = [{"status": "Waiting", "id": name} for name in "abc"]
    sized = [downloading(name, 0, 100) for name in "abc"]
    last(log, known + sized)
    before = 0.0
    for message in messages:
        detail = message.get("progressDetail")
        if isinstance(detail, dict) and "total" in detail:
            detail["total"] = 100  # a layer's size does not change
        told = log.feed(message)
        if told is not None and told.fraction is not None:
            assert before - 1e-9 <= told.fraction <= 1.0
            before = told.fraction


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Step 3/7 : RUN : 'install uv' && if ! command -v uv; then x; fi", "step 3/7: install uv"),
        ("STEP 3/7: RUN : 'install uv' && x", "step 3/7: install uv"),
        ("Step 3/7 : FROM python:3.14-slim", "step 3/7: FROM python:3.14-slim"),
        ('Step 3/7 : ENV NPM_TOKEN="hunter2"', "step 3/7: ENV NPM_TOKEN"),
    ],
    ids=["docker", "podman", "no-title", "variable"],
)
def test_a_step_is_told_by_its_title(text: str, message: str) -> None:
    assert BuildLog().feed({"stream": text}) == ImageProgress(building=True, message=message, fraction=2 / 7)


def test_a_line_that_comes_in_pieces_is_told_once_it_is_whole() -> None:
    log = BuildLog()
    log.feed({"stream": "Step 1/2 : RUN : 'install x' && y"})
    assert log.feed({"stream": "Resolved "}) is None
    told = log.feed({"stream": "31 packages\nDown"})
    assert told is not None
    assert told.message == "step 1/2: install x: Resolved 31 packages"
    assert log.output == ("Resolved 31 packages", "Down")


def test_the_engines_own_remarks_and_colours_are_left_out() -> None:
    log = BuildLog()
    for text in (" ---> Running in 0a1b\n", "Removing intermediate container 0a1b\n", "\n", "\x1b[31mred\x1b[0m\n"):
        log.feed({"stream": text})
    assert log.output == ("red",)


def test_the_error_of_a_build_is_kept() -> None:
    log = BuildLog()
    assert log.feed({"error": "returned a non-zero code: 1"}) is None
    assert log.error == "returned a non-zero code: 1"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_BUILD_MESSAGES = st.dictionaries(
    st.sampled_from(["stream", "status", "id", "aux", "progressDetail"]),
    _JSON | st.builds("Step {}/{} : {}\n".format, st.integers(0, 20), st.integers(0, 20), st.text(max_size=200)),
)


@given(st.lists(_BUILD_MESSAGES, max_size=30))
def test_whatever_an_engine_says_progress_stays_a_short_line_and_a_share(messages: list[dict[str, Any]]) -> None:
    for log in (BuildLog(), PullLog()):
        for message in messages:
            told = log.feed(message)
            if told is not None:
                assert "\n" not in told.message
                assert told.fraction is None or 0 <= told.fraction <= 1


@given(st.text(alphabet="ab\n\r ", max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_cuts_make_no_difference_to_the_output(text: str, cuts: list[int]) -> None:
    whole, pieces = BuildLog(), BuildLog()
    whole.feed({"stream": text})
    edges = [0, *sorted(cuts), len(text)]
    for start, end in pairwise(edges):
        pieces.feed({"stream": text[start:end]})
    assert pieces.output == whole.output
