"""Splits: who trains, who is held out, and that this never depends on threads or processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from runners.features.splits import assign, split_files
from storage.errors import DataInvalid
from storage.project import SplitSection

ROWS = """select range as row, timestamp '2013-01-01' + (range // 10) * interval 1 hour as at, 'g' || range % 97 as g,
                 case when range % 50 = 0 then 'rare' else 'usual' end as y from range(3000)"""


def split_of(section: SplitSection, rows: str = ROWS, *, threads: int = 2, target: str | None = "y") -> dict[int, str]:
    with duckdb.connect(config={"threads": threads}) as con:
        assign(con, rows, section, target=target)
        return dict(con.execute("select row, split from split_rows order by row").fetchall())


def counts(parts: dict[int, str]) -> dict[str, int]:
    return {part: list(parts.values()).count(part) for part in ("train", "validation", "test")}


SECTIONS = [
    SplitSection(by="time", column="at"),
    SplitSection(by="random", validation=0.2, test=0.3),
    SplitSection(by="group", column="g"),
    SplitSection(by="stratified"),
]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.by)
def test_every_row_gets_one_part_and_the_shares_are_kept(section: SplitSection) -> None:
    parts = split_of(section)
    assert len(parts) == 3000
    assert abs(counts(parts)["test"] / 3000 - section.test) < 0.02
    assert abs(counts(parts)["validation"] / 3000 - section.validation) < 0.02


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.by)
def test_the_split_is_the_same_with_one_thread_and_with_four(section: SplitSection) -> None:
    assert split_of(section, threads=1) == split_of(section, threads=4)


def test_the_split_is_the_same_in_another_process() -> None:
    code = (
        "import duckdb; from runners.features.splits import assign; from storage.project import SplitSection\n"
        f"con = duckdb.connect(); assign(con, '''{ROWS}''', SplitSection(seed=3))\n"
        "print(con.execute(\"select string_agg(split, ',' order by row) from split_rows\").fetchone()[0])"
    )
    root = Path(__file__).parents[3]
    other = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == ",".join(split_of(SplitSection(seed=3)).values())


def test_another_seed_gives_another_random_split_of_the_same_size() -> None:
    one, other = split_of(SplitSection(seed=1)), split_of(SplitSection(seed=2))
    assert one != other
    assert counts(one) == counts(other)


def test_the_newest_rows_are_the_test_and_the_next_newest_the_validation() -> None:
    parts = split_of(SplitSection(by="time", column="at"))
    assert set(range(2700, 3000)) == {row for row, part in parts.items() if part == "test"}
    assert set(range(2400, 2700)) == {row for row, part in parts.items() if part == "validation"}


def test_rows_of_one_moment_never_straddle_a_border() -> None:
    rows = "select range as row, date '2020-01-01' + cast(range // 130 as integer) as day from range(1000)"
    parts = split_of(SplitSection(by="time", column="day", validation=0.15, test=0.1), rows, target=None)
    for day in range(8):
        assert len({parts[row] for row in range(day * 130, min(1000, day * 130 + 130))}) == 1


def test_the_facts_of_a_time_split_say_where_the_parts_begin() -> None:
    with duckdb.connect() as con:
        facts = assign(con, ROWS, SplitSection(by="time", column="at"))
    assert facts["test_from"] == "2013-01-12 06:00:00"
    assert facts["validation_from"] == "2013-01-11 00:00:00"
    assert facts["rows"] == {"train": 2400, "validation": 300, "test": 300}


def test_rows_without_a_time_are_counted_and_refused() -> None:
    rows = "select range as row, case when range % 4 > 0 then range end as at from range(100)"
    with pytest.raises(DataInvalid, match='"at" is null in 25 rows'):
        split_of(SplitSection(by="time", column="at"), rows)


def test_time_may_be_a_number_but_not_a_nan() -> None:
    rows = "select range as row, case when range > 2 then cast(range as double) else 'nan' end as at from range(100)"
    with pytest.raises(DataInvalid, match="in 3 rows"):
        split_of(SplitSection(by="time", column="at"), rows)


def test_all_rows_of_a_group_stay_together_nulls_too() -> None:
    rows = "select range as row, case when range % 7 > 0 then range % 60 end as g from range(2000)"
    parts = split_of(SplitSection(by="group", column="g"), rows, target=None)
    groups: dict[Any, set[str]] = {}
    for row, part in parts.items():
        groups.setdefault(row % 60 if row % 7 else None, set()).add(part)
    assert all(len(found) == 1 for found in groups.values())


def test_few_unequal_groups_still_fill_every_part_with_the_smallest_held_out() -> None:
    rows = "select range as row, case when range < 900 then 'big' when range < 960 then 'mid' else 'small' end as g"
    parts = split_of(SplitSection(by="group", column="g"), rows + " from range(1000)", target=None)
    assert counts(parts) == {"train": 900, "validation": 60, "test": 40}


def test_two_groups_cannot_fill_three_parts_and_the_counts_are_told() -> None:
    rows = "select range as row, range % 2 as g from range(100)"
    with pytest.raises(DataInvalid, match="without rows: train 0, validation 50, test 50"):
        split_of(SplitSection(by="group", column="g"), rows, target=None)


def test_a_stratified_split_keeps_the_shares_within_each_class() -> None:
    parts = split_of(SplitSection(by="stratified", validation=0.2, test=0.1))
    rare = [parts[row] for row in range(0, 3000, 50)]
    assert (rare.count("train"), rare.count("validation"), rare.count("test")) == (42, 12, 6)


def test_a_stratified_split_may_name_a_column_other_than_the_target() -> None:
    parts = split_of(SplitSection(by="stratified", column="g", test=0.2))
    of_one_group = [parts[row] for row in range(5, 3000, 97)]
    assert of_one_group.count("test") in (6, 7)


def test_three_rows_are_enough_and_two_are_not() -> None:
    assert counts(split_of(SplitSection(), "select range as row from range(3)", target=None)) == dict.fromkeys(
        ("train", "validation", "test"), 1
    )
    with pytest.raises(DataInvalid, match="train 0"):
        split_of(SplitSection(), "select range as row from range(2)", target=None)


def test_a_missing_split_column_is_named_with_the_nearest_one() -> None:
    with pytest.raises(DataInvalid, match="there is no column") as caught:
        split_of(SplitSection(by="time", column="att"))
    assert "att" in str(caught.value)
    assert 'did you mean "at"?' in str(caught.value)


def test_files_are_split_within_their_classes_and_keep_their_order() -> None:
    files = [(f"images/{label}/{number:03}.png", label) for label in ("cat", "dog", "ünicorn") for number in range(40)]
    parts = split_files(files, SplitSection(by="stratified"))
    assert {part: len(found) for part, found in parts.items()} == {"train": 96, "validation": 12, "test": 12}
    assert {label for _, label in parts["test"]} == {"cat", "dog", "ünicorn"}
    assert sorted(file for found in parts.values() for file in found) == files
    assert parts["train"] == sorted(parts["train"])


def test_a_new_file_moves_hardly_any_other() -> None:
    files = [(f"{number:04}.png", "a") for number in range(500)]
    before = {path: part for part, found in split_files(files, SplitSection()).items() for path, _ in found}
    after = split_files([("0000a.png", "a"), *files], SplitSection())
    moved = [path for part, found in after.items() for path, _ in found if before.get(path, part) != part]
    assert len(moved) <= 2


def test_files_of_one_folder_can_stay_together() -> None:
    files = [(f"patient{folder}/{number}.png", "a") for folder in range(30) for number in range(folder + 1)]
    parts = split_files(files, SplitSection(by="group", column="folder"))
    folders = [{path.split("/")[0] for path, _ in found} for found in parts.values()]
    assert sum(map(len, folders)) == 30
