"""The list of what is not built yet is read as it says of itself."""

import pytest

from .support.not_built_yet import BadLineError, Missing, match_tests, read_missing

_ONE = Missing("a.py::test_one[x]", "not there")
_ALL = Missing("a.py::test_two*", "neither")


def test_lines_are_read_with_their_reasons() -> None:
    text = "# head\n\na.py::test_one[x]  # not there\na.py::test_two*  # neither\n"
    assert read_missing(text) == (_ONE, _ALL)
    for wrong in ("a.py::test_one", "a.py  # no test", "a.py::test_one  # "):
        with pytest.raises(BadLineError):
            read_missing(wrong)


def test_a_line_marks_the_test_it_names_or_all_that_begin_so() -> None:
    tests = ["a.py::test_one[x]", "a.py::test_one[y]", "a.py::test_two[x]", "a.py::test_two", "b.py::test_one[x]"]
    reasons, stale = match_tests([_ONE, _ALL], tests)
    assert reasons == {
        "a.py::test_one[x]": "not there",
        "a.py::test_two[x]": "neither",
        "a.py::test_two": "neither",
    }
    assert stale == ()


def test_a_line_is_stale_only_when_its_file_was_collected() -> None:
    assert match_tests([_ONE], ["a.py::test_two"])[1] == (_ONE,)
    assert match_tests([_ONE], ["b.py::test_two"])[1] == ()
