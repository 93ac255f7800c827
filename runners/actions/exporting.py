"""The verb that takes runs out of a shed, for other tools or for another shed."""

from __future__ import annotations

import json
import math
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from runners.actions import runs as verbs
from runners.exporting.layout import (
    ABOUT,
    FORMAT,
    FORMS,
    MANIFEST,
    METRICS,
    README,
    RUN_COLUMNS,
    RUNS,
    VERSION,
)
from runners.exporting.points import OPTIONS, Points
from storage import metrics
from storage.columns import literal
from storage.errors import UsageError, nearest
from storage.memory import in_memory
from storage.read import datasets as read_datasets
from storage.read import runs as read_runs
from storage.read.origins import origin_of
from storage.read.runs import RunRow
from storage.shed import Shed, current_user
from storage.tables import RunMetric, RunNote

AT_ONCE = 200  # runs that are read together
MEMORY = "512MB"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Exported:
    """What was written, and where to."""

    folder: Path
    runs: int
    points: int
    bytes: int


def export(
    shed: Shed,
    terms: Sequence[str],
    to: Path,
    *,
    form: str = "parquet",
    project: str | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write runs into a new folder, whole or not at all: their rows, and every point of their metrics.

    `terms` are numbers of runs, or a filter over those of `project` (of all where it is None).

    Raises:
        UsageError: no run fits, the folder is there already or cannot be written, or the form is unknown.
    """
    if form not in FORMS:
        raise UsageError(f"--format {form}: no such format", expected=" or ".join(FORMS), todo=nearest(form, FORMS))
    to = to.expanduser().absolute()
    if to.exists():
        raise UsageError("is there already", place=str(to), expected="a new folder")
    ids = _ids(shed, terms, project)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=".export-") as place:
            fresh = Path(place, "export")
            fresh.mkdir()
            written = _write(shed, ids, fresh, Path(place), form, progress)
            fresh.rename(to)
    except OSError as err:
        raise UsageError(f"cannot write here: {err.strerror}", place=str(err.filename or to)) from err
    except duckdb.IOException as err:
        raise UsageError(f"cannot write here: {str(err).splitlines()[0]}", place=str(to)) from err
    size = sum(path.stat().st_size for path in to.iterdir())
    return Exported(to, *written, size)


def _ids(shed: Shed, terms: Sequence[str], project: str | None) -> list[int]:
    numbers = _numbers(terms)
    if numbers:
        for run_id in numbers:
            read_runs.run(shed, run_id)
        return numbers
    found = read_runs.ids(shed, verbs.in_full(shed, " ".join(terms)), project=project)
    if not found:
        which = f"runs of {project}" if project else "runs"
        raise UsageError(f"no {which} fit the filter" if terms else f"no {which} yet", todo="`trainshed runs list`")
    return found


def _numbers(terms: Sequence[str]) -> list[int]:
    """The runs that are meant, where all terms are numbers of runs; none for a filter."""
    try:
        return sorted({verbs.parsed_id(term) for term in terms})
    except UsageError:
        return []


def _write(
    shed: Shed, ids: list[int], folder: Path, spool: Path, form: str, progress: Progress | None
) -> tuple[int, int]:
    """How many runs and points were written."""
    runs, points = folder / f"{RUNS}.{form}", folder / f"{METRICS}.{form}"
    rows, count = spool / "rows.jsonl", 0
    dataset_of = cache(partial(_dataset, shed))
    with in_memory(memory_limit=MEMORY, temp_directory=str(spool)) as memory:
        gathered = Points(memory, spool)
        with rows.open("w", encoding="utf-8") as file:
            for row, notes in _rows(shed, ids):
                facts = _facts(row, notes) | {"dataset": dataset_of(row.run.dataset_version_id)}
                file.write(json.dumps(facts, allow_nan=False) + "\n")
                gathered.add(row.run.id or 0, metrics.read_all(shed.run_dir(row.run.id or 0) / "metrics"))
                count += 1
                if progress:
                    progress("exporting", count, len(ids))
        columns = ", ".join(f"{name}: {literal(kind)}" for name, kind in RUN_COLUMNS.items())
        told = f"read_json({literal(str(rows))}, format = 'newline_delimited', columns = {{{columns}}})"
        memory.execute(f"copy (from {told}) to {literal(str(runs))} ({OPTIONS[form]})")
        gathered.write(points, form)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "trainshed": version("trainshed"),
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "made_by": f"{current_user()}@{socket.gethostname()}",
        "runs": count,
        "points": gathered.count,
        "files": {path.name: path.stat().st_size for path in (runs, points)},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    (folder / README).write_text(ABOUT.format(runs=runs.name, metrics=points.name), encoding="utf-8")
    return count, gathered.count


def _rows(shed: Shed, ids: list[int]) -> Iterator[tuple[RunRow, list[RunNote]]]:
    """Runs with their notes; one that was removed meanwhile is not among them."""
    for first in range(0, len(ids), AT_ONCE):
        some = ids[first : first + AT_ONCE]
        notes = read_runs.notes_of(shed, some)
        for row in read_runs.rows(shed, some):
            yield row, notes.get(row.run.id or 0, [])


def _facts(row: RunRow, notes: list[RunNote]) -> dict[str, Any]:
    run = row.run
    plain = {name: getattr(run, name) for name in RUN_COLUMNS if name in type(run).model_fields}
    return {
        **plain,
        "run": run.id,
        "origin": origin_of(run),
        "params": json.dumps(row.params),
        "metrics": json.dumps({name: _last(metric) for name, metric in row.metrics.items()}),
        "tags": json.dumps(row.tags),
        "notes": json.dumps([{"at": note.at, "user": note.user, "text": note.text} for note in notes]),
    }


def _last(metric: RunMetric) -> float | str | None:
    """JSON has no NaN."""
    if metric.last is None:
        return "NaN" if metric.nonfinite_step is not None else None
    return metric.last if math.isfinite(metric.last) else str(metric.last)


def _dataset(shed: Shed, version_id: int | None) -> str:
    if version_id is None:
        return ""
    dataset, found = read_datasets.version_by_id(shed, version_id)
    return f"{dataset.name} v{found.number}"
