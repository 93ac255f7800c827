"""Runs that were made elsewhere, taken in as they were there."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from storage import durable, metrics
from storage.metrics import Series
from storage.shed import Shed, current_user
from storage.tables import IMPORTED, Run, RunNote, RunParam
from storage.write import runs as write_runs
from storage.write.runs import NewRun

TRUTHS = {"True": 1.0, "False": 0.0}  # as Python writes them, and as params of our own runs are filed


@dataclass(frozen=True)
class Imported:
    """A run as its source tells it.

    Attributes:
        origin: what it is known by at its source, such as `mlflow:3f2a…`: the same origin is never taken in twice.
        status: done, failed, stopped, invalid or refused.
        params: as texts, as they are shown.
        remarks: who said what, when.
        source: what people may want to know of where it came from.
    """

    origin: str
    name: str
    project: str
    user: str
    host: str
    status: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    reason: str = ""
    seed: int = 0
    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)  # metrics that are one figure, without a series
    tags: tuple[str, ...] = ()
    remarks: tuple[tuple[str, float, str], ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)


def add(shed: Shed, run: Imported) -> int | None:
    """Take a run in, with its series, wholly or not at all; returns its number here, None where it is here already."""
    with tempfile.TemporaryDirectory(dir=shed.tmp, prefix="import-") as place:
        fresh = Path(place, "run")
        fresh.mkdir()
        if run.series:
            metrics.write(fresh / "metrics", run.series)
            durable.sync_all(str(path) for path in (fresh / "metrics").iterdir())
        for folder in (fresh, *(path for path in fresh.iterdir() if path.is_dir())):
            folder.chmod(0o2770)
        with shed.writing("run imported", run.origin) as write:
            known = select(Run.id).where(col(Run.identity) == run.origin)
            if write.session.exec(known).first() is not None:
                return None
            row = write_runs.insert(
                write,
                _new(run),
                user=run.user,
                host=run.host,
                status=run.status,
                created_at=run.created_at,
                started_at=run.started_at,
                ended_at=run.ended_at,
                reason=run.reason,
                ending=run.status,
            )
            run_id = row.id or 0
            write.detail.update(origin=run.origin)
            write.session.add_all(
                RunParam(run_id=run_id, name=n, text=t, number=_number(t)) for n, t in run.params.items()
            )
            found = {name: metrics.summary(series) for name, series in run.series.items() if len(series)}
            write.session.add_all(write_runs.metric_row(run_id, name, each) for name, each in found.items())
            alone = {name: value for name, value in run.values.items() if name not in found}
            write.session.add_all(write_runs.figure_row(run_id, name, value) for name, value in alone.items())
            for user, at, text in (*run.remarks, (current_user(), time.time(), _told(run))):
                write.session.add(RunNote(run_id=run_id, at=at, user=user, text=text))
            write.session.flush()
            _put(fresh, shed.run_dir(run_id))
    return run_id


def _new(run: Imported) -> NewRun:
    return NewRun(
        name=run.name,
        project=run.project,
        project_dir="",
        identity=run.origin,
        code="",
        spec={},
        snapshot={},
        params={},
        seed=run.seed,
        commit=run.commit,
        branch=run.branch,
        dirty=run.dirty,
        tags=run.tags,
        kind=IMPORTED,
    )


def _told(run: Imported) -> str:
    return "\n".join([f"imported by {current_user()}", *(f"{name}: {value}" for name, value in run.source.items())])


def _put(fresh: Path, place: Path) -> None:
    """Before the transaction ends. A process that was killed here left a directory for a number that is given anew."""
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)


def _number(text: str) -> float | None:
    try:
        number = TRUTHS[text] if text in TRUTHS else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
