"""Runs leave a shed as tables that any tool reads, and come back in another one as they were."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest

from runners.actions import exporting
from runners.actions.exporting import export
from runners.actions.importing import import_runs
from runners.exporting import points
from storage import metrics
from storage.errors import DataInvalid, UsageError
from storage.metrics import Series
from storage.read import runs as read_runs
from storage.shed import Shed, open_shed
from storage.write import runs as write_runs
from tests.scenes import run_of

LOSS = [2.0, math.nan, math.inf, 0.1 + 0.2]


@pytest.fixture
def shed(tmp_path: Path) -> Shed:
    """Run 1 with curves, a figure, a tag and a note; run 2 of another project without any; run 3 at work."""
    shed = open_shed(tmp_path / "shed")
    params = {"lr": 1e-3, "text": 'a,"b"\nc ü'}
    run = run_of(shed, "flights", params=params, metrics={"test/auroc": 0.7}, tags=("keep",))
    steps, times = np.arange(4), np.array([1e9, 1e9 + 0.1, 1e9 + 0.25, 1e9 + 2])
    series = {"loss": Series(steps, times, np.array(LOSS)), "epoch": Series(steps, times, np.arange(4) / 2)}
    metrics.write(shed.run_dir(run.id or 0) / "metrics", series)
    found = {name: write_runs.metric_row(run.id or 0, name, metrics.summary(each)) for name, each in series.items()}
    write_runs.progress(shed, run.id or 0, found)
    write_runs.add_note(shed, run.id or 0, "worth a look")
    run_of(shed, "other", status="failed", reason="out of luck")
    run_of(shed, "flights", status="running")
    return shed


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_what_was_exported_is_read_by_any_tool(shed: Shed, tmp_path: Path, form: str) -> None:
    done = export(shed, [], tmp_path / "out", form=form)
    assert (done.runs, done.points) == (3, 8)
    assert sorted(path.name for path in done.folder.iterdir()) == [
        "README.md", "manifest.json", f"metrics.{form}", f"runs.{form}"
    ]  # fmt: skip
    read = duckdb.read_parquet if form == "parquet" else duckdb.read_csv
    runs = read(str(done.folder / f"runs.{form}")).project("run, name, status, params, metrics, tags").fetchall()
    assert [row[:3] for row in runs] == [(1, "flights", "done"), (2, "other", "failed"), (3, "flights", "running")]
    assert json.loads(runs[0][3]) == {"lr": "0.001", "text": 'a,"b"\nc ü'}
    assert json.loads(runs[0][4])["test/auroc"] == 0.7 and json.loads(runs[0][5]) == ["keep"]
    told = read(str(done.folder / f"metrics.{form}")).project("run, name, step, epoch, value").fetchall()
    assert [row[:4] for row in told if row[1] == "loss"] == [(1, "loss", step, step / 2) for step in range(4)]
    assert [repr(row[4]) for row in told if row[1] == "loss"] == [repr(value) for value in LOSS]
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert (manifest["version"], manifest["runs"], manifest["points"]) == (1, 3, 8)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_another_shed_takes_them_in_as_they_were(shed: Shed, tmp_path: Path, form: str) -> None:
    folder = export(shed, [], tmp_path / "out", form=form).folder
    other = open_shed(tmp_path / "other")
    run_of(other, "in the way")
    found = import_runs(other, str(folder))
    assert (dict(found.runs), found.unfinished, found.problems) == ({"flights": 1, "other": 1}, 1, [])
    before, after = read_runs.row(shed, 1), read_runs.row(other, found.ids[0])
    assert after.params == before.params and after.tags == ["imported", "keep"]
    for name in ("name", "project", "user", "host", "status", "created_at", "started_at", "ended_at", "seed"):
        assert getattr(after.run, name) == getattr(before.run, name)
    for name, metric in before.metrics.items():
        assert after.metrics[name].model_dump(exclude={"run_id"}) == metric.model_dump(exclude={"run_id"})
    ours, theirs = (metrics.read_all(each.run_dir(n) / "metrics") for each, n in ((shed, 1), (other, found.ids[0])))
    for name, series in ours.items():
        for part in ("step", "time", "value"):
            np.testing.assert_array_equal(getattr(theirs[name], part), getattr(series, part))
    assert read_runs.notes(other, found.ids[0])[0].text == "worth a look"
    assert read_runs.run(other, found.ids[1]).reason == "out of luck"
    assert len(import_runs(other, str(folder)).ids) == 0


def test_a_run_that_comes_back_is_known(shed: Shed, tmp_path: Path) -> None:
    other = open_shed(tmp_path / "other")
    import_runs(other, str(export(shed, ["1"], tmp_path / "there").folder))
    back = export(other, [], tmp_path / "back").folder
    assert import_runs(shed, str(back)).known == 1
    assert read_runs.count(shed) == 3


def test_a_part_of_another_run_finds_it_by_its_number_here(shed: Shed, tmp_path: Path) -> None:
    write_runs.add_tag(shed, 2, "child-of-1")
    write_runs.add_tag(shed, 2, "reproduces-1")
    other = open_shed(tmp_path / "other")
    for name in ("a", "b"):
        run_of(other, name)
    ids = import_runs(other, str(export(shed, ["1", "2"], tmp_path / "out").folder)).ids
    assert read_runs.row(other, ids[1]).tags == [f"child-of-{ids[0]}", "imported"]


def test_numbers_a_filter_or_a_project_say_which(shed: Shed, tmp_path: Path) -> None:
    assert export(shed, ["r2", "#1"], tmp_path / "a").runs == 2
    assert export(shed, ["auroc>0.5"], tmp_path / "b").runs == 1
    assert export(shed, ["status=failed"], tmp_path / "c", project="other").runs == 1
    with pytest.raises(UsageError, match="no runs of other fit the filter"):
        export(shed, ["status=done"], tmp_path / "d", project="other")
    with pytest.raises(UsageError, match="no run 9"):
        export(shed, ["1", "9"], tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_nothing_is_written_over_or_half_written(shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        export(shed, [], tmp_path / "there")
    with pytest.raises(UsageError, match=r'did you mean "parquet"'):
        export(shed, [], tmp_path / "out", form="parkett")
    (shed.run_dir(1) / "metrics" / "groups.jsonl").unlink()
    (shed.run_dir(1) / "metrics" / "groups.jsonl").mkdir()  # what cannot be read stops it in its middle
    with pytest.raises(UsageError, match="cannot write here"):
        export(shed, [], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shed", "there"]


def test_points_that_fill_several_parts_stay_in_order(
    shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "PART", 3)
    folder = export(shed, [], tmp_path / "out").folder
    told = duckdb.read_parquet(str(folder / "metrics.parquet")).project("name, step").fetchall()
    assert told == [(name, step) for name in ("loss", "epoch") for step in range(4)]
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("manifest.json", lambda data: b"{}", "is no manifest"),
        ("manifest.json", lambda data: data[:20], "is no manifest"),
        ("manifest.json", lambda data: data.replace(b'"version": 1', b'"version": 2'), "another trainshed"),
        ("metrics.parquet", lambda data: data[:-10], "is not whole"),
        ("metrics.parquet", lambda data: bytes(len(data)), "cannot be read"),
        ("runs.parquet", None, "is not there"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(
    shed: Shed, tmp_path: Path, file: str, change: Callable[[bytes], bytes] | None, said: str
) -> None:
    folder = export(shed, [], tmp_path / "out").folder
    if change is not None:
        (folder / file).write_bytes(change((folder / file).read_bytes()))
    else:
        (folder / file).unlink()
    with pytest.raises(DataInvalid, match=said) as told:
        import_runs(open_shed(tmp_path / "other"), str(folder))
    assert file in told.value.place or str(folder) == told.value.place


def _changed(folder: Path, sql: str) -> None:
    """Rewrite the runs of an export with some columns replaced."""
    file = folder / "runs.parquet"
    duckdb.execute(f"copy (select * replace ({sql}) from '{file}') to '{folder / 'new'}' (format parquet)")
    (folder / "new").replace(file)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["runs.parquet"] = file.stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("'odd' as status", "no status"),
        ("'[1' as params", "not JSON"),
        ("'[1]' as params", "cannot be read"),
        ('\'{"a": "b"}\' as metrics', "cannot be read"),
        ("null::varchar as origin", "no run, origin"),
        ("'inf'::double as started_at", "no moment"),
        ("-1.0::double as ended_at", "no moment"),
        ("'{\"../up\": 1}' as metrics", "cannot name a metric"),
    ],
)
def test_rows_that_no_shed_may_hold_are_left_out_one_by_one(shed: Shed, tmp_path: Path, sql: str, said: str) -> None:
    folder = export(shed, ["1", "2"], tmp_path / "out").folder
    value, _, column = sql.rpartition(" as ")
    _changed(folder, f"case when run = 1 then {value} else {column} end as {column}")
    other = open_shed(tmp_path / "other")
    found = import_runs(other, str(folder))
    assert len(found.ids) == read_runs.count(other) == 1
    assert [("run 1" in problem.place, said in problem.message) for problem in found.problems] == [(True, True)]


def test_runs_are_read_a_few_at_a_time(shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "AT_ONCE", 2)
    told: list[tuple[int, int]] = []
    done = export(shed, [], tmp_path / "out", progress=lambda what, count, total: told.append((count, total)))
    assert done.runs == 3 and told == [(1, 3), (2, 3), (3, 3)]
