"""Only cells that differ go to the terminal, and the terminal shows what it should."""

from __future__ import annotations

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from screens.wire import Wire

WIDTH, HEIGHT = 12, 3
CONSOLE = Console(color_system="truecolor", force_terminal=True)
STYLES = [Style(), Style(color="#102030"), Style(color="#102030", bgcolor="#405060", bold=True), Style(reverse=True)]
piece = st.tuples(st.text("ab ⣿界", min_size=1, max_size=6), st.sampled_from(STYLES)).map(lambda told: Segment(*told))
line = st.lists(piece, max_size=6).map(lambda pieces: Strip(pieces).adjust_cell_length(WIDTH, Style()))
picture = st.lists(line, min_size=HEIGHT, max_size=HEIGHT)


def sent(wire: Wire, lines: list[Strip]) -> str:
    less = wire.less(LayoutUpdate([[line] for line in lines], Region(0, 0, WIDTH, HEIGHT)), CONSOLE)
    return less.render_segments(CONSOLE) if less is not None else ""


def shown(bytes_sent: list[str]) -> list[list[tuple[object, ...]]]:
    screen = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.Stream(screen)
    for each in bytes_sent:
        stream.feed(each)
    return [
        [(c.data, c.fg, c.bg, c.bold, c.reverse) for c in (screen.buffer[y][x] for x in range(WIDTH))]
        for y in range(HEIGHT)
    ]


@settings(deadline=None, max_examples=40)
@given(st.lists(picture, min_size=2, max_size=4))
def test_the_terminal_shows_what_it_would_if_all_was_sent(pictures: list[list[Strip]]) -> None:
    wire = Wire()
    assert shown([sent(wire, each) for each in pictures]) == shown([sent(Wire(), pictures[-1])])


@settings(deadline=None, max_examples=20)
@given(picture)
def test_nothing_is_sent_of_what_the_terminal_shows_already(lines: list[Strip]) -> None:
    wire = Wire()
    sent(wire, lines)
    assert sent(wire, lines) == ""
    wire.forget()
    assert sent(wire, lines) != ""


def test_one_cell_costs_its_place_its_colour_and_itself() -> None:
    wire, style = Wire(), Style(color="#102030", bgcolor="#405060")
    blank = [Strip([Segment(" " * WIDTH, style)]) for _ in range(HEIGHT)]
    sent(wire, blank)
    told = sent(wire, [blank[0], Strip([Segment("    x       ", style)]), blank[2]])
    assert told == "\x1b[2;5H\x1b[38;2;16;32;48;48;2;64;80;96mx\x1b[m"
