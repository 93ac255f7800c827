"""Runs of MLflow become runs of ours, from either of its stores alike."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from runners.actions import queueing, reproducing
from runners.actions.comparison import compare
from runners.actions.importing import Found, import_runs
from runners.actions.lineage import run_node
from runners.actions.runs import details
from storage import metrics
from storage.errors import DataInvalid, UsageError
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.shed import Shed
from tests.runners.importing.stores import Made, in_database, in_files

Written = Callable[[list[Made]], Path]


@pytest.fixture(params=["files", "database"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Written:
    """Writes runs into one of MLflow's stores; an experiment named `gone` is deleted."""
    if request.param == "files":
        return lambda runs: in_files(tmp_path / "mlruns", runs, deleted="gone")
    return lambda runs: in_database(tmp_path / "mlflow.db", runs, deleted="gone")


def taken_in(shed: Shed, place: Path, **how: bool | str) -> Found:
    return import_runs(shed, str(place), **how)  # type: ignore[arg-type]


def test_a_run_comes_with_all_that_mlflow_kept_of_it(shed: Shed, written: Written) -> None:
    at = 1_700_000_000_000
    run = Made(
        "a" * 32,
        name="first try, größer",
        params={"lr": "0.001", "flag": "True", "große": "schön 🌲\nzweite Zeile", "deep/er": "None"},
        tags={
            "mlflow.user": "bo",
            "mlflow.source.git.commit": "c" * 40,
            "mlflow.source.git.branch": "main",
            "mlflow.note.content": "worth a look",
            "team": "vision",
            "baseline": "true",
        },
        metrics={
            "train/loss": [(at + 10 * step, repr(1 / (step + 1)), step) for step in range(5)],
            "val/auroc": [(at + 10 * step, repr(0.5 + step / 10), step) for step in range(5)],
            "odd": [(at, "1.5", 0), (at + 1, "nan", 1), (at + 2, "inf", 2), (at + 3, "-inf", 3)],
            "neg": [(at, "1e-300", -7)],
        },
    )
    found = taken_in(shed, written([run]))
    assert (dict(found.runs), found.problems) == ({"Fluge-2024": 1}, [])
    row = read_runs.row(shed, found.ids[0])
    assert (row.run.name, row.run.project, row.run.status, row.run.user) == (
        "first try, größer",
        "Fluge-2024",
        "done",
        "bo",
    )
    assert (row.run.created_at, row.run.started_at, row.run.ended_at) == (1.7e9, 1.7e9, 1.7e9 + 60)
    assert (row.run.commit, row.run.branch) == ("c" * 40, "main")
    assert row.params == run.params
    assert row.tags == ["baseline", "mlflow", "team-vision"]
    told = metrics.read_all(shed.run_dir(found.ids[0]) / "metrics")
    assert told["train/loss"].value.tolist() == [1 / (step + 1) for step in range(5)]
    assert told["train/loss"].step.tolist() == list(range(5))
    assert told["train/loss"].time.tolist() == [1.7e9 + step / 100 for step in range(5)]
    assert [repr(value) for value in told["odd"].value.tolist()] == ["1.5", "nan", "inf", "-inf"]
    assert (told["neg"].value.tolist(), told["neg"].step.tolist()) == ([1e-300], [-7])
    odd = row.metrics["odd"]
    assert (odd.lowest, odd.highest, odd.count, odd.nonfinite_step) == (1.5, 1.5, 4, 1)
    notes = read_runs.notes(shed, found.ids[0])
    assert notes[0].text == "worth a look" and notes[0].user == "bo"
    assert "Flüge / 2024" in notes[1].text and "a" * 32 in notes[1].text and "tag team: vision" in notes[1].text


def test_runs_are_filtered_and_sorted_like_our_own(shed: Shed, written: Written) -> None:
    runs = [
        Made(f"{n:032}", params={"lr": str(10.0**-n), "warm": str(n > 1)}, start=n * 1000, end=None) for n in (1, 2, 3)
    ]
    taken_in(shed, written(runs[::-1]))
    assert [row.params["lr"] for row in read_runs.page(shed)] == ["0.001", "0.01", "0.1"]  # the newest first
    assert [row.run.id for row in read_runs.page(shed, "lr<0.05 tag=mlflow warm=1", sort="lr")] == [3, 2]


def test_again_it_adds_only_what_is_new(shed: Shed, tmp_path: Path) -> None:
    runs = [Made("a" * 32), Made("b" * 32)]
    assert len(taken_in(shed, in_files(tmp_path / "one", runs[:1])).ids) == 1
    found = taken_in(shed, in_database(tmp_path / "two.db", runs))  # the same run, moved to another store
    assert (found.known, len(found.ids)) == (1, 1)
    assert taken_in(shed, tmp_path / "one").known == 1
    assert read_runs.count(shed) == 2


def test_what_is_deleted_or_not_ended_there_is_left_out_and_counted(shed: Shed, written: Written) -> None:
    place = written(
        [
            Made("a" * 32, stage="deleted"),
            Made("b" * 32, experiment="gone"),
            Made("c" * 32, status="RUNNING", end=None, metrics={"loss": [(1_700_000_005_000, "1.0", 0)]}),
            Made("d" * 32, status="KILLED"),
            Made("e" * 32, status="FAILED"),
        ]
    )
    found = taken_in(shed, place)
    assert (found.deleted, found.unfinished, len(found.ids)) == (2, 1, 2)
    assert [row.run.status for row in read_runs.page(shed, sort="id")] == ["stopped", "failed"]
    found = taken_in(shed, place, unfinished=True)
    run = read_runs.run(shed, found.ids[0])
    assert (run.status, run.ended_at) == ("stopped", 1.7e9 + 5)
    assert "running in MLflow" in run.reason


def test_nested_runs_name_the_run_that_they_are_a_part_of(shed: Shed, written: Written) -> None:
    child = Made("a" * 32, tags={"mlflow.parentRunId": "f" * 32}, start=1_700_000_001_000)
    found = taken_in(shed, written([child, Made("f" * 32)]))
    parent, nested = found.ids
    assert read_runs.row(shed, nested).tags == [f"child-of-{parent}", "mlflow"]


def test_a_dry_run_says_what_would_come_and_takes_nothing_in(shed: Shed, written: Written) -> None:
    found = taken_in(shed, written([Made("a" * 32), Made("b" * 32, experiment="other")]), dry_run=True)
    assert dict(found.runs) == {"Fluge-2024": 1, "other": 1}
    assert read_runs.count(shed) == 0 and list((shed.root / "runs").iterdir()) == []


def test_all_runs_may_go_into_one_project(shed: Shed, written: Written) -> None:
    place = written([Made("a" * 32), Made("b" * 32, experiment="other")])
    with pytest.raises(UsageError, match="cannot be the name of a project"):
        taken_in(shed, place, project="../up")
    assert dict(taken_in(shed, place, project="flight-delay").runs) == {"flight-delay": 2}
    assert {row.run.project for row in read_runs.page(shed)} == {"flight-delay"}


def test_an_imported_run_is_never_started_as_if_its_code_were_here(shed: Shed, written: Written) -> None:
    [run_id] = taken_in(shed, written([Made("a" * 32, status="FAILED")])).ids
    for verb in (queueing.resume, queueing.requeue):
        with pytest.raises(UsageError, match="was imported: the code"):
            verb(shed, run_id)
    with pytest.raises(UsageError, match="was imported: the code"):
        reproducing.reproduce(shed, run_id, on_event=lambda event: None)
    assert read_queue.past(shed, "Fluge-2024") == []  # and foretells nothing of runs that are


def test_imported_runs_are_looked_into_compared_and_walked_back(shed: Shed, written: Written) -> None:
    runs = [Made(f"{n:032}", params={"lr": str(n)}, metrics={"val/loss": [(1, str(n), 0)]}) for n in (1, 2)]
    ids = taken_in(shed, written(runs)).ids
    compared = compare(shed, ids)
    assert compared.params == {"lr": ["1", "2"]}
    assert [(metric.values, metric.best) for metric in compared.metrics] == [([1.0, 2.0], [0])]
    assert details(shed, ids[0]).row.run.kind == "imported"
    assert run_node(shed, ids[0]).title == f"run {ids[0]} sincere-hog-12"


HOSTILE = 'x\x1b]0;owned\x07\x1b[31m[@click=app.quit]"; drop table run; --\u202e'


def test_hostile_texts_stay_inert(shed: Shed, tmp_path: Path) -> None:
    run = Made(
        "a" * 32, experiment="../../etc", tags={"mlflow.runName": HOSTILE, HOSTILE: HOSTILE, "mlflow.user": HOSTILE}
    )
    [run_id] = taken_in(shed, in_database(tmp_path / "m.db", [run])).ids
    row = read_runs.row(shed, run_id)
    assert row.run.project == "etc"
    assert row.run.name.isprintable() and row.run.user.isprintable()
    assert all(tag.isascii() and tag.isprintable() for tag in row.tags)


@pytest.mark.parametrize("name", ["../up", "a//b", "esc\x1b[31m", "x" * 251])
def test_a_metric_that_no_shed_would_take_keeps_its_run_out(shed: Shed, tmp_path: Path, name: str) -> None:
    bad, good = Made("a" * 32, metrics={name: [(1, "1.0", 0)]}), Made("b" * 32)
    found = taken_in(shed, in_database(tmp_path / "m.db", [bad, good]))
    assert len(found.ids) == 1
    assert [
        (problem.place.endswith("a" * 32), "cannot name a metric" in problem.message) for problem in found.problems
    ] == [(True, True)]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("meta.yaml", b"", "half written"),
        ("meta.yaml", b"status: [3", "cannot be read as YAML"),
        ("meta.yaml", b"run_id: x\nstatus: 9\n", "9 is no status"),
        ("meta.yaml", b"run_id: x\nstatus: 3\nstart_time: soon\n", "no moment"),
        ("meta.yaml", b"run_id: x\nstatus: 3\nstart_time: 99999999999999999999\n", "no moment"),
        ("meta.yaml", None, "is not there"),
        ("metrics/loss", b"1700000000000 0.5 0\n17000", "no metric"),
        ("metrics/loss", b"1700000000000 half 0\n", "no metric"),
        ("metrics/loss", b"1700000000000 1.0 99999999999999999999\n", "no metric"),
        ("params/lr", b"\xff\xfe", "is no text"),
        ("params/lr", b"x" * 300_000, "too long"),
    ],
)
def test_a_bad_file_is_named_and_the_other_runs_go_on(
    shed: Shed, tmp_path: Path, file: str, content: bytes | None, said: str
) -> None:
    good = Made("b" * 32)
    store = in_files(tmp_path / "mlruns", [Made("a" * 32, params={"lr": "1"}, metrics={"loss": [(1, "1", 0)]}), good])
    bad = store / "0" / ("a" * 32) / file
    if content is None:
        bad.unlink()
    else:
        bad.write_bytes(content)
    found = taken_in(shed, store)
    assert len(found.ids) == read_runs.count(shed) == 1
    [problem] = found.problems
    assert problem.place.startswith(str(bad.parent)) and said in problem.message
    assert [path.name for path in (shed.root / "runs").iterdir()] == [str(found.ids[0])]


def test_links_lead_out_of_no_store(shed: Shed, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("token")
    store = in_files(tmp_path / "mlruns", [Made("a" * 32), Made("b" * 32)])
    (store / "0" / ("a" * 32) / "params" / "lr").symlink_to(tmp_path / "secret")
    (store / "0" / "elsewhere").symlink_to(tmp_path)
    found = taken_in(shed, store)
    assert len(found.ids) == 1 and "is a link" in found.problems[0].message


def test_a_database_that_is_none_of_mlflows_is_named(shed: Shed, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("create table t (a)")
    with pytest.raises(DataInvalid, match=r"other\.db: cannot be read: no such table"):
        taken_in(shed, tmp_path / "other.db")
    whole = in_database(tmp_path / "m.db", [Made("a" * 32)]).read_bytes()
    (tmp_path / "m.db").write_bytes(whole[:5000])
    with pytest.raises(DataInvalid, match=r"m\.db: cannot be read"):
        taken_in(shed, tmp_path / "m.db")


def test_values_of_another_type_keep_one_run_out(shed: Shed, tmp_path: Path) -> None:
    place = in_database(tmp_path / "m.db", [Made("a" * 32, metrics={"loss": [(1, "1", 0)]}), Made("b" * 32)])
    with closing(sqlite3.connect(place)) as db, db:
        db.execute("update metrics set step = 'soon'")
    found = taken_in(shed, place)
    assert len(found.ids) == 1 and "no number" in found.problems[0].message


def test_the_database_is_only_read(shed: Shed, tmp_path: Path) -> None:
    place = in_database(tmp_path / "m.db", [Made("a" * 32)])
    before = place.read_bytes()
    place.chmod(0o400)
    assert len(taken_in(shed, place).ids) == 1
    assert place.read_bytes() == before and sorted(path.name for path in tmp_path.iterdir()) == ["m.db", "shed"]


def test_a_store_is_found_where_mlflow_puts_it(shed: Shed, tmp_path: Path) -> None:
    (tmp_path / "tracking").mkdir()
    in_files(tmp_path / "tracking" / "mlruns", [Made("a" * 32)])
    assert len(taken_in(shed, tmp_path / "tracking").ids) == 1
    assert import_runs(shed, f"file://{tmp_path}/tracking/mlruns").known == 1
    in_database(tmp_path / "tracking" / "mlflow.db", [Made("b" * 32)])
    with pytest.raises(UsageError, match="two stores"):
        taken_in(shed, tmp_path / "tracking")
    assert len(import_runs(shed, f"sqlite:///{tmp_path}/tracking/mlflow.db").ids) == 1


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "no such file"),
        (".", "nothing here that can be imported"),
        ("http://host:5000", "only files are read"),
        ("postgresql://ana:secret@host/mlflow", "only files are read"),
    ],
)
def test_what_is_no_store_is_refused_with_what_would_be(
    shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(UsageError, match=said) as told:
        import_runs(shed, place)
    assert "mlruns" in told.value.expected and "secret" not in str(told.value)


def test_event_files_of_tensorboard_are_told_from_nothing(shed: Shed, tmp_path: Path) -> None:
    (tmp_path / "logs" / "run1").mkdir(parents=True)
    (tmp_path / "logs" / "run1" / "events.out.tfevents.1700000000.host").write_bytes(b"x")
    with pytest.raises(UsageError) as told:
        taken_in(shed, tmp_path / "logs")
    assert "TensorBoard" in told.value.todo


def test_a_series_without_a_finite_value_is_told_as_such(shed: Shed, written: Written) -> None:
    [run_id] = taken_in(shed, written([Made("a" * 32, metrics={"loss": [(1, "nan", 0)]})])).ids
    metric = read_runs.row(shed, run_id).metrics["loss"]
    assert metric.last is None and metric.nonfinite_step == 0
    assert math.isnan(metrics.read(shed.run_dir(run_id) / "metrics", "loss").value[0])
