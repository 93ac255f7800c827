"""Column profiles: a line a column, or all of one."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from screens import figures
from screens.glyphs import LEVELS
from screens.ink import Line, Span, line, padded, span
from screens.profiling import bin_told, briefly, share, sketch, text
from screens.widgets.grid import Column, Row

if TYPE_CHECKING:
    from storage.profiles import ColumnProfile, Profile

BARS = 24
QUANTILES = (("0", "min"), ("0.25", "25 %"), ("0.5", "median"), ("0.75", "75 %"), ("1", "max"))


def columns() -> list[Column]:
    """The table of a profile; the sketch stays longest, for it tells most."""
    return [
        Column("column", least=8, most=28),
        Column("type", rank=5, role="dim"),
        Column("nulls", "r", rank=7),
        Column("distinct", "r", rank=4),
        Column("min", "r", rank=3),
        Column("mean", "r", rank=2),
        Column("max", "r", rank=3),
        Column("values", grow=True, least=12, most=60, rank=8),
    ]


def rows_of(profile: Profile) -> list[Row]:
    return [Row(each.name, _cells(each, profile.rows)) for each in profile.columns]


def _cells(each: ColumnProfile, rows: int) -> tuple[Line, ...]:
    low, mean, high = briefly(each.min, each.mean, each.max)
    return (
        [span(each.name)],
        [span(each.type)],
        [Span(share(each.nulls, rows) if each.nulls else "0", "attention" if each.nulls else "faint")],
        [Span(("" if each.distinct_exact else "≈") + f"{each.distinct:,}", "dim")],
        [span(low, "dim")],
        [span(mean, "dim")],
        [span(high, "dim")],
        values(each, rows),
    )


def values(each: ColumnProfile, rows: int) -> Line:
    """The most frequent values with their shares, or a sketch of the distribution."""
    if each.top and each.type != "integer":
        parts: list[Span] = []
        for value, count in each.top[:4]:
            parts += [span(briefly(value)[0]), Span(f" {share(count, rows)}   ", "dim")]
        return parts
    return [Span(sketch(each.histogram, LEVELS[:-1]), "curve0")]


def one(each: ColumnProfile, rows: int, width: int) -> list[Line]:
    """Everything about one column, in lines of `width` cells."""
    facts = [
        ("type", f"{each.type}  ({each.duckdb})"),
        ("nulls", f"{each.nulls:,}  ({share(each.nulls, rows)})"),
        ("not finite", f"{each.nonfinite:,}" if each.nonfinite else ""),
        ("distinct", ("" if each.distinct_exact else "≈") + f"{each.distinct:,}"),
        ("mean", text(each.mean)),
        ("std", text(each.std)),
    ]
    lines: list[Line] = [line(Span(f"{name:<11}", "dim"), span(told)) for name, told in facts if told]
    if each.quantiles:
        lines += [[], *(line(Span(f"{name:<11}", "dim"), span(text(each.quantiles.get(at)))) for at, name in QUANTILES)]
    if each.histogram and any(each.histogram.counts):
        bins = zip(pairwise(each.histogram.edges), each.histogram.counts, strict=True)
        lines += [[], *_bars([(bin_told(each, *edges), count) for edges, count in bins], width)]
    if each.top:
        lines += [[], [Span("most frequent", "bold")]]
        lines += _bars([(text(value), count) for value, count in each.top], width)
    return lines


def _bars(told: list[tuple[str, int]], width: int) -> list[Line]:
    highest = max(count for _, count in told)
    label = min(max(len(name) for name, _ in told), width // 2)
    room = max(4, min(BARS, width - label - 10))
    lines: list[Line] = []
    for name, count in told:
        size = max(count > 0, round(room * count / highest))
        lines.append(
            [
                *padded([span(name, "dim")], label, "r"),
                Span(" "),
                Span("▆" * size, "curve0"),
                Span(f" {figures.number(count)}", "dim"),
            ]
        )
    return lines
