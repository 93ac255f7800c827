"""Opening a dataset version: its files under their own names, or a DuckDB connection that sees only them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from storage import frames, manifests
from storage.frames import Source
from storage.manifests import Entry, Manifest
from storage.shed import Shed
from storage.tables import DatasetVersion


def manifest_of(shed: Shed, version: DatasetVersion) -> Manifest:
    """The version's manifest. Raises ShedError when it is missing or damaged."""
    return manifests.load(shed.objects, version.manifest)


def kept_files(shed: Shed, manifest: Manifest) -> list[tuple[str, Path]]:
    """Each file's own relative path, and where its bytes are.

    Raises:
        DataInvalid: naming a file that was changed in place since the version was made.
    """
    return [(entry.path, manifests.content_of(shed.objects, entry)) for entry in manifest.entries()]


def open_tables(
    shed: Shed, manifest: Manifest, query: str | None = None, *, writes_to: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection with a view a table, and the raw rows as the view `data`; it may write below `writes_to` only.

    Raises:
        DataInvalid: when a file is not what it was when the version was made, or the query cannot run.
    """
    tables = {
        table: [_source(shed, manifest, entry) for entry in entries] for table, entries in manifest.tables.items()
    }
    return frames.connect(tables, query, writes_to=writes_to, spill=shed.tmp)


def _source(shed: Shed, manifest: Manifest, entry: Entry) -> Source:
    """With the columns that were found when the version was made: a CSV is not sniffed again."""
    columns = manifest.schemas[entry.schema] if entry.schema else None
    return Source(manifests.content_of(shed.objects, entry), entry.path, columns, entry.rows)
