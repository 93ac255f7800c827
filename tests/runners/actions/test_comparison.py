"""Runs side by side: real runs of a small project that differ in one thing each."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.actions.comparison import compare, less_is_better
from runners.actions.pipelines import run_pipeline
from storage.errors import UsageError
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.points import changed, points_project, write_points
from tests.scenes import run_of


def ran(shed: Shed, project: Path, **params: object) -> int:
    finished = run_pipeline(shed, project, params=dict(params), on_event=lambda event: None)
    assert finished.status in ("done", "refused") and finished.run is not None, finished
    return finished.run


@pytest.mark.parametrize(
    ("metric", "less"),
    [
        ("test/auroc", False), ("rmse", True), ("val/loss", True), ("package/latency_p99_ms", True), ("lr", None),
        ("test/late among the riskiest 10%", None),
    ],
)  # fmt: skip
def test_the_direction_of_a_metric_is_known_by_its_name_or_nobody_says(metric: str, less: bool | None) -> None:
    assert less_is_better(metric) is less


def test_a_metric_of_the_projects_own_has_the_direction_that_its_gate_gives_it() -> None:
    assert less_is_better("test/lift", {"metric": "lift", "min": 2.0}) is False
    assert less_is_better("test/cost", {"metric": "cost", "max": 2.0}) is True
    assert less_is_better("test/other", {"metric": "cost", "max": 2.0}) is None


def test_runs_are_told_apart_by_param_code_settings_and_data(shed: Shed, tmp_path: Path) -> None:
    project = points_project(tmp_path / "points")
    runs = [ran(shed, project), ran(shed, project, lr=0.5)]
    code = project / "pipeline.py"
    code.write_text(code.read_text().replace("out of luck", "no luck at all"))
    (project / "more.py").write_text("X = 1\n")
    changed(project, ("validation = 0.2", "validation = 0.25"))
    runs.append(ran(shed, project))
    write_points(project / "data" / "two.csv", rows=200, seed=5)
    changed(
        project,
        ('files = "data/*.csv"', 'files = "data/*.csv"\nquery = """\nselect *\nfrom data\n"""'),
    )
    runs.append(ran(shed, project))
    found = compare(shed, runs)
    assert [row.run.id for row in found.runs] == runs
    assert found.params == {"lr": ["1.0", "0.5", "1.0", "1.0"]}
    assert found.settings["split.validation"] == ["0.2", "0.2", "0.25", "0.25"]
    assert found.origin["dataset"] == ["points v1", "points v1", "points v1", "points v2"]
    assert "code" in found.origin and "seed" not in found.origin
    # Importing scikit-learn, once in this process, sets variables of its own.
    assert all(name.startswith("variables KMP_") for name in found.environment), found.environment
    auroc = next(metric for metric in found.metrics if metric.name == "test/auroc")
    rows = found.origin["test rows"]
    assert not found.same_rows and rows[0] == rows[1] != rows[3]
    same = [value or 0.0 for value, told in zip(auroc.values, rows, strict=True) if told == rows[0]]
    assert [auroc.values[place] for place in auroc.best] == [max(same)] and 3 not in auroc.best, (
        "nobody to be better than"
    )
    loss = next(metric for metric in found.metrics if metric.name == "train/loss")
    assert loss.values[loss.best[0]] == min(value for value in loss.values if value is not None)
    first, second = found.code
    assert (first.base, first.runs, second.runs) == (runs[0], [runs[2]], [runs[3]])
    assert {file.path: file.change for file in first.files} == {"pipeline.py": "changed", "more.py": "added"}
    assert '+        raise RuntimeError("no luck at all")' in first.lines
    assert "--- /dev/null" in first.lines and "+X = 1" in first.lines
    assert {"trainshed.toml: dataset.query", "pipeline.py", "more.py"} == {file.path for file in second.files}
    assert "+from data" in second.lines
    (data,) = found.data
    assert (data.base, data.runs, data.old, data.new) == (runs[0], [runs[3]], "points v1", "points v2")
    assert any("1 file added: data/two.csv" in line for line in data.sentences)
    assert any("400 → 600 rows" in line for line in data.sentences)
    assert compare(shed, runs, contents=False).code == []


def test_what_gc_has_taken_is_said_and_the_rest_still_compared(shed: Shed, tmp_path: Path) -> None:
    project = points_project(tmp_path / "points")
    one = ran(shed, project)
    (project / "pipeline.py").write_text((project / "pipeline.py").read_text() + "\n# a remark\n")
    write_points(project / "data" / "one.csv", seed=9)
    two = ran(shed, project)
    for digest in list(shed.objects.digests()):
        shed.objects.remove(digest)
    (shed.run_dir(one) / "environment.json").unlink()
    found = compare(shed, [one, two])
    (diff,) = found.code
    assert diff.lines == ["pipeline.py: changed; its text is no longer in the shed, or damaged"]
    assert "cannot be read" in found.data[0].sentences[0]
    assert found.environment["python version"][0] is None and found.environment["python version"][1]


def test_runs_on_the_same_test_rows_say_nothing_of_them(shed: Shed, tmp_path: Path) -> None:
    project = points_project(tmp_path / "points")
    found = compare(shed, [ran(shed, project), ran(shed, project, lr=0.5)], contents=False)
    assert found.same_rows and "test rows" not in found.origin


def test_runs_without_code_or_data_and_of_other_projects_can_be_compared(shed: Shed) -> None:
    run_of(shed, "one", snapshot={"files": {}}, params={"lr": 1})
    run_of(shed, "two", code="d" * 64, seed=3)
    found = compare(shed, [2, 1])
    assert found.origin["project"] == ["two", "one"] and found.origin["seed"] == ["3", "0"]
    assert found.params == {"lr": [None, "1"]}
    assert found.code[0].lines == ["the code: changed; which files it had is not known any more"]
    assert found.data == [] and found.metrics == []


def test_twenty_runs_and_no_more(shed: Shed) -> None:
    for number in range(21):
        write_runs.measured(shed, run_of(shed, params={"n": number}).id or 0, {"test/auroc": number / 100})
    found = compare(shed, list(range(1, 21)))
    assert len(found.params["n"]) == 20 and found.metrics[0].best == [19]
    assert found.code == [], "they have the same code"
    for ids in ([1], [1, 1], list(range(1, 22))):
        with pytest.raises(UsageError):
            compare(shed, ids)
    with pytest.raises(UsageError, match="no run 99"):
        compare(shed, [1, 99])
