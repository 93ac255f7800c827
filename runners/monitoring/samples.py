"""Rows drawn to see whether they drifted: of what a model was trained on, of new files, of an endpoint's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb

from runners.opening import open_tables
from runners.packaging.signature import Signature
from storage import predictions
from storage.columns import identifier, json_path, literal
from storage.manifests import Manifest
from storage.memory import in_memory
from storage.project import OF_FILES, ProjectSpec
from storage.serve_section import of_endpoint
from storage.shed import Shed
from storage.tables import Endpoint

DRAWN = 10_000  # rows of each side at most

Columns = dict[str, list[Any]]
Wanted = Mapping[str, bool]  # a column's name, and whether it is a number; any other value is compared as text


def inputs(spec: ProjectSpec) -> Wanted:
    """The raw columns that the project's model reads."""
    features = spec.features
    return {**dict.fromkeys(features.numeric, True), **dict.fromkeys(features.categorical, False)} if features else {}


def inputs_of(signature: Signature) -> Wanted:
    """The raw columns that a packaged model reads; none where it takes tensors."""
    return {given.name: given.categories is None for given in signature.inputs if given.type != "tensor"}


def logged(wanted: Wanted, endpoint: Endpoint) -> Wanted:
    """Those of the columns that the endpoint's log shows as they came: `[serve.log]` may drop or hash some."""
    rules = of_endpoint(endpoint.name, endpoint.settings).log
    return {name: number for name, number in wanted.items() if name not in {*rules.drop, *rules.hash}}


def of_version(shed: Shed, spec: ProjectSpec, manifest: Manifest) -> Columns:
    """Rows of a version as the project's query gives them, its model's inputs only.

    Raises:
        DataInvalid: when a file is not what it was when the version was made, or the query cannot run.
    """
    with open_tables(shed, manifest, spec.dataset.query) as con:
        return _drawn(con, "data", inputs(spec))


def of_files(manifest: Manifest) -> Columns:
    """Of files that are no tables what can be told without opening them: their size in bytes and their folder."""
    found = [(entry.size, str(PurePosixPath(entry.path).parent)) for entry in manifest.entries()]
    return _columns(OF_FILES, found)


def of_parquet(path: Path, wanted: Wanted) -> Columns:
    """Rows of a Parquet file, such as those that `prepare` left."""
    with in_memory(threads=2) as con:
        return _drawn(con, f"read_parquet({literal(str(path))})", wanted)


def of_log(folder: Path, wanted: Wanted, since: float, until: float | None = None) -> Columns:
    """The inputs of an endpoint's predictions from `since` on, to before `until` (seconds since the epoch)."""
    paths = [f"$.{json_path(name)}" for name in wanted]
    listed = ", ".join(
        f"try_cast(inputs->>{literal(path)} as double)" if number else f"inputs->>{literal(path)}"
        for path, number in zip(paths, wanted.values(), strict=True)
    )
    with predictions.connect(folder) as con:
        within = f'"at" >= {since!r}' + (f' and "at" < {until!r}' if until is not None else "")
        asked = f"(select inputs from predictions_only where {within})"
        rows = con.execute(
            f"select {listed} from (from {asked} using sample reservoir({DRAWN} rows) repeatable (1))"
        ).fetchall()
    return _columns(list(wanted), rows)


def fresh(old: Manifest, new: Manifest) -> Manifest:
    """What is in the new version and was not in the old one; of tables that have nothing new, all of it.

    So rows of new files still find what they are joined with.
    """
    known = {entry.blake3 for entry in old.entries()}
    added = {table: [e for e in entries if e.blake3 not in known] for table, entries in new.tables.items()}
    if not any(added.values()):
        return Manifest(new.kind, added, new.schemas)
    return Manifest(new.kind, {table: added[table] or entries for table, entries in new.tables.items()}, new.schemas)


def _drawn(con: duckdb.DuckDBPyConnection, relation: str, wanted: Wanted) -> Columns:
    known = {row[0] for row in con.execute(f"describe from {relation}").fetchall()}
    names = [name for name in wanted if name in known]
    if not names:
        return {}
    listed = ", ".join(f"try_cast({identifier(n)} as {'double' if wanted[n] else 'varchar'})" for n in names)
    rows = con.execute(f"select {listed} from {relation} using sample reservoir({DRAWN} rows) repeatable (1)")
    return _columns(names, rows.fetchall())


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Columns:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
