"""A curve in one line of text."""

from __future__ import annotations

from collections.abc import Sequence

from screens.charts.axes import Axis
from screens.charts.raster import Curve, raster
from screens.ink import Span


def sparkline(values: Sequence[float | None], width: int, role: str = "dim", *, ascii_only: bool = False) -> Span:
    """Values from left to right in `width` cells, between their own lowest and highest; a gap where one is None."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if not known:
        return Span(" " * width, role)
    low, high = min(value for _, value in known), max(value for _, value in known)
    if high <= low:
        low, high = low - 1, high + 1
    told = [value for _, value in known]
    curve = Curve([float(place) for place, _ in known], told, told)
    x, y = Axis(0.0, max(1.0, len(values) - 1.0), 1.0), Axis(low, high, 1.0)
    return Span("".join(sign for sign, _ in raster([curve], width, 1, x, y, ascii_only=ascii_only)[0]), role)
