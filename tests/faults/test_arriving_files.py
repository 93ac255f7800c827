"""Files that come in every ugly way, look by look: a firing for each set of whole contents, none for a partial one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from storage.read import alerts as read_alerts
from storage.shed import open_shed
from tests.faults.watched import Watched
from tests.journeys.conftest import tiny
from tests.points import write_points

__all__ = ["tiny"]

FILES = """\
[project]
name = "many"
[dataset]
name = "many"
kind = "files"
files = "data/**/*.bin"
[train]
entry = "pipeline:train"
"""


@pytest.fixture
def watched(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = Watched(open_shed(tmp_path / "shed"), tiny)
    yield found
    found.source.close()


def test_a_burst_a_rename_storm_and_overwrites_are_one_firing(watched: Watched, tiny: Path) -> None:
    data = tiny / "data"
    for i in range(30):
        write_points(data / f"n{i}.tmp", rows=50, seed=i)
        (data / f"n{i}.tmp").rename(data / f"x{i}.csv")
        watched.look(0.05)
    for turn in range(4):
        for i in range(30):
            (data / f"{'xyxyx'[turn]}{i}.csv").rename(data / f"{'xyxyx'[turn + 1]}{i}.csv")
        watched.look(0.1)
    write_points(data / "x0.csv", rows=60, seed=99)
    watched.settle()
    assert watched.whys == ["30 files added, +1,510 rows"]
    assert watched.names() == {"one.csv", *(f"x{i}.csv" for i in range(30))}


def test_a_slow_writer_counts_once_when_it_is_done(watched: Watched, tiny: Path) -> None:
    write_points(tiny / "source", rows=300, seed=5)
    text = (tiny / "source").read_text()
    with (tiny / "data" / "slow.csv").open("w") as file:
        for start in range(0, len(text), 700):
            file.write(text[start : start + 700])
            file.flush()
            watched.look(0.3)
    assert not watched.firings
    watched.settle()
    assert watched.whys == ["data/slow.csv added, +300 rows"]


def test_what_came_in_a_folder_that_was_moved_in_is_seen(watched: Watched, tiny: Path) -> None:
    text = (tiny / "trainshed.toml").read_text().replace("data/*.csv", "data/**/*.csv")
    (tiny / "trainshed.toml").write_text(text)
    write_points(tiny / "coming" / "deep" / "two.csv", rows=20, seed=2)
    (tiny / "coming").rename(tiny / "data" / "came")
    watched.settle()
    assert watched.whys == ["data/came/deep/two.csv added, +20 rows"]


def test_contents_that_come_back_do_not_fire_again(watched: Watched, tiny: Path) -> None:
    data = tiny / "data"
    write_points(data / "two.csv", rows=20, seed=2)
    watched.settle()
    (data / "two.csv").unlink()
    watched.settle()
    write_points(data / "two.csv", rows=20, seed=2)
    watched.settle()
    write_points(data / "three.csv", rows=20, seed=3)
    watched.settle()
    acted = [firing.why for firing in watched.firings if firing.decision == "notify"]
    assert acted == ["data/two.csv added, +20 rows", "data/three.csv added, +20 rows"]


def test_half_a_csv_holds_the_others_up_until_it_is_whole(watched: Watched, tiny: Path) -> None:
    data = tiny / "data"
    write_points(tiny / "whole", rows=40, seed=2)
    text = (tiny / "whole").read_text()
    (data / "half.csv").write_text(text[:500].rstrip("\n"))
    write_points(data / "other.csv", rows=10, seed=3)
    watched.settle()
    assert watched.note == "waits for data/half.csv: its last line has no end yet" and not watched.firings
    (data / "half.csv").write_text(text)
    watched.settle()
    assert watched.whys == ["2 files added, +50 rows"]


def test_half_a_parquet_that_nobody_goes_on_with_is_left_out_with_an_alert(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    data = tiny / "data"
    for seed, name in enumerate(("one", "half", "other"), start=1):
        write_points(tiny / "points.csv", rows=10 * seed, seed=seed)
        duckdb.sql(f"copy (from read_csv('{tiny / 'points.csv'}')) to '{tiny / name}' (format parquet)")
    (data / "one.csv").unlink()
    (tiny / "one").rename(data / "one.parquet")
    (tiny / "trainshed.toml").write_text((tiny / "trainshed.toml").read_text().replace("data/*.csv", "data/*.parquet"))
    watched, half = Watched(open_shed(tmp_path / "shed"), tiny), data / "half.parquet"
    half.write_bytes((tiny / "half").read_bytes()[:-20])
    watched.settle()
    assert watched.note == "waits for data/half.parquet: its footer is not there yet"
    os.utime(half, (time.time() - 700, time.time() - 700))
    (tiny / "other").rename(data / "other.parquet")
    watched.settle()
    assert watched.whys == [
        "data/half.parquet is left out: its footer is not there yet", "data/other.parquet added, +30 rows",
    ]  # fmt: skip
    (alert,) = read_alerts.every(watched.shed)
    assert "data/half.parquet" in alert.title
    half.write_bytes((tiny / "half").read_bytes())
    watched.settle()
    watched.source.close()
    assert watched.whys[2:] == ["data/half.parquet added, +20 rows"]


def test_a_file_that_no_hint_told_of_is_found_by_the_next_scan(watched: Watched, tiny: Path) -> None:
    write_points(tiny / "data" / "two.csv", rows=20, seed=2)
    watched.rescan()
    assert watched.whys == ["data/two.csv added, +20 rows"]


def drop_many(tmp_path: Path, count: int) -> Watched:
    project = tmp_path / "many"
    (project / "data").mkdir(parents=True)
    (project / "trainshed.toml").write_text(FILES)
    (project / "data" / "first.bin").write_bytes(b"1")
    found = Watched(open_shed(tmp_path / "shed"), project)
    for number in range(count):
        folder = project / "data" / str(number // 1000)
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.bin").write_bytes(b"%d" % number)
        if number == count // 2:
            found.look(0.3)  # half of them are there: it is no time to begin
    assert not found.firings
    found.settle()
    found.source.close()
    return found


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_many_files_are_one_firing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = drop_many(tmp_path, count)
    assert found.whys == [f"{count:,} files added"]
    assert found.firings[0].evidence["files_in_all"] == count and len(found.names()) == count + 1
