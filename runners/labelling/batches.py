"""Labelled rows as files of a project, and as a version of its dataset of labels."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.actions import datasets
from runners.datasets.adding import Added
from runners.packaging.signature import Signature
from storage.columns import literal
from storage.memory import in_memory
from storage.shed import Shed

FOLDER, HELD_OUT = "labels", "labels/held-out"
TYPES = {
    "integer": "BIGINT", "number": "DOUBLE", "text": "VARCHAR", "boolean": "BOOLEAN", "date": "DATE",
    "timestamp": "TIMESTAMP",
}  # fmt: skip
ABOUT = {
    "asked_because": "VARCHAR", "labelled_by": "VARCHAR", "labelled_at": "TIMESTAMP", "request": "VARCHAR",
    "row": "INTEGER",
}  # fmt: skip


@dataclass(frozen=True)
class LabelledRow:
    """A row with what people agreed on; `about` has the columns of `ABOUT`."""

    inputs: Mapping[str, Any]
    label: str
    about: Mapping[str, Any]


def write(project_dir: Path, number: int, signature: Signature, rows: Sequence[LabelledRow], *, held_out: bool) -> Path:
    """Write rows as Parquet: the model's inputs, its target, and who said so when. Returns where."""
    path = project_dir / (HELD_OUT if held_out else FOLDER) / file_name(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    target, kind = signature.target or "label", target_type(signature)
    columns = {given.name: TYPES.get(given.type, "VARCHAR") for given in signature.inputs} | {target: kind} | ABOUT
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as lines, in_memory(threads=1) as con:
        for row in rows:
            lines.write(json.dumps({**row.inputs, target: _typed(row.label, kind), **row.about}) + "\n")
        lines.flush()
        types = ", ".join(f"{literal(name)}: {literal(each)}" for name, each in columns.items())
        source = f"read_json({literal(lines.name)}, format = 'newline_delimited', columns = {{{types}}})"
        fresh = path.with_name(f".{path.name}")
        con.execute(f"copy (from {source}) to {literal(str(fresh))} (format parquet)").fetchall()
        fresh.rename(path)
    return path


def add(shed: Shed, project: str, project_dir: Path, note: str) -> Added:
    """The version of the project's dataset of labels that its files are now."""
    globs = {"labels": f"{FOLDER}/*.parquet", "held_out": f"{HELD_OUT}/*.parquet"}
    there = {table: [glob] for table, glob in globs.items() if any(project_dir.glob(glob))}
    return datasets.add(shed, dataset_name(project), there, project_dir, kind="table", note=note)


def file_name(number: int) -> str:
    return f"batch-{number:04}.parquet"


def dataset_name(project: str) -> str:
    return f"{project}-labels"


def target_type(signature: Signature) -> str:
    """The DuckDB type of the target, told from the model's classes."""
    if signature.task == "regression":
        return "DOUBLE"
    if set(signature.classes) <= {"true", "false"}:
        return "BOOLEAN"
    whole = all(each.lstrip("-").isdigit() for each in signature.classes)
    return "BIGINT" if whole else "VARCHAR"


def _typed(label: str, kind: str) -> Any:
    if kind == "BOOLEAN":
        return label == "true"
    return {"BIGINT": int, "DOUBLE": float}.get(kind, str)(label)
