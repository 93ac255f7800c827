"""Many runs at once: parallel coordinates, and a param against a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from screens import figures
from screens.charts.axes import Axis, axis
from screens.charts.plot import row_span
from screens.charts.raster import BRAILLE, DOTS, Curve, column_of, raster, row_of
from screens.ink import Line, Span, cut, padded, span


@dataclass(frozen=True)
class Dimension:
    """One axis: what it is, the value of each run (None: it has none), and whether it is read logarithmically."""

    name: str
    values: Sequence[float | None]
    log: bool = False


def dimension(name: str, values: Sequence[float | None]) -> Dimension:
    """Logarithmic where positive values span more than two powers of ten, as learning rates do."""
    known = [value for value in values if value is not None]
    wide = bool(known) and min(known) > 0 and max(known) / min(known) >= 100
    return Dimension(name, values, wide)


def _share(of: Dimension, value: float) -> float:
    known = [each for each in of.values if each is not None]
    low, high = min(known), max(known)
    if of.log:
        low, high, value = math.log10(low), math.log10(high), math.log10(value)
    return (value - low) / (high - low) if high > low else 0.5


def parallel(
    dimensions: Sequence[Dimension], roles: Sequence[str], width: int, height: int, *, ascii_only: bool = False
) -> list[Line]:
    """A line a run through its values on every axis, the last run on top; the ends of axes stand above and below."""
    if not dimensions or height < 5:
        return [[Span("nothing differs that could be drawn", "faint")]]
    across = len(dimensions) - 1 or 1
    curves, colours = [], []
    for place, role in enumerate(roles):
        points = [
            (float(at), _share(each, value))
            for at, each in enumerate(dimensions)
            if (value := each.values[place]) is not None
        ]
        if points:
            shares = [share for _, share in points]
            curves.append(Curve([x for x, _ in points], shares, shares))
            colours.append(role)
    cells = raster(curves, width, height - 3, Axis(0, across, 1), Axis(0, 1, 1), ascii_only=ascii_only)
    stems = [min(width - 1, round(at * (width - 1) / across)) for at in range(len(dimensions))]
    marks = {
        (row, column): Span("│", "dim") for row in range(height - 3) for column in stems if cells[row][column][1] < 0
    }
    body = [row_span(row, marks, cells, colours) for row in range(height - 3)]
    known = [[value for value in each.values if value is not None] for each in dimensions]
    tops = [figures.number(max(values)) if values else "" for values in known]
    ends = [figures.number(min(values)) if values else "" for values in known]
    names = [each.name for each in dimensions]
    return [_row(names, stems, width, "bold"), _row(tops, stems, width, "dim"), *body, _row(ends, stems, width, "dim")]


def _row(texts: Sequence[str], stems: Sequence[int], width: int, role: str) -> Line:
    """Texts under their axes, as far as they do not touch."""
    line = [" "] * width
    for text, stem in zip(texts, stems, strict=True):
        told = text[: max(4, width // max(1, len(texts)) - 1)]
        start = min(width - len(told), max(0, stem - len(told) // 2))
        if not "".join(line[max(0, start - 1) : start + len(told) + 1]).strip():
            line[start : start + len(told)] = told
    return [span("".join(line), role)]


def scatter(
    x: Dimension, y: Dimension, roles: Sequence[str], width: int, height: int, *, ascii_only: bool = False
) -> list[Line]:
    """A dot a run: one value against another."""
    pairs = [
        (a, b, role) for a, b, role in zip(x.values, y.values, roles, strict=True) if a is not None and b is not None
    ]
    if not pairs or height < 5:
        return [[Span("no run has both", "faint")]]
    rows = height - 2
    x_axis = axis(min(a for a, _, _ in pairs), max(a for a, _, _ in pairs), 4, log=x.log)
    y_axis = axis(min(b for _, b, _ in pairs), max(b for _, b, _ in pairs), max(2, rows // 3))
    labels = {min(rows - 1, max(0, round((1 - y_axis.place(t)) * (rows - 1)))): y_axis.tell(t) for t in y_axis.ticks()}
    margin = max(cell_len(text) for text in labels.values())
    across = width - margin - 2
    cells: dict[tuple[int, int], Span] = {}
    for a, b, role in pairs:
        column = min(across * 2 - 1, max(0, column_of(a, across * 2, x_axis)))
        row = row_of(b, rows * 4, y_axis)
        sign = "*" if ascii_only else "●" if len(pairs) < 60 else chr(BRAILLE + DOTS[row % 4][column % 2])
        cells[row // 4, column // 2] = Span(sign, role)
    lines: list[Line] = [cut([span(y.name, "bold"), Span(" by ", "dim"), span(x.name, "bold")], width)]
    for row in range(rows):
        edge = Span("┤" if row in labels else "│", "faint")
        body = [cells.get((row, column), Span(" ")) for column in range(across)]
        lines.append([Span(labels.get(row, "").rjust(margin) + " ", "dim"), edge, *body])
    low, high = x_axis.tell(x_axis.low), x_axis.tell(x_axis.high)
    below = [
        Span(low, "dim"),
        *padded([span(x.name, "faint")], max(0, across - len(low) - len(high)), "c"),
        Span(high, "dim"),
    ]
    lines.append([Span(" " * (margin + 2)), *below])
    return lines
