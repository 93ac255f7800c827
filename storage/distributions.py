"""How far two columns are apart, told from their profiles alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from storage.profiles import ColumnProfile
from storage.profiling import Value

SMALLEST = 1e-4  # a share of nothing would be infinitely far from any other
NUMBERS = frozenset({"integer", "number"})
TIMES = frozenset({"timestamp", "date"})

Shares = list[tuple[float, float]]


def shares(old: ColumnProfile, new: ColumnProfile, rows: tuple[int, int]) -> Shares | None:
    """The shares of rows (old, new) in bins that both columns have; the nulls of each are one bin.

    Numbers and times are binned by the deciles of the old column, texts by the top values of both. `rows` is the length
    of the two tables. None where the columns cannot be compared: their types differ, or one of them has no values.
    """
    held = (rows[0] - old.nulls - old.nonfinite, rows[1] - new.nulls - new.nonfinite)
    if min(held) <= 0:
        return None
    if {old.type, new.type} <= NUMBERS or {old.type, new.type} <= TIMES:
        bins = _by_deciles(old, new)
    elif old.type == new.type and old.top is not None and new.top is not None:
        bins = _by_values(old, new, held)
    else:
        return None
    parts = (held[0] / rows[0], held[1] / rows[1])
    return [(1 - parts[0], 1 - parts[1]), *((a * parts[0], b * parts[1]) for a, b in bins)]


def psi(bins: Shares) -> float:
    """Population stability index: 0 for equal shares. The field reads 0.1 as a shift and 0.25 as a large one."""
    kept = [(max(old, SMALLEST), max(new, SMALLEST)) for old, new in bins if old > 0 or new > 0]
    return sum((new - old) * math.log(new / old) for old, new in kept)


def jensen_shannon(bins: Shares) -> float:
    """Jensen–Shannon divergence in bits: 0 for equal shares, 1 for shares that have nothing in common."""
    divergence = 0.0
    for pair in bins:
        middle = sum(pair) / 2
        divergence += sum(share * math.log2(share / middle) for share in pair if share > 0) / 2
    return max(0.0, divergence)


def _by_deciles(old: ColumnProfile, new: ColumnProfile) -> Shares:
    before, after = _cumulative(old), _cumulative(new)
    deciles = [_number((old.quantiles or {}).get(f"{i / 10:g}")) for i in range(1, 10)]
    # Between two integers nothing lies, but a line drawn between them would say so.
    cuts = sorted({math.floor(cut) + 0.5 if old.type == "integer" else cut for cut in deciles if cut is not None})
    below = [(0.0, 0.0), *((_share_to(before, cut), _share_to(after, cut)) for cut in cuts), (1.0, 1.0)]
    return [(high[0] - low[0], high[1] - low[1]) for low, high in pairwise(below)]


def _cumulative(column: ColumnProfile) -> list[tuple[float, float]]:
    """Points (value, share of values up to it) that histogram and quantiles give together, rising in both."""
    points: list[tuple[float, float]] = []
    if column.histogram and sum(column.histogram.counts):
        total, so_far = sum(column.histogram.counts), 0
        for edge, count in zip(column.histogram.edges, [0, *column.histogram.counts], strict=True):
            so_far += count
            points.append((_number(edge) or 0.0, so_far / total))
    for key, value in (column.quantiles or {}).items():
        number = _number(value)
        if number is not None:
            points.append((number + 0.5 if column.type == "integer" else number, float(key)))
    rising: list[tuple[float, float]] = []
    for at, share in sorted(points):
        highest = max(share, rising[-1][1]) if rising else share
        if rising and rising[-1][0] == at:
            rising.pop()
        rising.append((at, highest))
    return rising


def _share_to(points: Sequence[tuple[float, float]], cut: float) -> float:
    """The share of values up to `cut`, in a straight line between the points around it."""
    place = bisect_right(points, (cut, math.inf))
    if place == 0:
        return 0.0
    if place == len(points):
        return 1.0
    (x0, p0), (x1, p1) = points[place - 1], points[place]
    return p0 + (p1 - p0) * (cut - x0) / (x1 - x0)


def _by_values(old: ColumnProfile, new: ColumnProfile, held: tuple[int, int]) -> Shares:
    before = {value: count / held[0] for value, count in old.top or []}
    after = {value: count / held[1] for value, count in new.top or []}
    # A value that is not among the top ones may be as frequent as the last of them, where there are more than these.
    rest_before = min(before.values(), default=0.0) if old.distinct > len(before) else 0.0
    rest_after = min(after.values(), default=0.0) if new.distinct > len(after) else 0.0
    bins = [
        (
            before.get(value, min(rest_before, after.get(value, 0.0))),
            after.get(value, min(rest_after, before.get(value, 0.0))),
        )
        for value in sorted(before.keys() | after.keys(), key=str)
    ]
    others = (max(0.0, 1 - sum(a for a, _ in bins)), max(0.0, 1 - sum(b for _, b in bins)))
    return [*bins, others]


def _number(value: Value) -> float | None:
    """A number, or a time as seconds since the epoch."""
    if value is None or isinstance(value, int | float):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
