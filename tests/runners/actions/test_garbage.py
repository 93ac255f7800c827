from __future__ import annotations

import time
from pathlib import Path

import pytest

from runners.actions.garbage import Garbage, collect
from runners.supervision import processes
from storage.errors import ShedError, UsageError
from storage.read import datasets, models
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.scenes import dataset_version_of, model_version_of, run_of

LATER = 2 * 3600.0
MUCH_LATER = 3 * 86400.0


def kept_things(shed: Shed) -> list[Path]:
    """One of everything that rows refer to."""
    data = dataset_version_of(shed, "flights", {"a.csv": b"1", "b.csv": b"2"})
    code = shed.objects.put_bytes(b"import torch")
    run = run_of(shed, dataset_version_id=data.id, snapshot={"files": {"pipeline.py": code}}, log=b"x")
    version_id = model_version_of(shed, run).id
    version = models.version_by_id(shed, version_id or 0)[1]
    artifact = shed.objects.put_bytes(b"plot")
    write_runs.add_artifact(shed, run.id or 0, "plot.png", artifact, 4)
    stage = shed.stage_dir("train-1")
    stage.mkdir()
    (stage / "model.onnx").write_bytes(b"m")
    write_runs.set_stage(shed, run.id or 0, "train", status="done", key="train-1")
    digests = [code, version.digest, version.card or "", artifact, data.manifest]
    digests += [shed.objects.put_bytes(b) for b in (b"1", b"2")]
    return [*(shed.objects.path(d) for d in digests), stage / "model.onnx", shed.run_dir(run.id or 0) / "log"]


def garbage_of(shed: Shed) -> list[Path]:
    """One of everything that no row refers to."""
    loose = shed.objects.path(shed.objects.put_bytes(b"loose" * 100))
    stage = shed.stage_dir("train-2")
    stage.mkdir()
    (stage / "x.npy").write_bytes(b"s" * 1000)
    run = shed.run_dir(77)
    (run / "metrics").mkdir(parents=True)
    (run / "metrics" / "g0.bin").write_bytes(b"r" * 2000)
    return [loose, stage, run]


def test_only_what_nothing_refers_to_is_removed(shed: Shed) -> None:
    kept, garbage = kept_things(shed), garbage_of(shed)
    (shed.tmp / "half").write_bytes(b"t" * 50)
    done = collect(shed, dry_run=False, now=time.time() + MUCH_LATER)
    assert [path for path in kept if not path.exists()] == []
    assert not any(path.exists() for path in [*garbage, shed.tmp / "half"])
    assert {item.kind: item.bytes for item in done.found} == {
        "object": 500,
        "stage": 1000,
        "run": 2000,
        "temporary": 50,
    }
    assert collect(shed, dry_run=False, now=time.time() + MUCH_LATER).found == []


def test_a_dry_run_tells_the_same_and_removes_nothing(shed: Shed) -> None:
    garbage = garbage_of(shed)
    told = collect(shed, dry_run=True, now=time.time() + LATER)
    assert {item.path for item in told.found} == set(garbage)
    assert all(path.exists() for path in garbage)


def test_what_is_younger_than_an_hour_stays(shed: Shed) -> None:
    garbage_of(shed)
    assert collect(shed, dry_run=False).found == []
    assert collect(shed, dry_run=False, now=time.time() + 3000).found == []


def test_temporary_files_stay_for_a_day(shed: Shed) -> None:
    (shed.tmp / "half").write_bytes(b"t")
    assert collect(shed, dry_run=True, now=time.time() + 20 * 3600).found == []
    assert collect(shed, dry_run=True, now=time.time() + 25 * 3600).found == [
        Garbage("temporary", shed.tmp / "half", 1)
    ]


def test_what_came_after_a_run_at_work_began_stays_however_old(shed: Shed) -> None:
    run = run_of(shed, status="running")
    garbage = garbage_of(shed)
    write_runs.supervised_by(shed, run.id or 0, processes.identify_self().to_json())
    assert collect(shed, dry_run=False, now=time.time() + MUCH_LATER).found == []
    dead = processes.Identity(2**22 - 1, 1, processes.boot_id())
    write_runs.supervised_by(shed, run.id or 0, dead.to_json())
    collect(shed, dry_run=False, now=time.time() + MUCH_LATER)
    assert not any(path.exists() for path in garbage)


def test_the_rows_of_a_removed_run_free_what_only_it_used(shed: Shed) -> None:
    artifact = shed.objects.put_bytes(b"plot")
    for _ in range(2):
        run = run_of(shed)
        write_runs.set_stage(shed, run.id or 0, "train", status="done", key="train-1")
    write_runs.add_artifact(shed, 1, "plot.png", artifact, 4)
    shed.stage_dir("train-1").mkdir()
    write_runs.remove(shed, 1)
    collect(shed, dry_run=False, now=time.time() + LATER)
    assert not shed.objects.has(artifact)
    assert shed.stage_dir("train-1").exists()
    assert not shed.run_dir(1).exists()


def test_a_damaged_manifest_stops_it_before_anything_is_gone(shed: Shed) -> None:
    dataset_version_of(shed, "flights", {"a.csv": b"1"})
    garbage = garbage_of(shed)
    manifest = shed.objects.path(datasets.version(shed, "flights").manifest)
    manifest.chmod(0o640)
    manifest.write_bytes(b"{}")
    with pytest.raises(ShedError, match="damaged"):
        collect(shed, dry_run=False, now=time.time() + LATER)
    assert all(path.exists() for path in garbage)


def test_one_at_a_time(shed: Shed) -> None:
    with shed.lock("gc"), pytest.raises(UsageError, match="is at work"):
        collect(shed, dry_run=False)


def test_a_link_in_the_temporary_folder_leads_nothing_astray(shed: Shed, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (shed.tmp / "link").symlink_to(tmp_path / "precious")
    collect(shed, dry_run=False, now=time.time() + MUCH_LATER)
    assert not (shed.tmp / "link").is_symlink()
    assert (tmp_path / "precious" / "file").exists()
