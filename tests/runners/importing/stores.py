"""MLflow's stores as MLflow 2 and 3 write them, made without MLflow."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

STATUSES = {"RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
SCHEMA = """
create table experiments (experiment_id integer primary key, name varchar(256), artifact_location varchar(256),
    lifecycle_stage varchar(32), creation_time bigint, last_update_time bigint);
create table runs (run_uuid varchar(32) primary key, name varchar(250), source_type varchar(20),
    source_name varchar(500), entry_point_name varchar(50), user_id varchar(256), status varchar(9), start_time bigint,
    end_time bigint, source_version varchar(50), lifecycle_stage varchar(20), artifact_uri varchar(200),
    experiment_id integer, deleted_time bigint);
create table params (key varchar(250), value varchar(8000), run_uuid varchar(32), primary key (key, run_uuid));
create table tags (key varchar(250), value varchar(8000), run_uuid varchar(32), primary key (key, run_uuid));
create table metrics (key varchar(250), value double, timestamp bigint, run_uuid varchar(32), step bigint,
    is_nan boolean, primary key (key, timestamp, step, run_uuid, value, is_nan));
create index index_metrics_run_uuid on metrics (run_uuid);
"""


@dataclass
class Made:
    """A run as MLflow keeps it. `metrics`: name → points of (milliseconds, value as text, step)."""

    id: str
    name: str = "sincere-hog-12"
    experiment: str = "Flüge / 2024"
    status: str = "FINISHED"
    stage: str = "active"
    start: int = 1_700_000_000_000
    end: int | None = 1_700_000_060_000
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[tuple[int, str, int]]] = field(default_factory=dict)


def in_files(folder: Path, runs: list[Made], *, deleted: str = "") -> Path:
    """A file store; the experiment named `deleted` lies in its trash."""
    numbers = {name: str(number) for number, name in enumerate(dict.fromkeys(run.experiment for run in runs))}
    for name, number in numbers.items():
        place = folder / (".trash" if name == deleted else "") / number
        place.mkdir(parents=True)
        stage = "deleted" if name == deleted else "active"
        (place / "meta.yaml").write_text(
            f"artifact_location: file://{place}\ncreation_time: 1\nexperiment_id: '{number}'\n"
            f"lifecycle_stage: {stage}\nname: {name}\n"
        )
    for run in runs:
        place = folder / (".trash" if run.experiment == deleted else "") / numbers[run.experiment] / run.id
        for kind in ("params", "tags", "metrics", "artifacts"):
            (place / kind).mkdir(parents=True)
        (place / "meta.yaml").write_text(
            f"artifact_uri: file://{place}/artifacts\nend_time: {'null' if run.end is None else run.end}\n"
            f"entry_point_name: ''\nexperiment_id: '{numbers[run.experiment]}'\nlifecycle_stage: {run.stage}\n"
            f"run_id: {run.id}\nrun_name: '{run.name}'\nrun_uuid: {run.id}\nsource_type: 4\n"
            f"start_time: {run.start}\nstatus: {STATUSES[run.status]}\ntags: []\nuser_id: ana\n"
        )
        lines = {
            name: "".join(f"{at} {value} {step}\n" for at, value, step in run.metrics[name]) for name in run.metrics
        }
        for kind, values in (("params", run.params), ("tags", run.tags), ("metrics", lines)):
            for name, text in values.items():
                file = place / kind / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
    return folder


def in_database(file: Path, runs: list[Made], *, deleted: str = "") -> Path:
    """A SQLite store; the experiment named `deleted` is."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(run.experiment for run in runs), 1)}
    with closing(sqlite3.connect(file)) as db, db:
        db.executescript(SCHEMA)
        for name, number in numbers.items():
            stage = "deleted" if name == deleted else "active"
            db.execute("insert into experiments values (?, ?, '', ?, 1, 1)", [number, name, stage])
        for run in runs:
            db.execute(
                "insert into runs values (?, ?, 'LOCAL', '', '', 'ana', ?, ?, ?, '', ?, ?, ?, null)",
                [run.id, run.name, run.status, run.start, run.end, run.stage, f"/a/{run.id}", numbers[run.experiment]],
            )
            db.executemany("insert into params values (?, ?, ?)", [(n, v, run.id) for n, v in run.params.items()])
            db.executemany("insert into tags values (?, ?, ?)", [(n, v, run.id) for n, v in run.tags.items()])
            for name, points in run.metrics.items():
                rows = [(name, *_kept(value), at, run.id, step) for at, value, step in points]
                db.executemany(
                    "insert into metrics (key, value, is_nan, timestamp, run_uuid, step) values (?, ?, ?, ?, ?, ?)",
                    rows,
                )
    return file


def _kept(value: str) -> tuple[float, int]:
    """As MLflow keeps a value where the database knows neither NaN nor infinity."""
    if value == "nan":
        return 0.0, 1
    return {"inf": 1.7976931348623157e308, "-inf": -1.7976931348623157e308}.get(value, float(value)), 0
