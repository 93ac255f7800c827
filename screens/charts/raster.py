"""Curves onto a grid of braille dots, two by four in a cell; in plain ASCII one mark a cell.

A curve is given as an envelope: at each x the lowest and highest value there. Every one of them lights a dot, however
many share it: a spike is never lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from screens.charts.axes import Axis

BRAILLE = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row, then column within a cell
MARKS = "*+ox#@%&"
EMPTY = (" ", -1)

Cell = tuple[str, int]  # a character, and the curve that it belongs to; -1 for none
Span = tuple[int, int, int]  # a column of dots, the first and the last row that are lit in it


@dataclass(frozen=True)
class Curve:
    """Points of rising x with their lowest and highest values (equal for a single point); all finite."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def raster(
    curves: Sequence[Curve], width: int, height: int, x: Axis, y: Axis, *, ascii_only: bool = False
) -> list[list[Cell]]:
    """Draw curves in `width` × `height` cells; a later one lies over an earlier one."""
    across, down = (1, 1) if ascii_only else (2, 4)
    dots = [[0] * width for _ in range(height)]
    owner = [[-1] * width for _ in range(height)]
    for number, curve in enumerate(curves):
        for column, top, bottom in _columns(curve, width * across, height * down, x, y):
            cell = column // across
            for row in range(top, bottom + 1):
                at = row // down
                if owner[at][cell] != number:
                    owner[at][cell] = number
                    if ascii_only:
                        dots[at][cell] = 0
                dots[at][cell] |= 1 if ascii_only else DOTS[row % 4][column % 2]
    if ascii_only:
        return [
            [(MARKS[who % len(MARKS)], who) if lit else EMPTY for lit, who in zip(lights, whose, strict=True)]
            for lights, whose in zip(dots, owner, strict=True)
        ]
    return [
        [(chr(BRAILLE + lit), who) if lit else EMPTY for lit, who in zip(lights, whose, strict=True)]
        for lights, whose in zip(dots, owner, strict=True)
    ]


def column_of(value: float, columns: int, x: Axis) -> int:
    """The column of dots that an x falls on; it may lie outside."""
    return math.floor(x.place(value) * columns) if value < x.high else columns - 1 if value == x.high else columns


def row_of(value: float, rows: int, y: Axis) -> int:
    """The row of dots, 0 at the top, kept inside."""
    return min(rows - 1, max(0, rows - 1 - math.floor(y.place(value) * rows)))


def _columns(curve: Curve, columns: int, rows: int, x: Axis, y: Axis) -> list[Span]:
    """What is lit. Neighbours are joined, gaps bridged by a straight line."""
    spans: dict[int, tuple[float, float]] = {}  # column → lowest and highest value
    for at, low, high in zip(curve.x, curve.low, curve.high, strict=True):
        if y.log and high <= 0:
            continue
        low = max(low, y.low) if y.log and low <= 0 else low
        column = column_of(at, columns, x)
        before = spans.get(column)
        spans[column] = (low, high) if before is None else (min(low, before[0]), max(high, before[1]))
    path: list[Span] = []
    for column in sorted(spans):
        low, high = spans[column]
        here = (column, row_of(high, rows, y), row_of(low, rows, y))
        if path:
            path += _between(path[-1], here, columns)
        path.append(here)
    joined = [path[0], *(_reaching(one, other) for one, other in pairwise(path))] if path else []
    return [each for each in joined if 0 <= each[0] < columns]


def _between(one: Span, other: Span, columns: int) -> list[Span]:
    """The columns between two, on the straight line from the middle of the one to that of the other."""
    gap = other[0] - one[0]
    start, end = (one[1] + one[2]) / 2, (other[1] + other[2]) / 2
    steps = range(max(1, -1 - one[0]), min(gap, columns + 1 - one[0]))  # those far outside would never be seen
    rows = [(step, round(start + (end - start) * step / gap)) for step in steps]
    return [(one[0] + step, row, row) for step, row in rows]


def _reaching(one: Span, other: Span) -> Span:
    """The later of two neighbours, made longer so that it touches the earlier one."""
    column, top, bottom = other
    return column, min(top, one[2] + 1), max(bottom, one[1] - 1)
