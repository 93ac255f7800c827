"""Values from zero up as bars, a cell each: rates, counts, histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence

from screens.glyphs import LEVELS
from screens.ink import Span

STEPS = (1.0, 2.0, 5.0, 10.0)


def bars(values: Sequence[float | None], height: int, top: float, role: str = "accent") -> list[Span]:
    """A line of text a row of `height`, the highest first; `top` fills them all. None is a gap.

    What is more than nothing shows at least the lowest bar.
    """
    eighths = [_eighths(value, height, top) for value in values]
    rows = []
    for row in reversed(range(height)):
        signs = (_sign(full - 8 * row) if full is not None else " " for full in eighths)
        rows.append(Span("".join(signs), role))
    return rows


def round_top(values: Sequence[float | None]) -> float:
    """The least of 1, 2, 5, 10, 20, … (or 0.1, …) that none of these exceeds: a scale that seldom moves."""
    highest = max((value for value in values if value is not None and math.isfinite(value)), default=0.0)
    if highest <= 0:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(highest))
    return next(step * decade for step in STEPS if step * decade >= highest * (1 - 1e-9))


def _eighths(value: float | None, height: int, top: float) -> int | None:
    if value is None or math.isnan(value):
        return None
    full = min(8 * height, round(min(value / top, 1.0) * 8 * height)) if top > 0 else 0
    return max(full, 1) if value > 0 else 0


def _sign(eighths: int) -> str:
    return " " if eighths <= 0 else LEVELS[min(eighths, 8) - 1]
