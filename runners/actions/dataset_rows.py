"""The verbs that show rows of a dataset version: the first ones of each table, and read-only SQL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import duckdb

from runners.actions.dataset_views import checked_table, with_tables
from runners.actions.datasets import resolve
from runners.opening import manifest_of, open_tables
from runners.stoppable import stoppable
from storage import frames
from storage.columns import identifier
from storage.errors import DataInvalid, UsageError
from storage.shed import Shed
from storage.tables import Dataset, DatasetVersion

PROJECT_QUERY = "[dataset] query"  # the place that errors of the project's own query name
FILE_COLUMNS = ["file", "class", "bytes"]


@dataclass(frozen=True)
class Found:
    """Rows of a dataset version.

    Attributes:
        source: the table that they are of; empty for a query.
        more: whether there are further rows behind them.
        note: what the reader should know, such as that the project's own query could not run.
    """

    dataset: str
    version: int
    source: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool
    note: str = ""


def head(shed: Shed, reference: str, count: int, *, table: str | None = None) -> list[Found]:
    """The first rows of each table, or of one; for a dataset of kind `files` its first files.

    Raises:
        UsageError: when there is no such version or table.
        DataInvalid: when a file is not what it was when the version was made.
    """
    dataset, version = resolve(shed, reference)
    manifest = manifest_of(shed, version)
    if manifest.kind == "files" and table is None:
        rows = [(entry.path, PurePosixPath(entry.path).parent.name, entry.size) for entry in manifest.entries()]
        return [Found(dataset.name, version.number, "", FILE_COLUMNS, rows[:count], len(rows) > count)]
    with_tables(manifest, dataset)
    names = [checked_table(manifest, table)] if table is not None else list(manifest.tables)
    with open_tables(shed, manifest) as con:
        return [
            _found(con, dataset, version, f"select * from {identifier(name)}", count, source=name) for name in names
        ]


def query(shed: Shed, reference: str, sql: str, *, limit: int | None = None, project_query: str | None = None) -> Found:
    """Run read-only SQL over the tables of a version and the view `data`, which is what `project_query` makes of them.

    Raises:
        UsageError: when there is no such version, or the SQL is anything but one SELECT over it, or cannot run.
        DataInvalid: when a file is not what it was when the version was made.
    """
    dataset, version = resolve(shed, reference)
    manifest = with_tables(manifest_of(shed, version), dataset)
    note = ""
    try:
        con = open_tables(shed, manifest, project_query)
    except DataInvalid as err:
        if project_query is None or err.place != PROJECT_QUERY:
            raise
        # An older version may lack what the project asks for today; its tables can be looked at all the same.
        note = f'the project\'s query does not run on this version, so "data" is its first table: {err.message}'
        con = open_tables(shed, manifest)
    with con:
        try:
            return _found(con, dataset, version, sql, limit, note=note)
        except UsageError as err:
            told = f"{err.message}; {note}" if note else err.message
            raise UsageError(told, place=err.place, expected=err.expected, todo=err.todo) from None


def _found(
    con: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    version: DatasetVersion,
    sql: str,
    limit: int | None,
    *,
    source: str = "",
    note: str = "",
) -> Found:
    columns, rows = stoppable(con, lambda: frames.query(con, sql, limit=None if limit is None else limit + 1))
    more = limit is not None and len(rows) > limit
    return Found(dataset.name, version.number, source, columns, rows[:limit], more, note)
