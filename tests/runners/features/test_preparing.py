"""Preparation of a table: split, encoded and written, ready to be mapped into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from runners.features.encoding import Encoding
from runners.features.preparing import prepare_rows
from storage.errors import DataInvalid
from storage.project import FeaturesSection, SplitSection

SOURCE = """select range as place, range % 3 as "kind of",
                   case when range % 10 = 7 then null else range * 0.5 end as far,
                   case when range % 5 = 4 then null else range % 2 = 0 end as late,
                   timestamp '2020-01-01' + range * interval 1 minute as at
            from range(1000)"""
FEATURES = FeaturesSection(target="late", task="binary", numeric=["far"], categorical=["kind of"])
BY_TIME = SplitSection(by="time", column="at")


def rows_of(path: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    return duckdb.connect().execute(f"select {columns} from '{path}'").fetchall()


def test_the_facts_tell_rows_features_classes_and_borders(tmp_path: Path) -> None:
    facts = prepare_rows(duckdb.connect(), SOURCE, FEATURES, BY_TIME, tmp_path)
    assert facts == {
        "task": "binary",
        "rows": {"train": 640, "validation": 80, "test": 80, "dropped": 200},
        "features": ["far", "far is missing", "kind of"],
        "categories": {"kind of": 4},
        "classes": ["false", "true"],
        "split": {
            "by": "time",
            "column": "at",
            "validation_from": "2020-01-01 13:20:00",
            "test_from": "2020-01-01 15:00:00",
        },
    }


def test_a_class_that_a_part_has_no_row_of_is_told(tmp_path: Path) -> None:
    kind = "case when range = 3 then 'rare' else 'b' || range % 2 end"
    source = f"select range as a, {kind} as kind, range as at from range(90)"
    features = FeaturesSection(target="kind", task="multiclass", numeric=["a"])
    facts = prepare_rows(duckdb.connect(), source, features, BY_TIME, tmp_path)
    assert facts["absent"] == {"test": ["rare"]}


@pytest.mark.parametrize("split", [BY_TIME, SplitSection(seed=5), SplitSection(by="stratified")], ids=lambda s: s.by)
def test_parquet_rows_and_arrays_are_the_same_rows_in_the_query_s_order(tmp_path: Path, split: SplitSection) -> None:
    prepare_rows(duckdb.connect(), SOURCE, FEATURES, split, tmp_path)
    seen = []
    for part in ("train", "validation", "test"):
        rows = rows_of(tmp_path / f"{part}.parquet", 'place, "kind of", far, late')
        x, y = np.load(tmp_path / part / "x.npy", mmap_mode="r"), np.load(tmp_path / part / "y.npy", mmap_mode="r")
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        assert x[:, 2].tolist() == [row[1] + 1 for row in rows]
        assert x[:, 1].tolist() == [float(row[2] is None) for row in rows]
        assert y.tolist() == [float(row[3]) for row in rows]
        seen += [row[0] for row in rows]
    assert sorted(seen) == [place for place in range(1000) if place % 5 != 4]


def test_the_encoding_knows_only_the_training_rows(tmp_path: Path) -> None:
    source = """select range as at, case when range < 80 then 1.0 else 1000.0 end as a, 'k' || range // 80 as k,
                       range % 2 as y from range(100)"""
    features = FeaturesSection(target="y", task="binary", numeric=["a"], categorical=["k"])
    prepare_rows(duckdb.connect(), source, features, BY_TIME, tmp_path)
    fitted = Encoding.read(tmp_path / "encoding.json")
    assert (fitted.numeric[0].mean, fitted.categorical[0].categories) == (1.0, ("k0",))
    assert not np.load(tmp_path / "test" / "x.npy")[:, 1].any()


def test_all_columns_of_the_query_are_kept_and_nothing_else_is_left(tmp_path: Path) -> None:
    prepare_rows(duckdb.connect(), SOURCE, FEATURES, BY_TIME, tmp_path)
    described = duckdb.connect().execute(f"describe select * from '{tmp_path / 'test.parquet'}'").fetchall()
    assert [row[0] for row in described] == ["place", "kind of", "far", "late", "at"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "encoding.json", "test", "test.parquet", "train", "train.parquet", "validation", "validation.parquet",
    ]  # fmt: skip


def test_the_same_rows_give_the_same_files_with_any_number_of_threads(tmp_path: Path) -> None:
    found = []
    for threads in (1, 4):
        out = tmp_path / str(threads)
        out.mkdir()
        prepare_rows(duckdb.connect(config={"threads": threads}), SOURCE, FEATURES, SplitSection(seed=1), out)
        paths = [
            out / "encoding.json",
            *(out / part / name for part in ("train", "test") for name in ("x.npy", "y.npy")),
        ]
        found.append([path.read_bytes() for path in paths])
    assert found[0] == found[1]


def test_a_locked_connection_that_may_write_only_to_the_folder_is_enough(tmp_path: Path) -> None:
    con = duckdb.connect()
    con.execute(f"create table data as {SOURCE}")
    con.execute(f"set allowed_directories = ['{tmp_path}/']")
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")
    assert prepare_rows(con, "select * from data", FEATURES, BY_TIME, tmp_path)["rows"]["test"] == 80


def test_columns_called_row_and_split_do_no_harm(tmp_path: Path) -> None:
    source = """select 89 - range as "row", 'x' || range % 2 as split, range % 2 as y, range % 9 as v from range(90)"""
    features = FeaturesSection(target="y", task="binary", numeric=["row", "v"], categorical=["split"])
    facts = prepare_rows(duckdb.connect(), source, features, SplitSection(by="time", column="row"), tmp_path)
    assert facts["rows"] == {"train": 72, "validation": 9, "test": 9, "dropped": 0}
    assert [row for (row,) in rows_of(tmp_path / "test.parquet", '"row"')] == list(range(89, 80, -1))


def test_sums_wider_than_64_bits_stay_integers(tmp_path: Path) -> None:
    source = "select k, sum(v) as total, k % 2 as y from (select range % 60 as k, 1 as v from range(600)) group by k"
    features = FeaturesSection(target="y", task="binary", categorical=["total"])
    prepare_rows(duckdb.connect(), source, features, SplitSection(), tmp_path)
    assert Encoding.read(tmp_path / "encoding.json").categorical[0].categories == (10,)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("select * from nowhere", "the dataset's query: Catalog Error"),
        ("select farr from (select 1 as far)", "farr"),
        ("select 1 as far, 2 as y", 'there is no column "late"'),
        ("select 1 as far, 2 as late, 'a' as \"kind off\"", 'did you mean "kind off"?'),
        ('select range as far, 1 as "kind of", true as late from range(9)', "a single class, 'true' (9 rows)"),
        ('select 1.0 as far, 1 as "kind of", cast(null as boolean) as late from range(9)', "has no value"),
        (f"select * from ({SOURCE}) limit 0", "has no value"),
        ("select cast('x' as int) as far, 1 as \"kind of\", true as late", "Could not convert string"),
    ],
)
def test_rows_that_do_not_fit_the_project_say_what_is_wrong(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(DataInvalid) as caught:
        prepare_rows(duckdb.connect(), source, FEATURES, SplitSection(), tmp_path)
    assert said in str(caught.value)
    assert not (tmp_path / "rows.parquet").exists()


def test_one_class_alone_in_the_training_rows_is_told(tmp_path: Path) -> None:
    source = """select range as at, 1.0 * range as far, 1 as "kind of", range >= 80 as late from range(100)"""
    with pytest.raises(DataInvalid, match=r"a single class, 'false' \(80 rows\), in the training rows"):
        prepare_rows(duckdb.connect(), source, FEATURES, BY_TIME, tmp_path)


def test_a_class_that_training_never_sees_keeps_its_place(tmp_path: Path) -> None:
    source = """select range as at, 1.0 * range as far, 1 as "kind of",
                       case when range >= 95 then 'a' when range % 2 = 0 then 'b' else 'c' end as late
                from range(100)"""
    features = FEATURES.model_copy(update={"task": "multiclass"})
    facts = prepare_rows(duckdb.connect(), source, features, BY_TIME, tmp_path)
    assert facts["classes"] == ["a", "b", "c"]
    assert np.load(tmp_path / "test" / "y.npy").tolist() == [1, 2, 1, 2, 1, 0, 0, 0, 0, 0]
