"""The encoding: how raw columns become the model's matrix, learnt from the training rows alone.

Everything is a SQL aggregate, so no row passes through Python and any number of rows fits.
`runners/matrix.py` applies an encoding to rows, `runners/graph.py` turns it into nodes of an ONNX graph.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from runners.features.targets import OUTPUT_NAMES, Target, fit_target
from storage.check_section import ColumnType
from storage.columns import column_types, identifier, missing_column
from storage.errors import DataInvalid, UsageError
from storage.project import FeaturesSection

NULL_TEXT = ""
NULL_INTEGER = -(2**63)
MAX_CATEGORIES = 100_000  # a vocabulary lives inside the model's file and in memory at serving
SETTLED_DIGITS = 10


@dataclass(frozen=True)
class NumericColumn:
    """A column that is imputed with `median`, then standardised; `std` is 0 for a constant column, which becomes 0."""

    name: str
    type: ColumnType
    median: float
    mean: float
    std: float
    has_missing: bool


@dataclass(frozen=True)
class CategoricalColumn:
    """A column that becomes the 1-based place of its value in `categories`, 0 when it is not among them.

    Text stays text (null is ""), integers and booleans are 64-bit integers (null is the lowest of them).
    """

    name: str
    type: ColumnType
    categories: tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True)
class Encoding:
    """Raw columns → one float32 matrix: numeric columns, a 0/1 column for each that had nulls, categorical codes."""

    numeric: tuple[NumericColumn, ...]
    categorical: tuple[CategoricalColumn, ...]
    target: Target

    @property
    def columns(self) -> list[str]:
        """The raw columns that it reads, in the order of the model's inputs."""
        return [column.name for column in self.numeric] + [column.name for column in self.categorical]

    @property
    def feature_names(self) -> list[str]:
        """The names of the matrix's columns, in order."""
        missing = [f"{column.name} is missing" for column in self.numeric if column.has_missing]
        return [column.name for column in self.numeric] + missing + [column.name for column in self.categorical]

    @property
    def width(self) -> int:
        """The number of columns of the matrix."""
        return len(self.feature_names)

    @property
    def codes(self) -> dict[str, int]:
        """Categorical column → how many codes it has, counting 0 for the unseen: the size of its embedding."""
        return {column.name: len(column.categories) + 1 for column in self.categorical}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Encoding:
        target = raw["target"]
        return cls(
            numeric=tuple(NumericColumn(**column) for column in raw["numeric"]),
            categorical=tuple(
                CategoricalColumn(column["name"], column["type"], tuple(column["categories"]))
                for column in raw["categorical"]
            ),
            target=replace(Target(**target), classes=tuple(target["classes"])),
        )

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(self.to_json(), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Encoding:
        """Read what `write` wrote."""
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))


def fit(
    con: duckdb.DuckDBPyConnection, rows: str, features: FeaturesSection, *, target: Target | None = None
) -> Encoding:
    """Learn the encoding of `features` from `rows`, a SELECT over the training rows.

    Args:
        target: as `fit_target` found it over all rows, so that a class unknown in training keeps its place.

    Raises:
        UsageError: a column has a name that the model's output needs.
        DataInvalid: a column is missing, has the wrong type, or holds nothing to learn from.
    """
    kinds = column_types(con, rows)
    check_columns(kinds, features)
    return Encoding(
        numeric=tuple(_fit_numeric(con, rows, name, kinds[name]) for name in features.numeric),
        categorical=tuple(_fit_categorical(con, rows, name, kinds[name]) for name in features.categorical),
        target=target or fit_target(con, rows, features),
    )


def check_columns(kinds: Mapping[str, ColumnType], features: FeaturesSection) -> None:
    """Check that every column of `features` exists, with a type that its use allows; raises as `fit` does."""
    used = [features.target or "", *features.numeric, *features.categorical]
    for name in used:
        if name not in kinds:
            raise missing_column(name, kinds, place="[features]")
        if name in OUTPUT_NAMES[features.task] and name != features.target:
            raise UsageError(
                f'a feature cannot be called "{name}", which is an output of the model',
                place="[features]",
                todo=f'rename it in the dataset\'s query: select {identifier(name)} as "{name}_in", …',
            )
    for name in features.numeric:
        _allow(name, kinds[name], "numeric", ("integer", "number", "boolean"))
    for name in features.categorical:
        _allow(name, kinds[name], "categorical", ("text", "integer", "boolean"))


def _allow(name: str, kind: ColumnType, use: str, allowed: tuple[ColumnType, ...]) -> None:
    if kind in allowed:
        return
    todo = f'cast it in the dataset\'s query, or take "{name}" out of [features] {use}'
    if kind in ("timestamp", "date"):
        todo = "take parts of it in the dataset's query, for example extract(hour from …)"
    raise DataInvalid(
        f'column "{name}" is {kind}, so it cannot be a {use} feature',
        place=f"[features] {use}",
        expected=" or ".join(allowed),
        todo=todo,
    )


def _fit_numeric(con: duckdb.DuckDBPyConnection, rows: str, name: str, kind: ColumnType) -> NumericColumn:
    # One query a column: its median holds that column's values in memory, and all of them at once would not fit.
    value = f"cast({identifier(name)} as double)"
    try:
        found = con.execute(
            f"""select count(*), count(v), count_if(isinf(v)), median(v) filter (isfinite(v)),
                       favg(v) filter (isfinite(v)), stddev_pop(v) filter (isfinite(v)), min(v), max(v)
                from (select case when not isnan({value}) then {value} end as v from ({rows}))"""
        ).fetchone()
    except duckdb.OutOfRangeException:  # older DuckDB raises where newer gives infinity
        raise _too_large(name) from None
    assert found is not None
    total, known, infinite, median, mean, std, low, high = found
    if infinite:
        raise DataInvalid(
            f'column "{name}" has {infinite} infinite values in {total} training rows',
            place="[features] numeric",
            todo="make them null in the dataset's query: case when isfinite(…) then … end",
        )
    if not known:
        raise DataInvalid(
            f'column "{name}" has no value in any of the {total} training rows',
            place="[features] numeric",
            todo=f'take "{name}" out of [features] numeric',
        )
    if not (math.isfinite(mean) and math.isfinite(std)):
        raise _too_large(name)
    if low == high or not std:
        return NumericColumn(name, kind, low, low, 0.0, known < total)
    mean, std = _settled(mean, std)
    return NumericColumn(name, kind, median, mean, std, known < total)


def _too_large(name: str) -> DataInvalid:
    return DataInvalid(
        f'the values of column "{name}" are too large to be standardised',
        place="[features] numeric",
        todo="take its logarithm in the dataset's query",
    )


def _settled(mean: float, std: float) -> tuple[float, float]:
    """Drop the last digits, which depend on the order in which DuckDB's threads add up: same rows, same model."""
    place = SETTLED_DIGITS - 1 - math.floor(math.log10(std))
    return (round(mean, place) if abs(place) < 300 else mean), float(f"{std:.{SETTLED_DIGITS - 1}e}")


def _fit_categorical(con: duckdb.DuckDBPyConnection, rows: str, name: str, kind: ColumnType) -> CategoricalColumn:
    found = con.execute(
        f"select distinct {category(name, kind)} as v from ({rows}) limit {MAX_CATEGORIES + 1}"
    ).fetchall()
    values = [row[0] for row in found]
    if len(values) > MAX_CATEGORIES:
        raise DataInvalid(
            f'column "{name}" has more than {MAX_CATEGORIES:,} categories in the training rows',
            place="[features] categorical",
            todo="group the rare ones in the dataset's query, or leave the column out",
        )
    if kind == "text" and any("\0" in value for value in values):
        raise DataInvalid(f'a value of column "{name}" holds a NUL character', place="[features] categorical")
    return CategoricalColumn(name, kind, tuple(sorted(values)))


def category(name: str, kind: ColumnType) -> str:
    """SQL for a categorical column as the model's input has it: text, or a 64-bit integer; never null."""
    if kind == "text":
        return f"coalesce(cast({identifier(name)} as varchar), '{NULL_TEXT}')"
    return f"coalesce(cast({identifier(name)} as bigint), cast({NULL_INTEGER} as bigint))"
