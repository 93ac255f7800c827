"""One metric of several runs that has no curve: a dot for each run, all on one scale."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from screens import figures
from screens.charts.axes import Axis, axis
from screens.charts.parallel import Dimension
from screens.ink import Line, Span, padded, span

NAMES = 20  # cells at most for the names of runs
TICKS = 4


def side_by_side(
    metric: Dimension, names: Sequence[str], roles: Sequence[str], best: Collection[int], width: int, height: int
) -> list[Line]:
    """A heading, a line a run (its name, its dot, its value, `★` for the best), the ends of the scale."""
    told = [figures.number(value) if value is not None else "–" for value in metric.values]
    left = min(NAMES, width // 3, max(map(len, names), default=0))
    right = max(map(len, told), default=0) + 2
    room = width - left - right - 2
    known = [value for value in metric.values if value is not None and math.isfinite(value)]
    scale = axis(min(known), max(known), TICKS) if known else None
    lines: list[Line] = [padded([span(metric.name, "bold")], width)]
    for place, value in enumerate(metric.values):
        name = padded([span(names[place], roles[place])], left)
        number = Span(told[place] + (" ★" if place in best else ""), "bold" if place in best else "")
        lines.append(padded([*name, Span(" "), *_dot(value, scale, room, roles[place]), Span(" "), number], width))
    if scale is not None:
        low, high = scale.tell(scale.low), scale.tell(scale.high)
        ends = Span(" " * (left + 1) + low + high.rjust(room - len(low)), "dim")
        lines.append(padded([ends], width))
    return lines[:height]


def _dot(value: float | None, scale: Axis | None, room: int, role: str) -> list[Span]:
    if value is None or scale is None or not math.isfinite(value):
        return [Span(" " * room)]
    at = round(scale.place(value) * (room - 1))
    return [Span("─" * at, "faint"), Span("●", role), Span("─" * (room - 1 - at), "faint")]
