"""A chart as lines: title with the values, the curves between their axes, ticks below."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from screens import figures
from screens.charts.axes import Axis, axis, briefly, held
from screens.charts.raster import Curve, column_of, raster
from screens.ink import Line, Span, cut, joined, padded, span, spread, width_of

TICK_EVERY = 14  # cells between two ticks of x, about
LEAST_HEIGHT = 3


@dataclass(frozen=True)
class Shown:
    """One curve of a chart.

    `points` are (x, lowest, highest), `broken` the x where a value was not a number; `last` is the newest value.
    `better` is ▲ or ▼ where more or less is better, and `best` the best value so far with its x.
    """

    name: str
    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    last: float | None = None
    broken: Sequence[float] = ()
    better: str = ""
    best: tuple[float, float] | None = None
    colour: int = 0


@dataclass
class Picture:
    """What is drawn and how; the axes are kept from one drawing to the next, so that they hold still.

    Curves that are `growing` have room to grow into: their x axis ends at a round value.
    """

    title: str = ""
    curves: list[Shown] = field(default_factory=list)
    x_name: str = "step"
    log: bool = False
    smoothing: float = 0.0
    zoom: tuple[float, float] | None = None
    cursor: float | None = None
    focused: bool = False
    growing: bool = False
    x_axis: Axis | None = None
    y_axis: Axis | None = None


def drawn(picture: Picture, width: int, height: int, *, ascii_only: bool = False) -> list[Line]:
    """The chart in exactly `height` lines."""
    if height < LEAST_HEIGHT or width < 20:
        only: list[Line] = [cut(heading(picture, width), width)]
        return only[:height]
    _fit_axes(picture, width, height)
    x, y = picture.x_axis, picture.y_axis
    if x is None or y is None:
        nothing: list[Line] = [heading(picture, width), [], padded([Span("no values yet", "faint")], width, "c")]
        return nothing[:height]
    rows = height - 2
    labels = _labels(y, rows)
    margin = max((cell_len(text) for text in labels.values()), default=0)
    across = width - margin - 2
    lines: list[Line] = [heading(picture, width)]
    body = _body(picture, across, rows, x, y, ascii_only=ascii_only)
    for row in range(rows):
        text = labels.get(row)
        edge = Span("┤" if text is not None else "│", "faint")
        lines.append([Span((text or "").rjust(margin) + " ", "dim"), edge, *body[row]])
    lines.append([Span(" " * (margin + 2)), *_below(x, across, picture.x_name)])
    return lines


def heading(picture: Picture, width: int) -> list[Span]:
    """The title; one curve with its newest and best value, several with their names and colours."""
    curves = picture.curves
    title = span(picture.title, "bold accent" if picture.focused else "bold")
    if not curves:
        return [title]
    if picture.cursor is not None:
        return _under_cursor(picture, title, width)
    if len(curves) == 1:
        only = curves[0]
        told = [title]
        if only.last is not None:
            told += [
                Span("  "),
                Span(figures.number(only.last), f"curve{only.colour % 8}"),
                Span(f" {only.better}", "dim"),
            ]
        best = []
        if only.best is not None and only.better:
            best = [Span(f"best {figures.number(only.best[0])} @ {_x_text(only.best[1], picture.x_name)}", "dim")]
        return spread(told, best if width_of(told) + width_of(best) < width else [], width)
    return cut(joined([[title], *(_entry(each, each.last) for each in curves)]), width)


def _entry(shown: Shown, value: float | None) -> list[Span]:
    told = [Span("━ ", f"curve{shown.colour % 8}"), span(shown.name)]
    return told if value is None else [*told, Span(f" {figures.number(value)}", f"curve{shown.colour % 8}")]


def _under_cursor(picture: Picture, title: Span, width: int) -> list[Span]:
    assert picture.cursor is not None
    at = Span(f"{picture.x_name} {_x_text(picture.cursor, picture.x_name)}", "attention")
    entries = []
    for each in picture.curves:
        value = value_at(each, picture.cursor)
        if value is not None:
            name = [Span("━ ", f"curve{each.colour % 8}"), span(each.name)] if len(picture.curves) > 1 else []
            low, high = (figures.number(edge) for edge in value)
            text = low if low == high else f"{low} … {high}"
            entries.append([*name, Span((" " if name else "") + text, f"curve{each.colour % 8}")])
    return cut(joined([[title], [at], *entries]), width)


def value_at(shown: Shown, x: float) -> tuple[float, float] | None:
    """Lowest and highest value of the point nearest to an x; None for a curve without points."""
    if not shown.x:
        return None
    place = bisect.bisect_left(shown.x, x)
    near = min((i for i in (place - 1, place) if 0 <= i < len(shown.x)), key=lambda i: abs(shown.x[i] - x))
    return shown.low[near], shown.high[near]


def smoothed(values: Sequence[float], amount: float) -> list[float]:
    """An exponential moving average without its bias towards the beginning; `amount` from 0 (none) to below 1."""
    told, weight, sum_ = [], 0.0, 0.0
    for value in values:
        sum_ = amount * sum_ + (1 - amount) * value
        weight = amount * weight + (1 - amount)
        told.append(sum_ / weight)
    return told


def _fit_axes(picture: Picture, width: int, height: int) -> None:
    xs = [edge for each in picture.curves if each.x for edge in (each.x[0], each.x[-1])]
    values = [v for each in picture.curves for edges in (each.low, each.high) for v in edges]
    if picture.log:
        values = [value for value in values if value > 0]
    if not xs or not values:
        picture.x_axis = picture.y_axis = None
        return
    ticks = max(2, width // TICK_EVERY)
    least, clock = (1.0 if picture.x_name == "step" else 0.0), picture.x_name == "time"
    if picture.zoom is not None:
        low, high = picture.zoom
        picture.x_axis = Axis(low, high, axis(low, high, ticks, least_step=least, clock=clock).step)
    else:
        low, high = min(xs), max(xs)
        low = 0.0 if 0 < low <= high / 4 else low
        if picture.growing or high <= low:
            picture.x_axis = held(picture.x_axis, low, high, ticks, least_step=least, clock=clock)
        else:
            picture.x_axis = Axis(low, high, axis(low, high, ticks, least_step=least, clock=clock).step)
    picture.y_axis = held(picture.y_axis, min(values), max(values), max(2, (height - 2) // 3), log=picture.log)


def _labels(y: Axis, rows: int) -> dict[int, str]:
    """Which rows of cells have a tick, and what it says."""
    found: dict[int, str] = {}
    for tick in y.ticks():
        row = min(rows - 1, max(0, round((1 - y.place(tick)) * (rows - 1))))
        found.setdefault(row, y.tell(tick))
    return found


def _body(picture: Picture, across: int, rows: int, x: Axis, y: Axis, *, ascii_only: bool) -> list[list[Span]]:
    layers: list[Curve] = []
    roles: list[str] = []
    for each in picture.curves:
        colour = f"curve{each.colour % 8}"
        if picture.smoothing:
            layers.append(Curve(each.x, each.low, each.high))
            roles.append("faint")
    for each in picture.curves:
        colour = f"curve{each.colour % 8}"
        low, high = each.low, each.high
        if picture.smoothing:
            low = high = smoothed([(a + b) / 2 for a, b in zip(each.low, each.high, strict=True)], picture.smoothing)
        layers.append(Curve(each.x, low, high))
        roles.append(colour)
    cells = raster(layers, across, rows, x, y, ascii_only=ascii_only)
    marks: dict[tuple[int, int], Span] = {}
    for each in picture.curves:
        for at in each.broken:
            column = column_of(at, across, x)
            if 0 <= column < across:
                marks[rows - 1, column] = Span("×", "failed bold")
    if picture.cursor is not None:
        column = column_of(picture.cursor, across, x)
        for row in range(rows):
            if 0 <= column < across and cells[row][column][1] < 0:
                marks.setdefault((row, column), Span("│", "attention"))
    return [row_span(row, marks, cells, roles) for row in range(rows)]


def row_span(
    row: int, marks: dict[tuple[int, int], Span], cells: list[list[tuple[str, int]]], roles: Sequence[str]
) -> list[Span]:
    """One row of cells as a line: `roles` are those of the curves, `marks` lie over them."""
    told: list[Span] = []
    for column, (sign, owner) in enumerate(cells[row]):
        here = marks.get((row, column)) or Span(sign, roles[owner] if owner >= 0 else "")
        if told and told[-1].role == here.role:
            told[-1] = Span(told[-1].text + here.text, here.role)
        else:
            told.append(here)
    return told


def _below(x: Axis, across: int, name: str) -> list[Span]:
    """The ticks of x, each under its place, and what x is."""
    text = [" "] * across
    end = len(name) + 2
    for tick in x.ticks():
        told = _x_text(tick, name, x.step)
        start = min(across - len(told), max(0, column_of(tick, across, x) - (len(told) - 1) // 2))
        if tick <= x.high and start >= 0 and not "".join(text[max(0, start - 1) : start + len(told) + 1]).strip():
            text[start : start + len(told)] = told
    line = "".join(text)
    room = across - end
    if not line[room - 1 :].strip() and room > 0:
        return [Span(line[:room], "dim"), Span(name.rjust(end), "faint")]
    gap = line.rstrip().rfind(" ", 0, len(line.rstrip()))
    last = line.rstrip()[gap + 1 :]
    head = line[: gap + 1].rstrip()
    if len(head) + 1 + len(name) + 1 + len(last) < across and room > 0:
        middle = across - len(last) - len(head) - len(name) - 1
        return [Span(head, "dim"), Span(" " * middle + name + " ", "faint"), Span(last, "dim")]
    return [Span(line, "dim")]


def _x_text(value: float, name: str, step: float = 0.0) -> str:
    if name == "time":
        return _elapsed(value)
    return briefly(value, step) if step else figures.number(int(value) if value == int(value) else round(value, 2))


def _elapsed(seconds: float) -> str:
    """`40 s`, `3 min`, `1 h 15 min`."""
    for unit, name, part, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit:
            whole, rest = divmod(round(seconds / part), unit // part)
            return f"{whole} {name} {rest} {small}" if rest else f"{whole} {name}"
    return f"{seconds:.3g} s" if not math.isclose(seconds, 0) else "0"
