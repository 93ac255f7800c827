from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.trying import samples
from storage.columns import literal
from storage.memory import in_memory
from storage.project import ProjectSpec, check_project


def spec(task: str = "binary", **features: Any) -> ProjectSpec:
    return check_project(
        {
            "project": {"name": "p"},
            "dataset": {"name": "d", "files": "data/*.csv", "query": "select * from data"},
            "features": {"target": "y", "task": task, "numeric": ["x"], "categorical": ["k"], **features},
            "split": {"by": "time", "column": "t"},
            "checks": {"min_rows": 10_000},
            "train": {"entry": "pipeline:train"},
        }
    )


RARE = "select range as t, range * 0.5 as x, 'c' || range % 3 as k, (range % 500 = 7)::int as y from range(20_000)"


def rows_of(folder: Path, what: str = "*") -> list[tuple[Any, ...]]:
    with in_memory() as con:
        return con.execute(f"select {what} from {literal(str(folder / 'rows.parquet'))}").fetchall()


def sampled(tmp_path: Path, source: str, its: ProjectSpec, rows: int = 1000) -> samples.Sample:
    tmp_path.mkdir(exist_ok=True)
    with in_memory() as con:
        con.execute(f"create view data as {source}")
        return samples.sample_rows(con, its, rows, tmp_path)


def test_a_sample_of_rows_is_always_the_same_in_the_order_of_the_data_and_holds_rare_classes(tmp_path: Path) -> None:
    first, again = (sampled(tmp_path / name, RARE, spec()) for name in ("one", "two"))
    assert rows_of(first.folder) == rows_of(again.folder)
    assert first.of == 20_000 and 1000 <= first.rows <= 1100
    times = [row[0] for row in rows_of(first.folder, "t")]
    assert times == sorted(times)
    assert rows_of(first.folder, "count(*) filter (y = 1)") == [(samples.LEAST_OF_CLASS,)]
    assert max(times) > 19_500 and min(times) < 500


def test_the_sample_is_a_project_without_checks_of_its_own_files(tmp_path: Path) -> None:
    sample = sampled(tmp_path, RARE, spec())
    assert sample.spec.dataset.globs == {"data": ["rows.parquet"]} and sample.spec.dataset.query is None
    assert sample.spec.checks.min_rows == 1
    assert sample.spec.split == spec().split and sample.spec.features == spec().features


def test_data_smaller_than_the_sample_are_taken_whole(tmp_path: Path) -> None:
    small = "select range as t, range::double as x, 'a' as k, range % 2 as y from range(60)"
    assert sampled(tmp_path, small, spec()).rows == 60


def test_sums_that_duckdb_makes_wide_integers_stay_integers(tmp_path: Path) -> None:
    wide = "select range as t, range * 1.0 as x, sum(range) over () as k, range % 2 as y from range(100)"
    sample = sampled(tmp_path, wide, spec())
    assert rows_of(sample.folder, "distinct typeof(k)") == [("BIGINT",)]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_few_rows_stand_there_many_times_and_no_two_have_the_same_features(tmp_path: Path, task: str) -> None:
    doubled = (
        "select range as t, range // 2 * 0.5 as x, 'c' as k, case when range % 7 = 0 then null else range % 2 end as y"
        " from range(400)"
    )
    sample = sampled(tmp_path, doubled, spec(task))
    with in_memory() as con:
        few = samples.few_rows(con, sample, 1000, tmp_path)
    assert few.rows == samples.FEW
    with in_memory() as con:
        source = literal(str(few.folder / "rows.parquet"))
        by_x = con.execute(f"select x, count(distinct y), count(*), count(y) from {source} group by x").fetchall()
    assert len(by_x) == few.rows
    assert all(answers == 1 and copies == known and copies * few.rows >= 1000 for _, answers, copies, known in by_x)
    assert few.spec.split.by == "random"
    if task != "regression":
        assert rows_of(few.folder, "count(distinct y)") == [(2,)]


def test_of_many_classes_each_is_among_the_few(tmp_path: Path) -> None:
    many = "select range as t, range * 1.0 as x, 'a' as k, range % 40 as y from range(4000)"
    sample = sampled(tmp_path, many, spec("multiclass"))
    with in_memory() as con:
        few = samples.few_rows(con, sample, 100, tmp_path)
    assert few.rows == 80 and rows_of(few.folder, "count(distinct y)") == [(40,)]


def files_spec() -> ProjectSpec:
    return check_project(
        {
            "project": {"name": "p"},
            "dataset": {"name": "d", "kind": "files", "files": "images/**"},
            "features": {"task": "binary", "load": "pipeline:load"},
            "split": {"by": "stratified"},
            "train": {"entry": "pipeline:train"},
        }
    )


def test_files_are_sampled_by_class_folder_and_keep_it_with_their_names(tmp_path: Path) -> None:
    files = []
    for label, count in (("cat", 500), ("dog", 40)):
        for number in range(count):
            place = tmp_path / "images" / label / f"{number}.pgm"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"x")
            files.append((f"images/{label}/{number}.pgm", place))
    sample = samples.sample_files(files_spec(), files, 100, tmp_path)
    links = sorted(sample.folder.rglob("*.pgm"))
    assert len(links) == sample.rows and sample.of == 540
    labels = [link.parent.name for link in links]
    assert labels.count("dog") == samples.LEAST_OF_CLASS and labels.count("cat") == round(500 * 100 / 540)
    assert all(link.resolve().parent.name == link.parent.name for link in links)
    assert all(link.resolve().name == link.name for link in links)
    few = samples.few_files(sample, [(str(p.relative_to(sample.folder)), p) for p in links], 100, tmp_path)
    again = sorted(few.folder.rglob("*.pgm"))
    assert few.rows == samples.FEW and len(again) >= 100
    assert len({link.resolve() for link in again}) == samples.FEW
    assert {link.parent.name for link in again} == {"cat", "dog"}
