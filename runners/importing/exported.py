"""The folder that `trainshed export runs` wrote, in this shed or another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from runners.exporting.layout import FORMAT, FORMS, MANIFEST, METRIC_COLUMNS, METRICS, RUN_COLUMNS, RUNS, VERSION
from runners.importing.sources import Entry, LeftOut, Problem, Store, as_title, checked
from storage.columns import literal
from storage.errors import DataInvalid
from storage.memory import in_memory
from storage.metrics import Series
from storage.tables import AT_WORK
from storage.write.imported import Imported

TAG = "imported"
NUMBERED = re.compile(r"(child-of|reproduces)-(\d+)")  # tags that name a run by its number there
ENDED = ("done", "failed", "stopped", "invalid", "refused")
LARGEST_MANIFEST = 1 << 20
MEMORY = "1GB"

Row = dict[str, Any]


def is_store(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


@contextmanager
def opened(folder: Path, spool: Path) -> Iterator[Store]:
    """All runs of the folder; they can be read until it is closed. `spool` is for what does not fit into memory.

    Raises:
        DataInvalid: it is none of ours, of a newer trainshed, or not whole.
    """
    form = _form(folder)
    runs, points = folder / f"{RUNS}.{form}", folder / f"{METRICS}.{form}"
    with in_memory(memory_limit=MEMORY, temp_directory=str(spool)) as memory, _plainly(folder):
        table = _table(memory, runs, form, RUN_COLUMNS)
        found = memory.execute(f"select {', '.join(RUN_COLUMNS)} from {table} order by run").fetchall()
        kind = "view" if form == "parquet" else "table"  # a CSV would be read from its beginning for every run
        memory.execute(f"create {kind} points as from {_table(memory, points, form, METRIC_COLUMNS)}")
        store = Store("an export of trainshed", str(folder))
        rows = [dict(zip(RUN_COLUMNS, values, strict=True)) for values in found]
        numbers = {str(row["run"]): row["origin"] for row in rows}
        for row in rows:
            try:
                store.entries.append(_entry(memory, runs, row, numbers))
            except DataInvalid as err:
                store.problems.append(Problem(err.place, err.message))
        yield store


def _form(folder: Path) -> str:
    """The form of its files, once the manifest has been held against them."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > LARGEST_MANIFEST:
            raise ValueError("it is too large")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise ValueError(f'it does not say "format": "{FORMAT}"')
        known, files = manifest.get("version"), dict(manifest.get("files") or {})
    except (OSError, ValueError, TypeError) as err:
        raise DataInvalid(f"is no manifest of an export: {err}", place=str(path)) from None
    if known != VERSION:
        raise DataInvalid(
            f"was written by another trainshed (its form is {known!r}, this one reads {VERSION})",
            place=str(path),
            todo="upgrade trainshed",
        )
    form = next((form for form in FORMS if {f"{RUNS}.{form}", f"{METRICS}.{form}"} == set(files)), None)
    if form is None:
        raise DataInvalid("names other files than an export has", place=str(path))
    for name, size in files.items():
        if not (folder / name).is_file():
            raise DataInvalid("is not there", place=str(folder / name), todo="copy the whole folder again")
        if (folder / name).stat().st_size != size:
            raise DataInvalid("is not whole", place=str(folder / name), todo="copy the whole folder again")
    return form


def _table(memory: duckdb.DuckDBPyConnection, path: Path, form: str, columns: dict[str, str]) -> str:
    """SQL that reads the file with exactly these columns and types."""
    if form == "csv":
        types = ", ".join(f"{name}: {literal(kind)}" for name, kind in columns.items())
        return f"read_csv({literal(str(path))}, header = true, all_varchar = false, columns = {{{types}}})"
    file = f"read_parquet({literal(str(path))})"
    found = {name: kind.lower() for name, kind, *_ in memory.execute(f"describe select * from {file}").fetchall()}
    if found != columns:
        raise DataInvalid("has other columns than an export has", place=str(path), expected=", ".join(columns))
    return file


def _entry(memory: duckdb.DuckDBPyConnection, path: Path, row: Row, numbers: Mapping[str, str]) -> Entry:
    place = f"{path}, run {row['run']}"
    if not row["origin"] or row["run"] is None or row["created_at"] is None:
        raise DataInvalid("has no run, origin or created_at", place=place)
    if row["status"] not in (*ENDED, *AT_WORK):
        raise DataInvalid(f"{row['status']!r} is no status of a run", place=place, expected=", ".join(ENDED))
    left_out: LeftOut = "unfinished" if row["status"] in AT_WORK else ""
    return Entry(
        origin=row["origin"],
        place=place,
        name=as_title(row["name"] or "", otherwise=f"run {row['run']}"),
        project=as_title(row["project"] or "", otherwise=TAG),
        started_at=row["started_at"] or row["created_at"],
        left_out=left_out,
        read=partial(_read, memory, row, place),
        parent=_parent(_json(row, "tags", place), numbers),
    )


def _parent(tags: Any, numbers: Mapping[str, str]) -> str:
    """The origin of the run that it is a part of, where that was exported too."""
    told = [NUMBERED.fullmatch(str(tag)) for tag in tags]
    return next((numbers.get(tag[2], "") for tag in told if tag is not None and tag[1] == "child-of"), "")


def _read(memory: duckdb.DuckDBPyConnection, row: Row, place: str) -> Imported:
    series = _series(memory, row["run"], place)
    params, told, tags, notes = (_json(row, name, place) for name in ("params", "metrics", "tags", "notes"))
    unfinished = row["status"] in AT_WORK
    try:
        run = Imported(
            origin=row["origin"],
            name=as_title(row["name"] or "", otherwise=f"run {row['run']}"),
            project=as_title(row["project"] or "", otherwise=TAG),
            user=as_title(row["user"] or "", otherwise="unknown"),
            host=as_title(row["host"] or "", otherwise="unknown"),
            status="stopped" if unfinished else row["status"],
            created_at=row["created_at"],
            started_at=row["started_at"],
            ended_at=row["ended_at"] if row["ended_at"] is not None else row["started_at"],
            reason=f"it was {row['status']} when it was exported" if unfinished else row["reason"] or "",
            seed=row["seed"] or 0,
            commit=row["commit"] or None,
            branch=row["branch"] or None,
            dirty=bool(row["dirty"]),
            params={str(name): str(text) for name, text in params.items()},
            series=series,
            values={str(name): float(value) for name, value in told.items() if value is not None},
            tags=tuple(dict.fromkeys([TAG, *(str(tag) for tag in tags if not NUMBERED.fullmatch(str(tag)))])),
            remarks=tuple((str(note["user"]), float(note["at"]), str(note["text"])) for note in notes),
            source={"number there": row["run"], **({"dataset": row["dataset"]} if row["dataset"] else {})},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise DataInvalid(f"cannot be read: {type(err).__name__}: {err}", place=place) from None
    return checked(run, place)


def _series(memory: duckdb.DuckDBPyConnection, run_id: int, place: str) -> dict[str, Series]:
    """The points of a run, in the order in which they were exported."""
    with _plainly(Path(place)):
        found = memory.execute("select name, step, time, value from points where run = ?", [run_id]).fetchnumpy()
    columns = [found[name] for name in ("name", "step", "time", "value")]
    if any(np.ma.getmaskarray(column).any() for column in columns):
        raise DataInvalid("a point lacks its name, step, time or value", place=place)
    names, step, time, value = (np.asarray(column) for column in columns)
    if not len(names):
        return {}
    starts = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
    return {
        str(names[first]): Series(step[first:end], time[first:end], value[first:end]) for first, end in pairwise(starts)
    }


def _json(row: Row, name: str, place: str) -> Any:
    try:
        return json.loads(row[name] or "null") or {}
    except ValueError:
        raise DataInvalid(f"its {name} are not JSON", place=place) from None


@contextmanager
def _plainly(place: Path) -> Iterator[None]:
    """Say in words what DuckDB says of a file."""
    try:
        yield
    except duckdb.Error as err:
        raise DataInvalid(f"cannot be read: {str(err).splitlines()[0]}", place=str(place)) from None
