"""Data validation: a project's `[checks]`, asked of the view `data`; a broken one comes with its count and samples."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb

from storage import frames
from storage.check_section import ColumnCheck
from storage.columns import column_type
from storage.counted import counted
from storage.errors import UsageError, nearest
from storage.manifests import Manifest
from storage.project import ProjectSpec
from storage.sections import Scalar
from storage.sql import plain

SAMPLE_ROWS = 5


@dataclass(frozen=True)
class CheckResult:
    """One check. `count` is how many rows (or files) break it, `rows` a few of them."""

    name: str
    on_fail: str
    passed: bool
    count: int = 0
    text: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def file_checks(manifest: Manifest, needed: Collection[str] | None = None) -> Iterator[CheckResult]:
    """Every file of a table must have the columns and types that most of its files have.

    A column that some files lack is null there: it stops the pipeline where it is `needed` (None: any may be), else it
    is only told.
    """
    for table, entries in manifest.tables.items():
        schemas: dict[str, list[str]] = {}
        for entry in entries:
            schemas.setdefault(entry.schema or "", []).append(entry.path)
        if len(schemas) <= 1:
            continue
        usual = max(schemas, key=lambda schema: len(schemas[schema]))
        expected = {column.name: column.type for column in manifest.schemas[usual]}
        for schema, paths in schemas.items():
            if schema == usual:
                continue
            found = {column.name: column.type for column in manifest.schemas[schema]}
            for column, text in _differences(expected, found):
                further = column not in expected or column not in found
                on_fail = "warn" if further and (column not in (expected if needed is None else needed)) else "stop"
                text = f"{', '.join(paths[:3])}: {text}"
                yield CheckResult(f"schema of {table}", on_fail, False, len(paths), text)


def _differences(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Column → how it differs."""
    extra = [name for name in found if name not in expected]
    for name, kind in expected.items():
        if name not in found:
            # A number column read as an integer one is no difference: it only holds whole numbers in this file.
            near = nearest(name, extra).removeprefix("did you mean ").rstrip("?")
            yield name, f'column "{name}" is missing' + (f"; {near} is new" if near else "")
        elif found[name] != kind and {found[name], kind} != {"integer", "number"}:
            yield name, f'column "{name}" is {found[name]}, in the other files {kind}'
    for name in extra:
        yield name, f'column "{name}" is not in the other files'


def required_columns(spec: ProjectSpec) -> dict[str, str]:
    """Column → the key of trainshed.toml that asks for it."""
    wanted = dict.fromkeys(spec.checks.columns, "[checks] columns")
    wanted |= dict.fromkeys(spec.gate.slices, "[gate] slices")
    if spec.split.column:
        wanted[spec.split.column] = "[split] column"
    if spec.features:
        wanted |= dict.fromkeys(spec.features.categorical, "[features] categorical")
        wanted |= dict.fromkeys(spec.features.numeric, "[features] numeric")
        if spec.features.target:
            wanted[spec.features.target] = "[features] target"
    return wanted


def presence_checks(con: duckdb.DuckDBPyConnection, spec: ProjectSpec) -> Iterator[CheckResult]:
    """Every column that the project names must exist in `data`."""
    known = _types(con)
    for column, asker in required_columns(spec).items():
        if column not in known:
            hint = nearest(column, known)
            text = f'column "{column}" is missing ({asker} names it)' + (f"; {hint}" if hint else "")
            yield CheckResult(f"{column} exists", "stop", False, 1, text)


def column_checks(con: duckdb.DuckDBPyConnection, checks: dict[str, ColumnCheck]) -> Iterator[CheckResult]:
    """`[checks] columns`: type, bounds, share of nulls, allowed values, pattern, uniqueness."""
    known = _types(con)
    for column, check in checks.items():
        if column not in known:
            continue
        name = _quoted(column)
        if check.type is not None:
            ok = known[column] == check.type or (check.type == "number" and known[column] == "integer")
            text = "" if ok else f'column "{column}" is {known[column]}, expected {check.type}'
            yield CheckResult(f"{column}: type {check.type}", check.on_fail, ok, 0 if ok else 1, text)
            if not ok:
                continue
        if check.min is not None:
            yield _rows(con, f"{column} ≥ {check.min:g}", check.on_fail, f"{name} < ?", [check.min], column)
        if check.max is not None:
            yield _rows(con, f"{column} ≤ {check.max:g}", check.on_fail, f"{name} > ?", [check.max], column)
        if check.within is not None:
            yield _within(con, column, check.within, check.on_fail)
        if check.matches is not None:
            condition = f"not regexp_full_match({name}::varchar, ?)"
            yield _rows(con, f"{column} matches {check.matches}", check.on_fail, condition, [check.matches], column)
        if check.nulls is not None:
            yield _nulls(con, column, check.nulls, check.on_fail)
        if check.unique:
            condition = f"{name} in (select {name} from data group by 1 having count(*) > 1)"
            yield _rows(con, f"{column} is unique", check.on_fail, condition, [], column)


def row_check(con: duckdb.DuckDBPyConnection, least: int) -> CheckResult:
    """`[checks] min_rows`."""
    count = _count(con, "select count(*) from data", [])
    text = "" if count >= least else f"{counted(count, 'row')}, expected at least {least:,}"
    return CheckResult(f"at least {counted(least, 'row')}", "stop", count >= least, 0 if count >= least else 1, text)


def sql_check(con: duckdb.DuckDBPyConnection, name: str, query: str, on_fail: str) -> CheckResult:
    """`[checks] sql`: every row that the query returns is a failure. A query that cannot run is a broken check too."""
    try:
        frames.select_only(query)
        count = _count(con, f"select count(*) from ({plain(query)})", [])
        rows = _sample(con, f"select * from ({plain(query)}) limit {SAMPLE_ROWS}", []) if count else []
    except UsageError as err:
        return CheckResult(name, on_fail, False, 1, f"the check's query fails: {err.message}")
    except duckdb.Error as err:
        return CheckResult(name, on_fail, False, 1, f"the check's query fails: {str(err).splitlines()[0]}")
    text = f"{counted(count, 'row')} {'breaks' if count == 1 else 'break'} it" if count else ""
    return CheckResult(name, on_fail, count == 0, count, text, rows)


def _within(con: duckdb.DuckDBPyConnection, column: str, allowed: list[Scalar], on_fail: str) -> CheckResult:
    name = _quoted(column)
    values = [str(value).lower() if isinstance(value, bool) else str(value) for value in allowed]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in allowed):
        condition, given = f"not list_contains(?::double[], {name}::double)", [[float(v) for v in values]]
    else:
        condition, given = f"not list_contains(?::varchar[], {name}::varchar)", [values]  # type: ignore[list-item]
    found = _rows(con, f"{column} in {len(values)} values", on_fail, condition, given, column)
    if found.passed:
        return found
    strangers = con.execute(
        f"select {name}::varchar, count(*) from data where {condition} group by 1 order by 2 desc limit 5", given
    ).fetchall()
    text = f"{counted(found.count, 'row')}, such as " + ", ".join(
        f'"{value}" ({count:,})' for value, count in strangers
    )
    return CheckResult(found.name, on_fail, False, found.count, text, found.rows)


def _nulls(con: duckdb.DuckDBPyConnection, column: str, share: float, on_fail: str) -> CheckResult:
    name = _quoted(column)
    nulls = _count(con, f"select count(*) from data where {name} is null", [])
    total = _count(con, "select count(*) from data", [])
    found = nulls / total if total else 0.0
    ok = found <= share
    text = "" if ok else f"{found:.2%} nulls ({nulls:,} of {total:,}), expected at most {share:.2%}"
    rows = [] if ok else _sample(con, f"select * from data where {name} is null limit {SAMPLE_ROWS}", [])
    return CheckResult(f"{column}: nulls ≤ {share:.2%}", on_fail, ok, 0 if ok else nulls, text, rows)


def _rows(
    con: duckdb.DuckDBPyConnection, name: str, on_fail: str, condition: str, given: list[Any], column: str
) -> CheckResult:
    """A check that a row breaks when `condition` is true for it. Nulls break nothing here."""
    try:
        count = _count(con, f"select count(*) from data where {condition}", given)
    except duckdb.Error as err:
        return CheckResult(name, on_fail, False, 1, f'column "{column}": {str(err).splitlines()[0]}')
    if not count:
        return CheckResult(name, on_fail, True)
    rows = _sample(con, f"select * from data where {condition} limit {SAMPLE_ROWS}", given)
    worst = con.execute(
        f"select min({_quoted(column)})::varchar, max({_quoted(column)})::varchar from data where {condition}", given
    ).fetchone()
    assert worst is not None
    return CheckResult(name, on_fail, False, count, f"{counted(count, 'row')}, from {worst[0]} to {worst[1]}", rows)


def _types(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return {row[0]: column_type(row[1]) for row in con.execute("describe data").fetchall()}


def _count(con: duckdb.DuckDBPyConnection, query: str, given: list[Any]) -> int:
    row = con.execute(query, given).fetchone()
    assert row is not None
    return int(row[0])


def _sample(con: duckdb.DuckDBPyConnection, query: str, given: list[Any]) -> list[dict[str, Any]]:
    names, found = frames.query(con, query, given)
    return [
        {name: value if _fits_json(value) else str(value) for name, value in zip(names, row, strict=True)}
        for row in found
    ]


def _fits_json(value: Any) -> bool:
    return math.isfinite(value) if isinstance(value, float) else value is None or isinstance(value, (int, str))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
