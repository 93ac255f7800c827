"""A run done again from what it froze, really, and what is said when the same does not come out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from runners.actions.pipelines import run_pipeline
from runners.actions.reproducing import Reproduced, reproduce, reproduce_beside
from storage.errors import RunFailed, UsageError
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import Run
from tests.points import changed, points_project, write_points
from tests.scenes import run_of
from tests.waiting import until


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return changed(points_project(tmp_path / "points"), ("min = 0.999", "min = 0.5"))


def ran(shed: Shed, project: Path, **params: object) -> int:
    finished = run_pipeline(shed, project, params=dict(params), on_event=lambda event: None)
    assert finished.status == "done" and finished.run is not None, finished
    return finished.run


def again(shed: Shed, run_id: int, **options: Any) -> Reproduced:
    return reproduce(shed, run_id, on_event=lambda event: None, **options)


def test_the_same_comes_out_and_nothing_is_registered_or_promoted(shed: Shed, project: Path) -> None:
    first = ran(shed, project)
    before = read_models.row(shed, "points")
    found = again(shed, first)
    assert found.agrees and found.finished.run == first + 1
    assert {"test/auroc", "train/loss"} <= {pair.name for pair in found.pairs}
    assert all(pair.difference == 0 for pair in found.pairs)
    assert found.same_model is True and found.parted == []
    assert not any("latency" in pair.name for pair in found.pairs), "no time is the same twice"
    row = read_runs.row(shed, first + 1)
    assert row.tags == [f"reproduces-{first}"] and row.run.status == "done"
    stages = {stage.name: stage.status for stage in read_runs.stages(shed, first + 1)}
    assert stages == {
        "validate": "cached", "prepare": "cached", "train": "done", "evaluate": "done", "package": "done",
    }  # fmt: skip
    assert read_models.row(shed, "points") == before
    assert "agree" in read_runs.notes(shed, first + 1)[0].text


def test_a_process_of_its_own_does_it_for_one_who_does_not_wait(
    shed: Shed, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    first = ran(shed, project)
    reproduce_beside(shed, first)
    (note,) = until(lambda: read_runs.notes(shed, first + 1), 60.0)
    assert note.text.startswith(f"reproduces run {first}")
    with pytest.raises(UsageError, match="never trained"):
        reproduce_beside(shed, run_of(shed, dataset_version_id=1).id or 0)


def test_what_was_frozen_is_done_again_whatever_became_of_the_project(shed: Shed, project: Path) -> None:
    first = ran(shed, project, lr=0.5)
    (project / "pipeline.py").write_text("def train(run):\n    raise SystemExit('edited')\n")
    write_points(project / "data" / "two.csv", rows=50)
    changed(project, ("epochs = 60", "epochs = 1"))
    assert again(shed, first).agrees
    shutil.rmtree(project)
    found = again(shed, first)
    assert found.agrees, found
    assert read_runs.row(shed, found.finished.run or 0).params["lr"] == "0.5"


def test_chance_that_no_seed_governs_shows_where_the_series_part(shed: Shed, project: Path) -> None:
    first = ran(shed, project, fault="unseeded")
    found = again(shed, first)
    assert not found.agrees and found.same_model is False
    assert found.parted[0].name == "train/loss" and found.parted[0].step == 1
    assert "does not reproduce" in read_runs.notes(shed, found.finished.run or 0)[0].text
    assert again(shed, first, tolerance=10.0).agrees
    with pytest.raises(UsageError, match="tolerance"):
        again(shed, first, tolerance=-1.0)


def test_what_was_not_the_same_is_told_what_matters_most_first(shed: Shed, project: Path) -> None:
    first = ran(shed, project)
    place = shed.run_dir(first) / "environment.json"
    around = json.loads(place.read_text())
    around["packages"]["numpy"] = "1.0"
    around["python"]["version"] = "3.9.0"
    around["gpus"] = [{"name": "NVIDIA H200", "memory_bytes": 1}]
    around["driver"] = {"version": "500.1", "cuda": "12.0"}
    around["cpu"]["usable"] = 999
    around["variables"]["OMP_NUM_THREADS"] = "64"
    place.write_text(json.dumps(around))
    told = [str(each) for each in again(shed, first).ingredients]
    assert told[0].startswith("package numpy: 1.0 → ")
    assert told[1].startswith("python version: 3.9.0 → ")
    assert any(line.startswith("GPUs: NVIDIA H200 → ") for line in told)
    assert any(line.startswith("driver version: 500.1 → ") for line in told)
    assert any(line.startswith("cores usable: 999 → ") for line in told)
    assert any(line.startswith("threads OMP_NUM_THREADS: 64 → ") for line in told)
    place.unlink()
    (unknown,) = again(shed, first).ingredients
    assert unknown.what == "surroundings"


def test_a_run_whose_training_was_cached_is_held_against_the_run_that_trained(shed: Shed, project: Path) -> None:
    trained = ran(shed, project)
    changed(project, ("min = 0.5", "min = 0.6"))
    second = ran(shed, project)
    assert {s.name: s.status for s in read_runs.stages(shed, second)}["train"] == "cached"
    found = again(shed, second)
    assert found.agrees and found.same_model and found.parted == []
    assert "test/auroc" in {pair.name for pair in found.pairs}
    assert trained != second


def test_missing_code_and_changed_data_are_named_before_anything_starts(shed: Shed, project: Path) -> None:
    first = ran(shed, project)
    digest = read_runs.run(shed, first).snapshot["files"]["pipeline.py"]
    kept = shed.objects.path(digest).read_bytes()
    shed.objects.remove(digest)
    with pytest.raises(RunFailed, match=r"code is not whole any more: pipeline.py"):
        again(shed, first)
    shed.objects.put_bytes(kept)
    changed(project, ('files = "data/*.csv"', 'files = "data/*.csv"\nreference = true'))
    write_points(project / "data" / "one.csv", seed=3)
    second = ran(shed, project)
    write_points(project / "data" / "one.csv", seed=4)
    with pytest.raises(RunFailed, match=r"data are not what they were: .*one\.csv"):
        again(shed, second)
    with shed.writing("tampered", f"run {first}") as write:
        run = write.session.get_one(Run, first)
        run.spec = {**run.spec, "split": {**run.spec["split"], "seed": 7}}
        write.session.add(run)
    with pytest.raises(RunFailed, match="changed afterwards"):
        again(shed, first)
    assert read_runs.count(shed) == 2, "nothing was started"


def test_a_run_that_fails_when_it_is_done_again_says_so(shed: Shed, project: Path, tmp_path: Path) -> None:
    marker = tmp_path / "there"
    marker.touch()
    code = (project / "pipeline.py").read_text()
    (project / "pipeline.py").write_text(f"open({str(marker)!r}).close()\n" + code)
    first = ran(shed, project)
    marker.unlink()
    found = again(shed, first)
    assert not found.agrees and found.finished.status == "failed" and found.pairs == []
    assert "FileNotFoundError" in found.finished.reason


def test_what_cannot_be_compared_is_a_usage_error(shed: Shed, project: Path) -> None:
    run_of(shed, kind="command")
    failed = run_pipeline(shed, project, params={"fault": "crash"}, on_event=lambda event: None).run
    for run_id, said in ((1, "a command"), (failed, "never trained"), (99, "no run 99")):
        with pytest.raises(UsageError, match=said):
            again(shed, run_id or 0)


def test_a_run_that_went_only_so_far_is_done_again_only_so_far(shed: Shed, project: Path) -> None:
    finished = run_pipeline(shed, project, params={}, until="evaluate", on_event=lambda event: None)
    found = again(shed, finished.run or 0)
    assert found.agrees and "test/auroc" in {pair.name for pair in found.pairs} and found.same_model is None
