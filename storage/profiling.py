"""The scans behind a column profile: rows drawn into a small table, and one pass over all of them."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from storage.columns import column_type, duckdb_types, identifier, literal
from storage.reading import pattern

if TYPE_CHECKING:
    from storage.check_section import ColumnType

CELLS = 20_000_000  # rows × columns that are drawn at most, so that a wide table fits in memory too
LEAST_ROWS = 10_000  # drawn in any case
FEW = 1000  # a sample that shows no more distinct values than this shows about all there are
MOST = 0.9  # a sample that may have more distinct values than this share of its rows is worth an exact count
ALL_UNLIKE = 0.999  # a sample of which this share differs comes from a column of which nearly all values do
CATEGORIES = 50  # integers with at most so many values are listed like categories
RARE = 10  # a value that a sample holds less often than this is no top value: its share is too uncertain
BINS = 20
TOP = 10
LONGEST_TEXT = 200
SHARES = [i / 20 for i in range(21)]  # of the quantiles
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Value = float | int | str | bool | None


@dataclass(frozen=True)
class Histogram:
    """`counts[i]` values lie above `edges[i]` and up to `edges[i + 1]`; the first bin holds `edges[0]` too."""

    edges: list[Value]
    counts: list[int]


@dataclass
class Column:
    """A column while it is measured. `number` is SQL for its value as a double, empty where it has no such thing."""

    name: str
    duckdb: str
    type: ColumnType = field(init=False)
    sql: str = field(init=False)
    number: str = field(init=False)
    floats: bool = field(init=False)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.type = column_type(self.duckdb)
        self.sql = identifier(self.name)
        self.floats = self.duckdb in ("FLOAT", "DOUBLE")
        as_number = {"integer": f"{self.sql}::double", "number": f"{self.sql}::double"}
        as_number |= dict.fromkeys(("timestamp", "date"), f"epoch({self.sql})")
        self.number = as_number.get(self.type, "")

    @property
    def finite(self) -> str:
        """SQL that leaves out what is no finite number; times have none: `epoch(infinity)` is null."""
        return f" filter (isfinite({self.number}))" if self.floats else ""

    def value(self, seconds_or_number: float | None) -> Value:
        """What a double of this column is to a reader."""
        if seconds_or_number is None or self.type in ("integer", "number"):
            return seconds_or_number
        try:
            moment = EPOCH + timedelta(seconds=seconds_or_number)
        except OverflowError:
            return f"{seconds_or_number} seconds after 1970"
        if self.type == "date":
            return moment.date().isoformat()
        return (moment if "TIME ZONE" in self.duckdb else moment.replace(tzinfo=None)).isoformat()


@dataclass
class Drawing:
    """Rows of a relation in a temporary table: all of them, or a sample of `sampled` rows."""

    con: duckdb.DuckDBPyConnection
    relation: str
    table: str
    columns: list[Column]
    parquet: bool
    rows: int
    sampled: int | None

    def note(self, source: str, questions: dict[tuple[int, str], str]) -> None:
        """Answer all questions in one scan of `source`: SQL aggregates, by column and the name of a fact."""
        if not questions:
            return
        row = self.con.execute(f"select {', '.join(questions.values())} from {source}").fetchone() or ()
        for (i, name), answer in zip(questions, row, strict=True):
            self.columns[i].facts[name] = answer


@contextmanager
def drawn(
    con: duckdb.DuckDBPyConnection, relation: str, parquet: Sequence[Path], exact_rows: int, sample_rows: int
) -> Iterator[Drawing]:
    """Draw rows of a relation into a temporary table for as long as the block lasts."""
    table = identifier(f"drawn {uuid.uuid4().hex}")
    source = identifier(relation)
    columns = [Column(name, kind) for name, kind in duckdb_types(con, f"select * from {source}").items()]
    most = max(LEAST_ROWS, CELLS // max(1, len(columns)))
    exact_rows, sample_rows = min(exact_rows, most), min(sample_rows, most)
    selected = ", ".join(_kept(column) for column in columns)
    create = f"create or replace temp table {table} as select {selected} from"
    try:
        if parquet:
            files = "[" + ", ".join(literal(pattern(path)) for path in parquet) + "]"
            total = _count(con, f"select sum(num_rows) from parquet_file_metadata({files})")
            step = total // sample_rows
        else:
            con.execute(f"{create} {source} limit {exact_rows + 1}")
            total = _count(con, f"select count(*) from {table}")
        if total > exact_rows and parquet and total > 20 * step * len(parquet):
            # Every n-th row: even over sorted data, the same every time, and half as dear as a random sample.
            reader = f"read_parquet({files}, union_by_name = true, hive_partitioning = false)"
            con.execute(f"{create} {reader} where file_row_number % {step} = {step // 2}")
        elif total > exact_rows:
            con.execute(f"{create} {source} using sample reservoir({sample_rows} rows) repeatable (1)")
        elif parquet:
            con.execute(f"{create} {source}")
        rows = _count(con, f"select count(*) from {table}")
        yield Drawing(con, source, table, columns, bool(parquet), rows, rows if total > exact_rows else None)
    finally:
        con.execute(f"drop table if exists {table}")


def _kept(column: Column) -> str:
    # Of lists, structures and the like only nulls and distinct values are told: their hash will do.
    if column.type == "other":
        return f"case when {column.sql} is not null then hash({column.sql}) end as {column.sql}"
    return column.sql


def _count(con: duckdb.DuckDBPyConnection, select: str) -> int:
    row = con.execute(select).fetchone()
    return int(row[0] or 0) if row else 0


def measured(drawing: Drawing) -> tuple[int, list[dict[str, Any]]]:
    """The number of rows of the relation, and the facts of a `ColumnProfile` for each column."""
    columns = drawing.columns
    _look_closely(drawing)
    total = _look_at_all(drawing)
    scale = total / drawing.rows if drawing.rows else 1.0
    _draw_histograms(drawing, scale)
    for column in columns:
        _find_top(drawing, column, scale)
    return total, [_told(column, total, exact=drawing.sampled is None) for column in columns]


def _look_closely(drawing: Drawing) -> None:
    """Quantiles and distinct values of the drawn rows, and a first mean to measure from."""
    sampled = drawing.sampled is not None
    questions: dict[tuple[int, str], str] = {}
    for i, column in enumerate(drawing.columns):
        questions[i, "held"] = f"count({column.sql})"
        if column.number:
            questions[i, "quantiles"] = f"quantile_disc({column.number}, {SHARES}){column.finite}"
            questions[i, "near"] = f"avg({column.number}){column.finite}"
        if sampled:
            questions[i, "distinct"] = f"approx_count_distinct({column.sql})"
    drawing.note(drawing.table, questions)
    for i, column in enumerate(drawing.columns):
        if sampled and FEW < column.facts["distinct"] < MOST * column.facts["held"]:
            continue
        # One statement each: many exact counts in one take far longer than apart.
        drawing.note(drawing.table, {(i, "distinct"): f"count(distinct {column.sql})"})
        column.facts["unlike"] = sampled and column.facts["distinct"] > max(FEW, ALL_UNLIKE * column.facts["held"])


def _look_at_all(drawing: Drawing) -> int:
    """Rows, nulls, bounds and moments of the whole relation; distinct values where a sample cannot tell them."""
    bounds: dict[tuple[int, str], str] = {}
    rest: dict[tuple[int, str], str] = {}
    for i, column in enumerate(drawing.columns):
        rest |= {(i, "count"): f"count({column.sql})", (i, "rows"): "count(*)"}
        if column.number or column.type == "text":
            bounds |= {(i, name): _shown(f"{name}({column.sql})", column) for name in ("min", "max")}
        if column.number:
            rest |= {(i, name): sql for name, sql in _moments(column).items()}
        if column.type == "boolean":
            rest[i, "mean"] = f"avg({column.sql}::int)"
        if drawing.sampled is not None and column.facts["distinct"] > FEW and not column.facts.get("unlike"):
            rest[i, "distinct"] = f"approx_count_distinct({column.sql})"
    source = drawing.table if drawing.sampled is None else drawing.relation
    if drawing.parquet and drawing.sampled is not None:
        drawing.note(source, bounds)  # alone, they are answered from the footers
    else:
        rest |= bounds
    drawing.note(source, rest)
    for i, column in enumerate(drawing.columns):
        if column.number and _is_odd(column):
            again = {"min": f"min({column.number})", "max": f"max({column.number})", "finite": "count(*)"}
            again |= _moments(column)
            drawing.note(
                source, {(i, name): f"{sql} filter (isfinite({column.number}))" for name, sql in again.items()}
            )
    return int(drawing.columns[0].facts["rows"])


def _is_odd(column: Column) -> bool:
    """Whether NaN or infinity is among the values: it shows in the sums of numbers, and in the bounds of times."""
    facts = column.facts
    if column.floats:
        return not math.isfinite(facts["squares"] or 0.0)
    return bool(facts["count"]) and None in (facts["min"], facts["max"])


def _moments(column: Column) -> dict[str, str]:
    # Measured from a value in the middle: sums of squares from zero would lose the digits that matter.
    off = f"({column.number} - {column.facts['near'] or 0.0!r})"
    return {"sum": f"sum({off})", "squares": f"sum({off} * {off})"}


def _shown(bound: str, column: Column) -> str:
    if column.type == "text":
        return f"left({bound}::varchar, {LONGEST_TEXT})"
    if column.type in ("timestamp", "date"):
        return f"epoch({bound})"
    return bound if column.type == "integer" else f"{bound}::double"


def _draw_histograms(drawing: Drawing, scale: float) -> None:
    edges = {i: _edges(column) for i, column in enumerate(drawing.columns) if column.number}
    questions = {
        (i, "histogram"): f"histogram({drawing.columns[i].number}, {its[1:]}){drawing.columns[i].finite}"
        for i, its in edges.items()
        if its
    }
    drawing.note(drawing.table, questions)
    for i, _ in questions:
        column, its = drawing.columns[i], edges[i]
        held = column.facts["histogram"] or {}
        counts = [round(scale * held.get(edge, 0)) for edge in its[1:]]
        column.facts["histogram"] = Histogram([column.value(edge) for edge in its], counts)


def _edges(column: Column) -> list[float]:
    """Up to 21 edges from min to max; one bin a value for a few integers. Long tails get one bin each."""
    if column.facts["min"] is None:
        return []
    low, high = float(column.facts["min"]), float(column.facts["max"])
    if column.type == "integer":
        width = math.ceil((high - low + 1) / BINS)
        return [low - 0.5 + width * i for i in range(math.ceil((high - low + 1) / width) + 1)]
    if low == high:
        return [low, high]
    first, last = low, high
    quantiles = column.facts["quantiles"]
    if quantiles and high - low > 10 * (quantiles[19] - quantiles[1]) > 0:
        reach = (quantiles[19] - quantiles[1]) / 2
        first, last = max(low, quantiles[1] - reach), min(high, quantiles[19] + reach)
    inner = BINS - (first > low) - (last < high)
    edges = [first + (last - first) * i / inner for i in range(inner)] + [last]
    edges = [low] * (first > low) + edges + [high] * (last < high)
    return edges if all(a < b for a, b in pairwise(edges)) else [low, high]


def _find_top(drawing: Drawing, column: Column, scale: float) -> None:
    categories = column.type == "integer" and column.facts["distinct"] <= CATEGORIES
    if column.type not in ("text", "boolean") and not categories:
        return
    shown = f"left({column.sql}::varchar, {LONGEST_TEXT})" if column.type == "text" else column.sql
    least = RARE if drawing.sampled is not None else 1
    found = drawing.con.execute(
        f"select {shown}, count(*) from {drawing.table} where {column.sql} is not null group by {column.sql}"
        f" having count(*) >= {least} order by count(*) desc, {column.sql} limit {TOP}"
    ).fetchall()
    column.facts["top"] = [(value, round(scale * count)) for value, count in found]


def _told(column: Column, total: int, *, exact: bool) -> dict[str, Any]:
    """A column's facts as a reader is told them."""
    facts, rows = column.facts, column.facts["count"]
    finite = facts.get("finite", rows)
    told = {
        "name": column.name,
        "type": column.type,
        "duckdb": column.duckdb,
        "nulls": total - rows,
        "nonfinite": rows - finite,
        "distinct": rows if facts.get("unlike") else min(facts["distinct"], rows),
        "distinct_exact": exact,
        "top": facts.get("top"),
        "histogram": facts.get("histogram"),
        "mean": facts.get("mean"),
    }
    if column.type in ("timestamp", "date"):
        told |= {"min": column.value(facts["min"]), "max": column.value(facts["max"])}
    else:
        told |= {"min": facts.get("min"), "max": facts.get("max")}
    if column.number and finite and facts["sum"] is not None:
        told["mean"] = column.value(facts["near"] + facts["sum"] / finite)
        if column.type in ("integer", "number") and finite > 1:
            told["std"] = math.sqrt(max(0.0, facts["squares"] - facts["sum"] ** 2 / finite) / (finite - 1))
    if facts.get("quantiles"):
        shares = zip(SHARES, facts["quantiles"], strict=True)
        told["quantiles"] = {f"{share:g}": column.value(value) for share, value in shares}
    return told
