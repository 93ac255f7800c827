"""The performance trigger: by feedback, by newly labelled files, else by an estimate that says it is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.actions import datasets
from runners.triggers import performing
from storage.project import ProjectSpec, load_project
from storage.shed import Shed
from storage.tables import ModelVersion
from storage.trigger_section import TriggerSection
from tests import logged

Served = tuple[ModelVersion, ProjectSpec, Path]
SPEC = TriggerSection.model_validate({"on": "performance", "drop": 0.05, "window_hours": 1})


@pytest.fixture
def served(shed: Shed, tmp_path: Path) -> Served:
    version = logged.trained(shed, tmp_path / "project")
    return version, load_project(tmp_path / "project"), logged.endpoint(shed, version)


def test_feedback_as_good_as_the_evaluation_fires_nothing(shed: Shed, served: Served) -> None:
    version, project, folder = served
    rows = logged.records(1000, seed=5)
    logged.log(folder, version, rows, known=logged.truths(rows))
    judged = performing.judge(shed, project, SPEC)
    assert judged is not None and not judged.performance.estimated and judged.of == "feedback of delays"
    assert performing.look(shed, project, SPEC).why == ""


def test_feedback_that_is_worse_beyond_chance_fires_with_its_figures(shed: Shed, served: Served) -> None:
    version, project, folder = served
    rows = logged.records(1000, seed=5)
    logged.log(folder, version, rows, known=[place % 2 == 0 for place in range(len(rows))])
    found = performing.look(shed, project, SPEC)
    assert found.why.startswith("v1: auroc 0.") and "1,000 rows, measured" in found.why
    assert found.evidence is not None and found.evidence["estimated"] is False and found.evidence["high"] < 0.6


def test_without_truth_an_estimate_counts_and_says_that_it_is_one(shed: Shed, served: Served) -> None:
    version, project, folder = served
    near = [{**row, "distance": 600.0, "carrier": "AA"} for row in logged.records(1000, seed=5)]
    logged.log(folder, version, near)
    found = performing.look(shed, project, SPEC)
    assert "estimated without truth, CBPE" in found.why and "predictions of delays without truth" in found.why
    assert found.evidence is not None and found.evidence["estimated"] is True
    measured_only = SPEC.model_copy(update={"estimate": False})
    assert performing.look(shed, project, measured_only).why == ""


def test_newly_labelled_files_are_truth(shed: Shed, tmp_path: Path, served: Served) -> None:
    version, project, _ = served
    folder = tmp_path / "project"
    logged.write_parquet(folder / "data" / "one.parquet", logged.records(300, seed=1))
    added = datasets.add_for_project(shed, folder, project)
    with shed.writing("test", "model") as write:
        row = write.session.get_one(ModelVersion, version.id)
        row.dataset_version_id = added.version.id
        write.session.add(row)
    assert performing.judge(shed, project, SPEC) is None
    logged.write_parquet(folder / "data" / "two.parquet", logged.records(600, seed=7), bias=0.0)
    datasets.add_for_project(shed, folder, project)
    judged = performing.judge(shed, project, SPEC)
    assert judged is not None and judged.of == "new labelled rows of flights v2"
    assert judged.performance.rows == 600 and not judged.performance.estimated
