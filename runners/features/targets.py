"""The target: the column to predict, its classes, and whether they fit the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from storage.check_section import ColumnType
from storage.columns import column_types, identifier, missing_column
from storage.errors import DataInvalid
from storage.project import FeaturesSection, Task

MAX_CLASSES = 10_000
MAX_FLOAT32 = 3.4028234663852886e38
OUTPUT_NAMES: Mapping[Task, tuple[str, ...]] = {
    "binary": ("probability",),
    "multiclass": ("probabilities", "label"),
    "regression": ("prediction",),
}


@dataclass(frozen=True)
class Target:
    """The column to predict. `classes` are its values as text in the order of the outputs; none for regression."""

    name: str
    type: ColumnType
    task: Task
    classes: tuple[str, ...]

    @property
    def positive(self) -> str | None:
        """The class whose probability a binary model gives."""
        return self.classes[1] if self.task == "binary" else None


def fit_target(con: duckdb.DuckDBPyConnection, rows: str, features: FeaturesSection) -> Target:
    """Find the classes of the target in `rows`, a SELECT, and check that they fit the task; nulls do not count.

    Raises:
        DataInvalid: the target is missing, has another type, too few or too many classes, or is infinite.
    """
    name, kinds = features.target or "", column_types(con, rows)
    if name not in kinds:
        raise missing_column(name, kinds, place="[features] target")
    kind = kinds[name]
    if features.task == "regression":
        _check_regression(con, rows, name, kind)
        return Target(name, kind, features.task, ())
    allowed: tuple[ColumnType, ...] = ("boolean", "integer", "number", "text")
    if kind not in allowed:
        raise _unfit(name, f"is {kind}, so it has no classes", "a boolean, integer or text column")
    if kind == "number":
        _check_whole(con, rows, name)
    usable, text = target_known(name, kind), class_text(name, kind)
    order = "v" if kind == "text" else "cast(v as bigint)" if kind != "boolean" else "cast(v as boolean)"
    found = con.execute(
        f"select v, n from (select {text} as v, count(*) as n from ({rows}) where {usable} group by 1)"
        f" order by {order} limit {MAX_CLASSES + 1}"
    ).fetchall()
    classes = tuple(row[0] for row in found)
    shown = ", ".join(f"{value!r} ({count} rows)" for value, count in found[:5]) + (", …" if len(found) > 5 else "")
    if len(classes) < 2:
        raise _unfit(name, f"has {f'a single class, {shown}' if classes else 'no value'}", "at least two classes")
    if features.task == "binary" and len(classes) > 2:
        many = "more than 10,000" if len(classes) > MAX_CLASSES else str(len(classes))
        raise _unfit(name, f"has {many} classes: {shown}", 'two classes for task = "binary"', 'use task = "multiclass"')
    if len(classes) > MAX_CLASSES:
        raise _unfit(name, f"has more than {MAX_CLASSES:,} classes", "fewer", 'is it task = "regression"?')
    return Target(name, kind, features.task, classes)


def _check_regression(con: duckdb.DuckDBPyConnection, rows: str, name: str, kind: ColumnType) -> None:
    if kind not in ("integer", "number"):
        raise _unfit(name, f"is {kind}", 'integer or number for task = "regression"')
    usable = target_known(name, kind)
    found = con.execute(
        f"select count(*), count_if(abs(cast({identifier(name)} as double)) > {MAX_FLOAT32})"
        f" from ({rows}) where {usable}"
    ).fetchone()
    if not found or not found[0]:
        raise _unfit(name, "has no value", "numbers")
    if found[1]:
        raise _unfit(name, f"is infinite or beyond float32 in {found[1]} rows", "finite numbers")


def _check_whole(con: duckdb.DuckDBPyConnection, rows: str, name: str) -> None:
    value = f"cast({identifier(name)} as double)"
    broken = con.execute(
        f"select {value} from ({rows}) where {target_known(name, 'number')}"
        f" and ({value} != trunc({value}) or abs({value}) > 1e15) limit 1"
    ).fetchone()
    if broken:
        raise _unfit(
            name,
            f"holds {broken[0]}, which names no class",
            "whole numbers, text or booleans",
            "cast it in the dataset's query",
        )


def _unfit(name: str, what: str, expected: str, todo: str = "") -> DataInvalid:
    return DataInvalid(f'the target "{name}" {what}', place="[features] target", expected=expected, todo=todo)


def target_known(name: str, kind: ColumnType) -> str:
    """SQL that is true where the target has a value."""
    known = f"{identifier(name)} is not null"
    return f"({known} and not isnan(cast({identifier(name)} as double)))" if kind == "number" else f"({known})"


def class_text(name: str, kind: ColumnType) -> str:
    """SQL for the target's class as text; `true`, `false` and `12` read the same whatever the column's exact type."""
    exact = {"number": "bigint", "integer": "bigint", "boolean": "boolean"}.get(kind, "varchar")
    return f"cast(cast({identifier(name)} as {exact}) as varchar)"
