"""Columns of a DuckDB relation: their type in the project's vocabulary, and their names as SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storage.errors import DataInvalid, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.check_section import ColumnType

SIGNED = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "BIGNUM"})
UNSIGNED = frozenset({"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"})
NUMBERS = frozenset({"FLOAT", "DOUBLE", "DECIMAL"})
TEXTS = frozenset({"VARCHAR", "ENUM", "UUID"})


def column_type(duckdb_type: str) -> ColumnType:
    """Return what a DuckDB type such as `DECIMAL(9,2)` or `TIMESTAMP WITH TIME ZONE` is to a project."""
    if duckdb_type.endswith("]"):  # a list or an array of anything
        return "other"
    name = duckdb_type.partition("(")[0].strip().upper()
    if name in SIGNED | UNSIGNED:
        return "integer"
    if name in NUMBERS:
        return "number"
    if name in TEXTS:
        return "text"
    if name == "BOOLEAN":
        return "boolean"
    if name == "DATE":
        return "date"
    return "timestamp" if name.startswith("TIMESTAMP") else "other"


def duckdb_types(con: Any, select: str) -> dict[str, str]:
    """Return column name → DuckDB type of what `select` (a SELECT statement) gives, in its order, without running it.

    Raises:
        duckdb.Error: when the statement cannot be bound.
    """
    return {row[0]: row[1] for row in con.execute(f"describe {select}").fetchall()}


def column_types(con: Any, select: str) -> dict[str, ColumnType]:
    """Return column name → type of what `select` gives; raises as `duckdb_types` does."""
    return {name: column_type(kind) for name, kind in duckdb_types(con, select).items()}


def missing_column(name: str, known: Iterable[str], *, place: str = "") -> DataInvalid:
    """The error for a column that is not there, with the nearest one that is."""
    known = list(known)
    shown = ", ".join(known[:30]) + (f" and {len(known) - 30} more" if len(known) > 30 else "")
    return DataInvalid(
        f'there is no column "{name}"', place=place, expected=f"one of {shown}", todo=nearest(name, known)
    )


def identifier(name: str) -> str:
    """Return `name` quoted as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` quoted as a SQL string."""
    return "'" + text.replace("'", "''") + "'"


def json_path(name: str) -> str:
    """A name as a step of a JSON path, whatever characters it holds: `inputs->>'$.STEP'`."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
