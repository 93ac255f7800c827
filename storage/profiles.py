"""Column profiles: what a table holds, column by column.

Tables of up to `EXACT_ROWS` rows are profiled exactly. Of a larger one all rows are read for rows, nulls, min, max,
mean and standard deviation; quantiles, histograms and top values come from a sample of about `SAMPLE_ROWS` rows, and
distinct values are estimated (HyperLogLog, within a few percent). `Profile.sampled` and `distinct_exact` tell which.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from storage.profiling import Histogram, Value, drawn, measured

if TYPE_CHECKING:
    from storage.check_section import ColumnType

EXACT_ROWS = 1_000_000
SAMPLE_ROWS = 131_072


@dataclass(frozen=True)
class ColumnProfile:
    """One column. Times are ISO texts, in UTC; what does not apply to its type is None.

    `quantiles` is keyed by share, from "0" to "1" in steps of 0.05. `nonfinite` counts NaN and infinities, which all
    other figures leave out. Counts that come from a sample are scaled to the whole table.
    """

    name: str
    type: ColumnType
    duckdb: str
    nulls: int
    distinct: int
    distinct_exact: bool
    nonfinite: int = 0
    min: Value = None
    max: Value = None
    mean: Value = None
    std: float | None = None
    quantiles: dict[str, Value] | None = None
    histogram: Histogram | None = None
    top: list[tuple[Value, int]] | None = None


@dataclass(frozen=True)
class Profile:
    """A table. `sampled` is the number of rows behind estimated figures; None where all figures are exact."""

    rows: int
    columns: list[ColumnProfile]
    sampled: int | None = None

    def column(self, name: str) -> ColumnProfile | None:
        return next((column for column in self.columns if column.name == name), None)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Profile:
        raw: dict[str, Any] = json.loads(text)
        return cls(raw["rows"], [_column_from(column) for column in raw["columns"]], raw["sampled"])


def _column_from(raw: dict[str, Any]) -> ColumnProfile:
    histogram = raw.pop("histogram")
    top = raw.pop("top")
    return ColumnProfile(
        **raw,
        histogram=Histogram(**histogram) if histogram else None,
        top=None if top is None else [(value, count) for value, count in top],
    )


def profile(
    con: duckdb.DuckDBPyConnection,
    relation: str = "data",
    *,
    parquet: Sequence[Path] = (),
    exact_rows: int = EXACT_ROWS,
    sample_rows: int = SAMPLE_ROWS,
) -> Profile:
    """Profile a table or view. `parquet` names its files where it consists of nothing but them: that saves time.

    Raises:
        duckdb.Error: when the relation cannot be read.
    """
    with drawn(con, relation, parquet, exact_rows, sample_rows) as drawing:
        rows, columns = measured(drawing)
        return Profile(rows, [ColumnProfile(**column) for column in columns], drawing.sampled)
