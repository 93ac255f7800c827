"""Drift where the data are files that are no tables: by what the model says of them, and by their sizes and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.triggers import drifting
from runners.triggers.measuring import Found
from storage.project import ProjectSpec, load_project
from storage.shed import Shed
from storage.tables import ModelVersion
from tests import logged
from tests.scenes import dataset_version_of

FILES = """\
[project]
name = "delays"
[dataset]
name = "pictures"
kind = "files"
files = "images/**/*.png"
[train]
entry = "m:f"
[[trigger]]
on = "drift"
"""
LEARNT = {f"images/{kind}/{place}.png": b"%03d" % place for place in range(100) for kind in ("cat", "possum")}


@pytest.fixture
def version(shed: Shed, tmp_path: Path) -> ModelVersion:
    """A version in production that learnt from two hundred pictures, half of them of cats."""
    version = logged.trained(shed, tmp_path / "project")
    (tmp_path / "project" / "trainshed.toml").write_text(FILES)
    learnt = dataset_version_of(shed, "pictures", LEARNT)
    with shed.writing("test", "model") as write:
        row = write.session.get_one(ModelVersion, version.id)
        row.dataset_version_id = learnt.id
        write.session.add(row)
    return version


def look(shed: Shed, folder: Path) -> Found:
    project: ProjectSpec = load_project(folder)
    return drifting.look(shed, project, project.trigger[0])


def test_new_files_of_one_folder_and_of_another_size_are_told(
    shed: Shed, tmp_path: Path, version: ModelVersion
) -> None:
    new = {f"images/possum/hat-{place}.png": b"%06d" % place for place in range(60)}
    dataset_version_of(shed, "pictures", {**LEARNT, **new})
    found = look(shed, tmp_path / "project")
    assert found.why.startswith("size shifted (PSI ") and "; folder shifted (PSI " in found.why
    assert found.why.endswith(": 60 new files of v2 against what v1 was trained on")
    assert found.evidence is not None
    assert found.evidence["drift"][0]["means"] == (3.0, 6.0)


def test_files_like_those_before_are_no_drift(shed: Shed, tmp_path: Path, version: ModelVersion) -> None:
    new = {f"images/{kind}/new-{place}.png": b"+%02d" % place for place in range(40) for kind in ("cat", "possum")}
    dataset_version_of(shed, "pictures", {**LEARNT, **new})
    assert look(shed, tmp_path / "project") == Found("")


def test_answers_unlike_those_to_the_rows_of_the_evaluation_are_told(
    shed: Shed, tmp_path: Path, version: ModelVersion
) -> None:
    folder = logged.endpoint(shed, version)
    logged.log(folder, version, logged.records(300, seed=3), bias=1.0)
    found = look(shed, tmp_path / "project")
    assert found.why.startswith("prediction shifted (PSI ")
    assert found.why.endswith(": 300 predictions of delays against what v1 was trained on")


def test_what_is_lacking_is_told(shed: Shed, tmp_path: Path, version: ModelVersion) -> None:
    told = look(shed, tmp_path / "project").told
    assert told.startswith(
        "waits: v1 was asked for fewer than 50 predictions in 24 h, and fewer than 50 new files came"
    )
