"""Rows drawn to see whether they drifted: of what a model was trained on, of new files, of an endpoint's log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runners.opening import open_tables
from storage import predictions
from storage.columns import identifier
from storage.manifests import Manifest
from storage.project import ProjectSpec
from storage.shed import Shed

DRAWN = 10_000  # rows of each side at most

Columns = dict[str, list[Any]]


def of_version(shed: Shed, spec: ProjectSpec, manifest: Manifest) -> Columns:
    """Rows of a version as the project's query gives them, its model's inputs only.

    Raises:
        DataInvalid: when a file is not what it was when the version was made, or the query cannot run.
    """
    with open_tables(shed, manifest, spec.dataset.query) as con:
        known = [row[0] for row in con.execute("describe data").fetchall()]
        wanted = [name for name in inputs(spec) if name in known] or known
        listed = ", ".join(identifier(name) for name in wanted)
        rows = con.execute(f"select {listed} from data using sample reservoir({DRAWN} rows) repeatable (1)").fetchall()
    return _columns(wanted, rows)


def of_log(spec: ProjectSpec, folder: Path, since: float) -> Columns:
    """The inputs of an endpoint's newest predictions since then (seconds since the epoch)."""
    wanted = inputs(spec)
    numeric = set(spec.features.numeric) if spec.features else set()
    listed = ", ".join(
        f"try_cast(inputs->>? as double) as {identifier(name)}"
        if name in numeric
        else f"inputs->>? as {identifier(name)}"
        for name in wanted
    )
    with predictions.connect(folder) as con:
        query = f'select {listed} from predictions where "at" >= ? order by "at" desc limit {DRAWN}'
        rows = con.execute(query, [*(f"$.{_quoted(name)}" for name in wanted), since]).fetchall()
    return _columns(wanted, rows)


def fresh(old: Manifest, new: Manifest) -> Manifest:
    """What is in the new version and was not in the old one; all of it where several tables are joined."""
    if len(new.tables) > 1:
        return new
    known = {entry.blake3 for entry in old.entries()}
    return Manifest(
        new.kind,
        {table: [entry for entry in entries if entry.blake3 not in known] for table, entries in new.tables.items()},
        new.schemas,
    )


def inputs(spec: ProjectSpec) -> list[str]:
    """The raw columns that the project's model reads."""
    return [*spec.features.numeric, *spec.features.categorical] if spec.features else []


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Columns:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
