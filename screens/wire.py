"""What goes to the terminal: only the cells that differ from what it was sent before, in as few bytes as that takes.

Textual sends a line of a widget from its left edge to the last change, each piece with its whole style. Over SSH that
is most of what a quiet screen costs, so the lines are compared here with those that the terminal shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

Look = tuple[str, ...]  # what a terminal is told of a style: a code an attribute, then foreground and background
Cell = tuple[str, Look]  # a character with what combines with it; empty for the second cell of a wide one
BRIDGE = 4  # unchanged cells between two changes that are cheaper sent than jumped over
ATTRIBUTES = (("bold", "1"), ("dim", "2"), ("italic", "3"), ("underline", "4"), ("reverse", "7"), ("strike", "9"))
PLAIN: Look = ("",) * (len(ATTRIBUTES) + 2)


class Ready(CompositorUpdate):
    """Bytes that are ready to be sent."""

    def __init__(self, told: str) -> None:
        self._told = told

    def render_segments(self, console: Console) -> str:
        return self._told


class Wire:
    """Knows what the terminal shows."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Cell | None]] = {}

    def forget(self) -> None:
        """The terminal may show anything: what comes next is sent whole."""
        self._rows.clear()

    def less(self, update: CompositorUpdate, console: Console) -> CompositorUpdate | None:
        """What of an update the terminal does not show yet; None where it shows all of it."""
        if not isinstance(update, LayoutUpdate | ChopsUpdate):
            return update
        system = ColorSystem(console._color_system) if console._color_system is not None else None
        pen = _Pen()
        for y, x, strip in _all(update) if isinstance(update, LayoutUpdate) else _touched(update):
            self._draw(y, x, _cells(strip, system), pen)
        told = pen.told()
        return Ready(told) if told else None

    def _draw(self, y: int, x: int, cells: list[Cell], pen: _Pen) -> None:
        row = self._rows.setdefault(y, [])
        row += [None] * (x + len(cells) - len(row))
        before = row[x : x + len(cells)]
        if before == cells:
            return
        row[x : x + len(cells)] = cells
        differ = [place for place, (old, new) in enumerate(zip(before, cells, strict=True)) if old != new]
        for start, end in [(differ[0], len(cells))] if _uneven(before) or _uneven(cells) else _runs(differ):
            while start and not cells[start][0]:
                start -= 1
            pen.move(x + start, y)
            for text, look in cells[start:end]:
                pen.write(text, look)


class _Pen:
    """Writes cells with the shortest change of style between them."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._look = PLAIN

    def move(self, x: int, y: int) -> None:
        self._parts.append(f"\x1b[{y + 1};{x + 1}H")

    def write(self, text: str, look: Look) -> None:
        if look != self._look:
            self._parts.append(_turned(self._look, look))
            self._look = look
        self._parts.append(text)

    def told(self) -> str:
        if self._look != PLAIN:
            self._parts.append("\x1b[m")
        return "".join(self._parts)


@lru_cache(maxsize=4096)
def _turned(old: Look, new: Look) -> str:
    """What turns one style into another."""
    if any(before and not after for before, after in zip(old, new, strict=True)):
        return f"\x1b[{';'.join(['', *(code for code in new if code)])}m"  # an empty first one turns all off
    return f"\x1b[{';'.join(after for before, after in zip(old, new, strict=True) if after != before)}m"


@lru_cache(maxsize=2048)
def _look(colour: Color | None, behind: Color | None, attributes: tuple[bool, ...], system: ColorSystem | None) -> Look:
    told = [code if there else "" for there, (_, code) in zip(attributes, ATTRIBUTES, strict=True)]
    for each, foreground in ((colour, True), (behind, False)):
        if each is None or system is None:
            told.append("")
        else:
            told.append(";".join(each.downgrade(system).get_ansi_codes(foreground)))
    return tuple(told)


def _uneven(cells: Iterable[Cell | None]) -> bool:
    """Whether a sign is not one cell wide; terminals differ about the width of some, so such a line is sent on."""
    return any(cell is not None and not cell[0].isascii() and cell_len(cell[0]) != 1 for cell in cells)


def _runs(places: list[int]) -> list[tuple[int, int]]:
    """Neighbouring places as pieces: the first, and one after the last."""
    runs = [(places[0], places[0] + 1)]
    for place in places[1:]:
        first, end = runs[-1]
        if place - end <= BRIDGE:
            runs[-1] = first, place + 1
        else:
            runs.append((place, place + 1))
    return runs


def _all(update: LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, line in enumerate(update.strips, update.region.y):
        yield y, update.region.x, Strip.join(list(line))


def _touched(update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """The pieces of lines that lie within what has changed."""
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= last and end > first:
                yield y, x, strip


def _cells(strip: Iterable[Segment], system: ColorSystem | None) -> list[Cell]:
    """One item a cell."""
    cells: list[Cell] = []
    for text, style, _ in strip:
        look = _look_of(style, system) if style is not None else PLAIN
        if text.isascii():
            cells += [(sign, look) for sign in text]
            continue
        for sign in text:
            size = cell_len(sign)
            if size:
                cells += [(sign, look), ("", look)][:size]
            elif cells:
                at = len(cells) - (1 if cells[-1][0] else 2)
                cells[at] = cells[at][0] + sign, cells[at][1]
    return cells


def _look_of(style: Style, system: ColorSystem | None) -> Look:
    return _look(style.color, style.bgcolor, tuple(bool(getattr(style, name)) for name, _ in ATTRIBUTES), system)
