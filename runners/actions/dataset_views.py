"""The verbs that look at a dataset version: what it consists of, its first rows, SQL over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import duckdb

from runners.actions.datasets import resolve
from runners.opening import manifest_of, open_tables
from storage import frames, manifests
from storage.columns import identifier
from storage.errors import DataInvalid, UsageError, nearest
from storage.manifests import Column, Entry, Manifest
from storage.read import datasets as read_datasets
from storage.shed import Shed
from storage.tables import Dataset, DatasetVersion

PROJECT_QUERY = "[dataset] query"  # the place that errors of the project's own query name
FILE_COLUMNS = ["file", "class", "bytes"]


@dataclass(frozen=True)
class TableDetails:
    """One table of a version. `columns` are those that most of its files have, `odd` the files that have others."""

    name: str
    files: int
    rows: int | None
    bytes: int
    columns: list[Column]
    odd: list[str]


@dataclass(frozen=True)
class Details:
    """A version with all that belongs to it.

    Attributes:
        versions: how many the dataset has.
        classes: class folder → files, for a dataset of kind `files`.
        kept: how the contents lie: `hard links`, `own copies`, `by reference`, `missing` → files.
        damaged: a sentence for each file whose contents are, by their stat, not those of the version any more.
    """

    dataset: Dataset
    version: DatasetVersion
    versions: int
    tables: list[TableDetails]
    files: list[Entry]
    classes: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


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


def details(shed: Shed, reference: str) -> Details:
    """One version: its tables, files and classes, and how they are kept. Raises UsageError."""
    dataset, version = resolve(shed, reference)
    manifest = manifest_of(shed, version)
    return Details(
        dataset,
        version,
        len(read_datasets.versions(shed, dataset.name)),
        [_table(manifest, name) for name in manifest.tables] if manifest.kind == "table" else [],
        list(manifest.entries()),
        manifest.classes if manifest.kind == "files" else {},
        dict(Counter(_how(shed, entry) for entry in manifest.entries())),
        list(_damaged(shed, manifest)),
    )


def _table(manifest: Manifest, name: str) -> TableDetails:
    entries = manifest.tables[name]
    usual = Counter(entry.schema for entry in entries).most_common(1)[0][0]
    return TableDetails(
        name,
        len(entries),
        sum(entry.rows or 0 for entry in entries),
        sum(entry.size for entry in entries),
        manifest.schemas[usual] if usual is not None else [],
        [entry.path for entry in entries if entry.schema != usual],
    )


def _how(shed: Shed, entry: Entry) -> str:
    if entry.source is not None:
        return "by reference"
    try:
        return "hard links" if shed.objects.path(entry.blake3).stat().st_nlink > 1 else "own copies"
    except OSError:
        return "missing"


def _damaged(shed: Shed, manifest: Manifest) -> Iterator[str]:
    for entry in manifest.entries():
        try:
            manifests.content_of(shed.objects, entry)
        except DataInvalid as err:
            yield err.message


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
    _with_tables(manifest, dataset)
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
    manifest = _with_tables(manifest_of(shed, version), dataset)
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
        return _found(con, dataset, version, sql, limit, note=note)


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
    columns, rows = frames.query(con, sql, limit=None if limit is None else limit + 1)
    more = limit is not None and len(rows) > limit
    return Found(dataset.name, version.number, source, columns, rows[:limit], more, note)


def _with_tables(manifest: Manifest, dataset: Dataset) -> Manifest:
    """Return the manifest of a dataset of kind `table`. Raises UsageError for one of files."""
    if manifest.kind != "table":
        raise UsageError(
            f"{dataset.name} is of kind files: it has no rows",
            todo=f"`trainshed data show {dataset.name} --files` lists its files",
        )
    return manifest


def checked_table(manifest: Manifest, name: str) -> str:
    """Return `name` when the version has such a table. Raises UsageError with the nearest one."""
    if name not in manifest.tables:
        known = list(manifest.tables)
        raise UsageError(f'no table "{name}"', expected="one of " + ", ".join(known), todo=nearest(name, known))
    return name
