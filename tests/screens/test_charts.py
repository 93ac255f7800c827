"""Charts: every value leaves its dot, axes are round and hold still."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from screens.charts.axes import Axis, axis, briefly, held
from screens.charts.plot import Picture, Shown, drawn
from screens.charts.raster import BRAILLE, DOTS, Curve, column_of, raster, row_of

finite = st.floats(-1e9, 1e9, allow_nan=False)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    count = draw(st.integers(1, 60))
    x = sorted(draw(st.lists(st.floats(0, 1e6), min_size=count, max_size=count, unique=True)))
    low = draw(st.lists(finite, min_size=count, max_size=count))
    high = [value + draw(st.floats(0, 1e6)) for value in low]
    return Curve(x, low, high)


@settings(max_examples=150, deadline=None)
@given(curves(), st.integers(1, 40), st.integers(1, 15))
def test_no_value_of_any_curve_is_lost(curve: Curve, width: int, height: int) -> None:
    x, y = axis(min(curve.x), max(curve.x), 5), axis(min(curve.low), max(curve.high), 4)
    cells = raster([curve], width, height, x, y)
    for at, low, high in zip(curve.x, curve.low, curve.high, strict=True):
        for value in (low, high):
            column, row = column_of(at, width * 2, x), row_of(value, height * 4, y)
            sign, owner = cells[row // 4][column // 2]
            assert owner == 0 and (ord(sign) - BRAILLE) & DOTS[row % 4][column % 2]


def test_a_spike_of_one_point_among_twenty_thousand_stands_out() -> None:
    flat = [0.0] * 100
    high = [0.0] * 100
    high[37] = 50.0
    cells = raster([Curve(list(range(100)), flat, high)], 40, 10, axis(0, 100, 5), axis(0, 50, 5))
    assert any(sign != " " for sign, _ in cells[0])


def test_points_far_apart_are_joined_by_a_line() -> None:
    cells = raster([Curve([0, 10], [0, 10], [0, 10])], 10, 5, Axis(0, 10, 2), Axis(0, 10, 2))
    assert all(any(sign != " " for sign, _ in (row[column] for row in cells)) for column in range(10))


@settings(max_examples=100, deadline=None)
@given(st.lists(finite, min_size=2, max_size=30))
def test_a_line_has_no_hole(values: list[float]) -> None:
    width, height = 30, 8
    x, y = axis(0, len(values) - 1, 5), axis(min(values), max(values), 4)
    cells = raster([Curve(list(range(len(values))), values, values)], width, height, x, y)
    lit = {
        (column * 2 + dx, row * 4 + dy)
        for row, line in enumerate(cells)
        for column, (sign, owner) in enumerate(line)
        if owner >= 0
        for dy in range(4)
        for dx in range(2)
        if (ord(sign) - BRAILLE) & DOTS[dy][dx]
    }
    columns = sorted({column for column, _ in lit})
    assert columns == list(range(columns[0], columns[-1] + 1))
    for column in columns[1:]:
        here = [row for c, row in lit if c == column]
        before = [row for c, row in lit if c == column - 1]
        assert min(abs(a - b) for a in here for b in before) <= 1


def test_a_later_curve_lies_over_an_earlier_one() -> None:
    flat = Curve([0, 10], [5, 5], [5, 5])
    cells = raster([flat, flat], 10, 3, Axis(0, 10, 2), Axis(0, 10, 5))
    assert {owner for line in cells for _, owner in line} == {-1, 1}


def test_without_unicode_each_curve_has_a_mark_of_its_own() -> None:
    up, down = Curve([0, 10], [0, 10], [0, 10]), Curve([0, 10], [10, 0], [10, 0])
    cells = raster([up, down], 12, 5, Axis(0, 10, 2), Axis(0, 10, 5), ascii_only=True)
    assert {sign for line in cells for sign, _ in line} == {" ", "*", "+"}


@settings(deadline=None)
@given(finite, st.floats(0, 1e9), st.integers(1, 12))
@example(0.0, 5e-324, 1)
def test_an_axis_holds_its_values_between_round_ends(low: float, size: float, ticks: int) -> None:
    found = axis(low, low + size, ticks)
    slack = (found.high - found.low) * 1e-6 + 4 * math.ulp(abs(low) + size)  # floats tell no finer
    assert found.low <= low + slack and low + size <= found.high + slack
    assert len(found.ticks()) <= ticks + 3
    assert math.isclose(found.ticks()[-1], found.high, abs_tol=slack + 1e-12)


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [(0.0, 41.0, ["0", "10", "20", "30", "40", "50"]), (0.61, 0.69, ["0.60", "0.62", "0.64", "0.66", "0.68", "0.70"])],
)
def test_ticks_read_well(low: float, high: float, told: list[str]) -> None:
    found = axis(low, high, 5)
    assert [found.tell(tick) for tick in found.ticks()] == told


@pytest.mark.parametrize(
    ("value", "step", "told"),
    [(0.0, 1, "0"), (12000, 2000, "12k"), (1_500_000, 500_000, "1.5M"), (2e-5, 1e-5, "2e-5"), (0.25, 0.05, "0.25")],
)
def test_values_are_told_briefly(value: float, step: float, told: str) -> None:
    assert briefly(value, step) == told


def test_an_axis_stays_while_its_values_grow_within_it() -> None:
    before = axis(0, 41, 5)
    assert held(before, 0, 49, 5) is before
    assert held(before, 0, 51, 5).high > 50
    assert held(axis(0, 1000, 5), 0, 9, 5).high == 10


def test_a_logarithmic_axis_covers_whole_powers() -> None:
    found = axis(0.003, 40, 5, log=True)
    assert (found.low, found.high) == (0.001, 100)
    assert [found.tell(tick) for tick in found.ticks()] == ["0.001", "0.01", "0.1", "1", "10", "100"]
    assert found.place(found.value(0.3)) == pytest.approx(0.3)


def test_values_at_or_below_zero_are_left_out_of_a_logarithmic_chart() -> None:
    y = axis(0.1, 10, 4, log=True)
    cells = raster([Curve([0, 5, 10], [-1, 0.5, -3], [-1, 0.5, 2])], 10, 5, Axis(0, 10, 2), y)
    assert any(sign != " " for line in cells for sign, _ in line)


@pytest.mark.parametrize(
    ("longest", "told"),
    [
        (24, ["0", "5 s", "10 s", "15 s", "20 s"]),
        (300, ["0", "1 min", "2 min", "3 min", "4 min", "5 min"]),
        (4600, ["0", "15 min", "30 min", "45 min", "1 h", "1 h 15 min"]),
        (30 * 3600, ["0", "6 h", "12 h", "18 h", "1 d", "1 d 6 h"]),
    ],
)
def test_ticks_of_a_time_are_round_as_times_are(longest: float, told: list[str]) -> None:
    picture = Picture("cpu", [Shown("cpu", [0.0, longest], [0.0, 1.0], [0.0, 1.0])], x_name="time")
    below = "".join(part.text for part in drawn(picture, 86, 8)[-1])
    assert re.split(r"  +", below.replace("time", " ").strip()) == told
