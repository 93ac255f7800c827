"""The timeline as it is drawn: known on the left of now, likely on the right, each in its place, in any width."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runners.actions.timeline import Stretch, Timeline
from screens.charts.timeline import beyond, timeline
from screens.glyphs import ASCII
from screens.ink import width_of

NOW, MIN = 1_800_000_000.0, 60.0
START = len("gpu0  ")
WIDTH = START + 120  # a cell a minute
PAST = Stretch(11, "flight-delay", "ana", NOW - 50 * MIN, NOW - 30 * MIN, "past")
HELD = Stretch(12, "pretrain", "ana", NOW - 20 * MIN, NOW + 20 * MIN, "now")
COMING = Stretch(13, "eval", "ana", NOW + 20 * MIN, NOW + 50 * MIN, "coming")


def of(*stretches: Stretch) -> Timeline:
    return Timeline(3600.0, NOW, {"gpu0": list(stretches)}, [])


def drawn(found: Timeline, width: int = WIDTH) -> list[str]:
    return ["".join(part.text for part in line) for line in timeline(found, width)]


def test_what_is_known_is_solid_and_what_is_likely_is_not() -> None:
    _, lane = drawn(of(PAST, HELD, COMING))
    minutes = lane[START:]
    assert minutes[10:30] == " 11 flight-delay ███"
    assert minutes[40:61] == " 12 pretrain " + "█" * 8
    assert minutes[61:80] == "░" * 18 + "▌"  # where the next one begins at once
    assert minutes[80:110] == " 13 eval " + "░" * 21
    assert set(minutes[:10] + minutes[30:40] + minutes[110:]) <= {" ", "·"}


def test_the_axis_names_now_and_minutes_around_it() -> None:
    axis, lane = drawn(of())
    assert lane[START + 60] == "│"
    assert axis[START + 59 : START + 62] == "now"
    assert "-45 min" in axis and "-15 min" in axis and "+30 min" in axis


def test_a_user_is_a_colour_and_is_named_where_there_are_several() -> None:
    found = of(PAST, replace(HELD, user="bob", ends=NOW + 50 * MIN))
    roles = {part.role.split()[0] for part in timeline(found, WIDTH)[1] if "█" in part.text or "░" in part.text}
    assert roles == {"curve0", "curve1"}
    assert "12 pretrain · bob" in drawn(found, 2 * WIDTH)[1]


def test_what_comes_later_than_three_hours_is_counted() -> None:
    later = [
        replace(COMING, run=run, begins=NOW + 60 * run * MIN, ends=NOW + 60 * (run + 1) * MIN) for run in (1, 2, 3, 4)
    ]
    assert beyond(of(*later)) == 2
    assert "+3 h" in drawn(of(*later))[0]


def test_a_run_of_seconds_still_shows() -> None:
    assert "█" in drawn(of(replace(PAST, begins=NOW - 600, ends=NOW - 599)), 60)[1]


def test_nothing_moves_while_less_than_a_cell_has_passed() -> None:
    found = of(PAST, COMING)
    moved = replace(found, now=NOW + 29)
    assert drawn(moved) == drawn(found)


def test_in_ascii_it_is_told_apart_by_signs_alone() -> None:
    lane = drawn(of(PAST, HELD, COMING))[1].translate(ASCII)
    assert lane.isascii()
    assert "12 pretrain ########" in lane and "13 eval :::" in lane


times = st.floats(-9000, 20000)


@example([(1964.0, None, "past", ""), (0.0, 4910.0, "past", "⺀")], 17)
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(times, st.none() | times, st.sampled_from(["past", "now", "coming"]), st.text(max_size=12))),
    st.integers(0, 200),
)
def test_every_line_has_the_width_that_there_is(
    stretches: list[tuple[float, float | None, str, str]], width: int
) -> None:
    lane = [
        Stretch(run, name, "ana", NOW + begins, None if ends is None else NOW + max(begins, ends), when)  # type: ignore[arg-type]
        for run, (begins, ends, when, name) in enumerate(stretches)
    ]
    _, *lanes = timeline(of(*lane), width) or [[]]
    assert all(width_of(line) == width for line in lanes)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_words_of_the_axis_stay_apart_and_inside(width: int) -> None:
    axis = drawn(of(), width)[0]
    assert (len(axis) <= width and "  " in axis.strip()) or axis.strip() == "now"
