"""What takes the disk: every file belongs to something, and all of it together is the shed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runners.actions import garbage
from runners.actions.disk import Disk, Part, Size, Usage
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.scenes import dataset_version_of, model_version_of, run_of


def part(found: Usage, kind: str, name: str) -> Part:
    return next(each for each in found.parts if (each.kind, each.name) == (kind, name))


def stage_of(shed: Shed, run_id: int, key: str, data: bytes) -> None:
    shed.stage_dir(key).mkdir(exist_ok=True)
    (shed.stage_dir(key) / "out.npy").write_bytes(data)
    write_runs.set_stage(shed, run_id, "prepare", status="done", key=key)


def test_a_dataset_counts_what_its_versions_share_once(shed: Shed) -> None:
    first = dataset_version_of(shed, "birds", {"a.png": b"a" * 1000, "b.png": b"b" * 500})
    second = dataset_version_of(shed, "birds", {"a.png": b"a" * 1000, "c.png": b"c" * 300})
    lists = sum(shed.objects.path(version.manifest).stat().st_size for version in (first, second))
    birds = part(Disk(shed).usage(), "dataset", "birds")
    assert birds.size.bytes == 1800 + lists and birds.about == "2 versions"


def test_a_run_counts_its_directory_what_it_saved_and_the_results_that_it_was_the_first_to_need(shed: Shed) -> None:
    one, other = run_of(shed, "one", log=b"x" * 100), run_of(shed, "other", log=b"x" * 10)
    stage_of(shed, one.id or 0, "prepare-1", b"p" * 2000)
    stage_of(shed, other.id or 0, "prepare-1", b"p" * 2000)
    write_runs.add_artifact(shed, other.id or 0, "plot.png", shed.objects.put_bytes(b"i" * 70), 70)
    found = Disk(shed).usage()
    assert part(found, "run", str(one.id)).size.bytes == 2100
    assert part(found, "run", str(other.id)).size.bytes == 80
    assert found.parts[0].name in (str(one.id), "database")


def test_a_model_counts_its_versions_and_cards(shed: Shed) -> None:
    version = model_version_of(shed, run_of(shed))
    told = sum(shed.objects.path(digest).stat().st_size for digest in (version.digest, version_card(shed)))
    model = part(Disk(shed).usage(), "model", "flight-delay")
    assert (model.size.bytes, model.about) == (told, "1 version")


def version_card(shed: Shed) -> str:
    from storage.read import models

    return models.version(shed, "flight-delay", "v1").card or ""


def test_a_hard_link_to_a_file_of_ones_own_is_told_apart(shed: Shed, tmp_path: Path) -> None:
    dataset_version_of(shed, "birds", {"a.png": b"a" * 1000})
    digest = next(each for each in shed.objects.digests() if shed.objects.path(each).stat().st_size == 1000)
    os.link(shed.objects.path(digest), tmp_path / "a.png")
    found = Disk(shed).usage()
    assert part(found, "dataset", "birds").size.linked == found.whole.linked == 1000


def test_what_gc_would_free_stands_by_kind(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "SETTLED_S", -60.0)  # as if the hour had passed
    shed.objects.put_bytes(b"loose" * 100)
    shed.run_dir(77).mkdir()
    (shed.run_dir(77) / "log").write_bytes(b"x" * 30)
    found = Disk(shed).usage()
    assert part(found, "garbage", "objects") == Part(
        "garbage", "objects", "1 that nothing refers to", Size(500), freed=500
    )
    assert part(found, "garbage", "run directories").freed == 30
    assert found.garbage is not None and found.garbage.bytes == 530


def test_while_another_collects_the_rest_is_told(shed: Shed) -> None:
    dataset_version_of(shed, "birds", {"a.png": b"a"})
    with shed.lock("gc"):
        found = Disk(shed).usage()
    assert found.garbage is None
    assert part(found, "dataset", "birds")


def test_the_whole_is_every_file_of_the_shed(shed: Shed) -> None:
    model_version_of(shed, run_of(shed, log=b"x" * 100))
    dataset_version_of(shed, "birds", {"a.png": b"a" * 1000})
    there = sum(path.stat().st_size for path in shed.root.rglob("*") if path.is_file())
    found = Disk(shed).usage()
    locks = sum(path.stat().st_size for path in shed.locks.rglob("*") if path.is_file())
    assert found.whole.bytes == there - locks
    assert sum(each.size.bytes for each in found.parts) == found.whole.bytes  # here nothing is shared


def test_a_run_that_has_ended_is_looked_at_once_and_one_that_works_again_and_again(shed: Shed) -> None:
    ended, working = run_of(shed, log=b"x" * 100), run_of(shed, status="running", log=b"x" * 100)
    disk = Disk(shed)
    disk.usage()
    for run in (ended, working):
        with (shed.run_dir(run.id or 0) / "log").open("ab") as log:
            log.write(b"y" * 50)
    found = disk.usage()
    assert part(found, "run", str(ended.id)).size.bytes == 100
    assert part(found, "run", str(working.id)).size.bytes == 150
    write_runs.finish(shed, working.id or 0, "done", 0, "")
    assert part(disk.usage(), "run", str(working.id)).size.bytes == 150
