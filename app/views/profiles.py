"""Profiles of tables: a line a column with a sketch of its values, or everything about one column."""

from __future__ import annotations

from itertools import pairwise
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from app.output import Output, Styled, Table, can_write
from screens.profiling import LEVELS, PLAIN_LEVELS, bin_told, briefly, share, sketch, text
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.dataset_views import Profiled
    from storage.profiles import ColumnProfile, Profile

BAR = 40  # characters of the longest bar of a whole one
WIDE = 100  # columns of a terminal that has room for all of a line
SHOWN_QUANTILES = ("0", "0.05", "0.25", "0.5", "0.75", "0.95", "1")
TOP_IN_LINE = 2


def show_profiles(out: Output, found: list[Profiled], *, column: str | None) -> None:
    """Each table; or one column, in every table that has it."""
    out.finish(dataset=f"{found[0].dataset} v{found[0].version}", tables=[each.table for each in found])
    for place, each in enumerate(found):
        out.emit("profile", table=each.table, query=each.is_query, rows=each.profile.rows, sampled=each.profile.sampled)
        for told in each.profile.columns:
            if column in (None, told.name):
                out.emit("column", told.__dict__, table=each.table)
        if out.json_lines:
            continue
        if place:
            out.say()
        _say_head(out, each)
        if column is None:
            _tell_all(out, each.profile)
        else:
            for told in each.profile.columns:
                if told.name == column:
                    _tell_one(out, told, each.profile.rows)


def _say_head(out: Output, found: Profiled) -> None:
    source = "the project's query" if found.is_query else found.table
    name = f"{found.dataset} v{found.version}, {source}"
    out.say(f"{name}  {counted(found.profile.rows, 'row')}, {counted(len(found.profile.columns), 'column')}", "bold")
    if found.profile.sampled is not None:
        out.note(
            f"quantiles, histograms and top values come from a sample of {counted(found.profile.sampled, 'row')}; "
            "numbers of distinct values marked ≈ are estimates"
        )


def _tell_all(out: Output, profile: Profile) -> None:
    table = Table(["column", "type", "nulls", "distinct", "min", "mean", "max", "values"], align="llrrrrrl")
    table.rows = [
        [
            each.name,
            each.type,
            _nulls(each, profile.rows),
            _distinct(each),
            *briefly(each.min, each.mean, each.max),
            _values(out, each, profile.rows),
        ]
        for each in profile.columns
    ]
    if out.terminal and get_terminal_size().columns < WIDE:  # the sketch tells more than the mean does
        table = Table(
            [name for name in table.columns if name != "mean"], [[*r[:5], *r[6:]] for r in table.rows], align="llrrrrl"
        )
    out.table(table, aligned=not out.terminal)


def _values(out: Output, column: ColumnProfile, rows: int) -> str:
    if column.top and column.type != "integer":
        return ", ".join(f"{briefly(value)[0]} {share(count, rows)}" for value, count in column.top[:TOP_IN_LINE])
    return sketch(column.histogram, LEVELS if can_write(out.people, LEVELS) else PLAIN_LEVELS)


def _nulls(column: ColumnProfile, rows: int) -> str | Styled:
    told = share(column.nulls, rows) if column.nulls else "0"
    odd = f" +{share(column.nonfinite, rows)} not finite" if column.nonfinite else ""
    return Styled(told + odd, "yellow") if column.nulls or column.nonfinite else told


def _distinct(column: ColumnProfile) -> str:
    return ("" if column.distinct_exact else "≈") + f"{column.distinct:,}"


def _tell_one(out: Output, column: ColumnProfile, rows: int) -> None:
    out.fields(
        [
            ("column", column.name),
            ("type", f"{column.type} ({column.duckdb})"),
            ("nulls", f"{column.nulls:,}  ({share(column.nulls, rows)})"),
            ("not finite", column.nonfinite or None),
            ("distinct", _distinct(column)),
            ("min", text(column.min)),
            ("mean", text(column.mean)),
            ("max", text(column.max)),
            ("std", text(column.std)),
        ]
    )
    if column.quantiles:
        told = [(share, column.quantiles.get(share)) for share in SHOWN_QUANTILES]
        head = [f"{float(share) * 100:g} %" for share, _ in told]
        out.say()
        out.table(Table(head, [[text(value) for _, value in told]], align="r" * len(head)), aligned=True)
    if column.histogram and any(column.histogram.counts):
        bins = zip(pairwise(column.histogram.edges), column.histogram.counts, strict=True)
        _tell_bars(out, "values", [(bin_told(column, *edges), count) for edges, count in bins], rows)
    if column.top:
        _tell_bars(out, "most frequent", [(text(value), count) for value, count in column.top], rows)


def _tell_bars(out: Output, name: str, bars: list[tuple[str, int]], rows: int) -> None:
    block = "█" if can_write(out.people, "█") else "#"
    highest = max(count for _, count in bars)
    lines: list[list[Any]] = [
        [label, count, share(count, rows), block * max(count > 0, round(BAR * count / highest))]
        for label, count in bars
    ]
    out.say()
    out.table(Table([name, "rows", "", ""], lines, align="lrrl"), aligned=True)
