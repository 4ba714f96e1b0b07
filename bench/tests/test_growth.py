import pytest
from bench.harness.growth import line_through
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.floats(-1e6, 1e6)


@given(NUMBERS, NUMBERS, st.lists(st.integers(-1000, 1000), min_size=2, unique=True))
def test_points_on_a_line_give_that_line(start: float, slope: float, places: list[int]) -> None:
    line = line_through([(place, start + slope * place) for place in places])
    assert line.slope == pytest.approx(slope, abs=1e-3)
    assert line.start == pytest.approx(start, abs=1)


def test_the_fit_tells_how_far_the_points_are_from_a_line() -> None:
    assert line_through([(0, 0), (1, 1), (2, 2)]).fit == pytest.approx(1)
    assert line_through([(0, 0), (1, 5), (2, 0)]).fit == pytest.approx(0)


def test_points_above_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        line_through([(1, 1), (1, 2)])
