"""MLflow's SQLite store, such as `mlflow.db`, read without MLflow and without writing to it."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np

from runners.importing.mlflow import Head, origin_of, run_of, seconds
from runners.importing.sources import Entry, Problem, Store
from storage.errors import DataInvalid
from storage.metrics import Series
from storage.write.imported import Imported

MAGIC = b"SQLite format 3\0"
ENDLESS = 1.7976931348623157e308  # how MLflow writes infinity, which not every database takes
HEADS = """
    select r.run_uuid, e.name, r.name, r.status, r.user_id, r.start_time, r.end_time, r.lifecycle_stage,
        e.lifecycle_stage, r.artifact_uri, p.value
    from runs r join experiments e on e.experiment_id = r.experiment_id
    left join tags p on p.run_uuid = r.run_uuid and p.key = 'mlflow.parentRunId'
    order by r.start_time, r.run_uuid
"""
METRICS = """
    select key, step, timestamp, case when is_nan then null else value end
    from metrics where run_uuid = ? order by key, timestamp, step
"""


def is_store(path: Path) -> bool:
    """Whether the file is a SQLite database."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def store(path: Path) -> Store:
    """All runs of the database, by their heads.

    Raises:
        DataInvalid: it is damaged, or none of MLflow's.
    """
    found = Store("MLflow's database", str(path))
    with _opened(path) as db:
        rows = db.execute(HEADS).fetchall()
    for row in rows:
        try:
            found.entries.append(_entry(path, *row))
        except DataInvalid as err:
            found.problems.append(Problem(err.place, err.message))
    return found


def _entry(
    path: Path,
    run_id: str,
    experiment: object,
    name: object,
    status: object,
    user: object,
    started_at: object,
    ended_at: object,
    stage: object,
    experiment_stage: object,
    artifacts: object,
    parent: object,
) -> Entry:
    place = f"{path}, run {run_id}"
    head = Head(
        id=str(run_id),
        experiment=str(experiment),
        name=str(name or ""),
        status=str(status),
        user=str(user or ""),
        started_at=seconds(started_at, place),
        ended_at=seconds(ended_at, place),
        deleted="deleted" in (stage, experiment_stage),
        artifacts=str(artifacts or ""),
    )
    return Entry(
        origin=head.origin,
        place=place,
        name=head.name or head.id,
        project=head.project,
        started_at=head.started_at,
        left_out=head.left_out,
        read=partial(_read, path, head, place),
        parent=origin_of(str(parent)) if parent else "",
    )


def _read(path: Path, head: Head, place: str) -> Imported:
    with _opened(path) as db:
        params = db.execute("select key, value from params where run_uuid = ?", [head.id]).fetchall()
        tags = db.execute("select key, value from tags where run_uuid = ?", [head.id]).fetchall()
        points = db.execute(METRICS, [head.id]).fetchall()
    return run_of(head, _texts(params), _texts(tags), _series(points, place), place)


def _texts(rows: list[tuple[object, object]]) -> dict[str, str]:
    return {str(key): "" if value is None else str(value) for key, value in rows}


def _series(rows: list[tuple[object, int, int, float | None]], place: str) -> dict[str, Series]:
    parts: dict[str, list[tuple[int, int, float | None]]] = defaultdict(list)
    for key, step, time, value in rows:
        parts[str(key)].append((step, time, value))
    found = {}
    for name, points in parts.items():
        try:
            steps = np.array([step for step, _, _ in points], dtype=np.int64)
            times = np.array([time for _, time, _ in points], dtype=np.float64) / 1000
            values = np.array([math.nan if value is None else value for *_, value in points], dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise DataInvalid(f"a point of {name} is no number", place=place) from None
        values[np.abs(values) == ENDLESS] *= math.inf
        found[name] = Series(steps, times, values)
    return found


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, to be read only; what is wrong with it in words."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=60)) as db:
            db.text_factory = lambda data: data.decode(errors="replace")
            yield db
    except sqlite3.Error as err:
        raise DataInvalid(
            f"cannot be read: {err}",
            place=str(path),
            expected="a SQLite store of MLflow 1.0 or newer",
            todo="`mlflow db upgrade sqlite:///FILE` brings an older one up to date",
        ) from None
