"""The encoding: learnt from training rows by SQL, applied to any rows, a memory-mapped chunk at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from runners.features import encoding
from runners.features.encoding import NULL_INTEGER, Encoding
from runners.features.matrix import write_arrays
from runners.features.targets import fit_target
from storage.columns import literal
from storage.errors import DataInvalid, TrainshedError, UsageError
from storage.project import FeaturesSection

ROWS = """select * from (values
    (10.0,   1, true,  'a',   7,    'no'),
    (20.0,   1, false, 'ü',   null, 'yes'),
    (null,   1, true,  null,  -3,   'no'),
    (60.0,   1, null,  'a',   7,    'yes'),
    ('nan'::double, 1, true,  'b''', 7,    null)
) as t("how far", same, flag, kind, code, late)"""
FEATURES = FeaturesSection(
    target="late", task="binary", numeric=["how far", "same", "flag"], categorical=["kind", "code"]
)


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def arrays(con: duckdb.DuckDBPyConnection, rows: str, fitted: Encoding, folder: Path) -> tuple[Any, Any]:
    con.execute(f"copy ({rows}) to {literal(str(folder / 'rows.parquet'))}")
    write_arrays(con, folder / "rows.parquet", fitted, folder / "out")
    return np.load(folder / "out" / "x.npy", mmap_mode="r"), np.load(folder / "out" / "y.npy", mmap_mode="r")


def test_medians_means_and_nulls_come_from_the_training_rows(con: duckdb.DuckDBPyConnection) -> None:
    far, same, flag = encoding.fit(con, ROWS, FEATURES).numeric
    assert (far.median, far.mean, far.has_missing) == (20.0, 30.0, True)
    assert far.std == pytest.approx(21.602468995, rel=1e-9)
    assert (same.type, same.std, same.has_missing) == ("integer", 0.0, False)
    assert (flag.type, flag.mean, flag.has_missing) == ("boolean", 0.75, True)


def test_categories_are_sorted_and_null_is_one_where_it_was_seen(con: duckdb.DuckDBPyConnection) -> None:
    kind, code = encoding.fit(con, ROWS, FEATURES).categorical
    assert kind.categories == ("", "a", "b'", "ü")
    assert code.categories == (NULL_INTEGER, -3, 7)


def test_the_matrix_has_numbers_then_missing_flags_then_codes(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    fitted = encoding.fit(con, ROWS, FEATURES)
    assert fitted.feature_names == [
        "how far", "same", "flag", "how far is missing", "flag is missing", "kind", "code",
    ]  # fmt: skip
    assert fitted.width == 7
    assert fitted.codes == {"kind": 5, "code": 4}
    x, y = arrays(con, f"select * from ({ROWS}) where late is not null", fitted, tmp_path)
    assert (x.dtype, y.dtype) == (np.float32, np.float32)
    assert x[2, 0] == np.float32((20.0 - 30.0) / fitted.numeric[0].std)
    assert x[:, 1].tolist() == [0, 0, 0, 0]
    assert x[:, 3:].tolist() == [[0, 0, 2, 3], [0, 0, 4, 1], [1, 0, 1, 2], [0, 1, 2, 3]]
    assert y.tolist() == [0, 1, 0, 1]


def test_what_training_never_saw_has_code_0(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    fitted = encoding.fit(con, f"select * from ({ROWS}) where code is not null and kind is not null", FEATURES)
    x, _ = arrays(con, "select 1.0 as \"how far\", 2 as same, null as flag, 'zz' as kind, null as code, 'no' as late",
                  fitted, tmp_path)  # fmt: skip
    assert x[0, -2:].tolist() == [0, 0]
    assert x[0, 1] == 0  # a column that was constant in training stays 0


def test_json_gives_back_an_equal_encoding(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    fitted = encoding.fit(con, ROWS, FEATURES)
    assert Encoding.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted
    fitted.write(tmp_path / "encoding.json")
    assert Encoding.read(tmp_path / "encoding.json") == fitted


def test_threads_do_not_change_the_encoding() -> None:
    rows = "select range % 3 as late, sin(range) * 1e6 + 1e9 as a, range as b, range % 7 as c from range(400000)"
    features = FeaturesSection(target="late", task="multiclass", numeric=["a", "b"], categorical=["c"])
    found = {
        json.dumps(encoding.fit(duckdb.connect(config={"threads": threads}), rows, features).to_json())
        for threads in (1, 2, 5)
    }
    assert len(found) == 1


def test_many_rows_are_written_in_chunks_in_their_order(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = "select range as place, 'k' || range % 5 as k, range * 0.5 as y from range(300000)"
    features = FeaturesSection(target="y", task="regression", numeric=["place"], categorical=["k"])
    x, y = arrays(con, rows, encoding.fit(con, rows, features), tmp_path)
    assert (np.diff(x[:, 0]) > 0).all()
    assert (x[:, 1] == np.arange(300000) % 5 + 1).all()
    assert (y == np.arange(300000, dtype=np.float32) * 0.5).all()


@pytest.mark.parametrize(
    ("column", "task", "classes", "encoded"),
    [
        ("b", "binary", ("false", "true"), [1, 0, 1]),
        ("i", "binary", ("-1", "10"), [1, 0, 1]),
        ("t", "binary", ("no", "yes"), [0, 1, 0]),
        ("f", "multiclass", ("2", "3", "10"), [1, 2, 0]),
        ("m", "multiclass", ("9", "10", "100"), [1, 0, 2]),
    ],
)
def test_classes_are_sorted_as_what_they_are(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, column: str, task: Any, classes: Any, encoded: list[int]
) -> None:
    rows = """select * from (values (1, true, 10, 'no', 3.0, 10), (2, false, -1, 'yes', 10.0, 9),
                                    (3, true, 10, 'no', 2.0, 100)) as t(x, b, i, t, f, m)"""
    fitted = encoding.fit(con, rows, FeaturesSection(target=column, task=task, numeric=["x"]))
    assert fitted.target.classes == classes
    assert fitted.target.positive == (classes[1] if task == "binary" else None)
    _, y = arrays(con, rows, fitted, tmp_path)
    assert y.tolist() == encoded
    assert y.dtype == (np.int64 if task == "multiclass" else np.float32)


@pytest.mark.parametrize(
    ("features", "kind", "said"),
    [
        ({"numeric": ["distanze"]}, DataInvalid, 'did you mean "distance"?'),
        ({"numeric": ["name"]}, DataInvalid, 'column "name" is text, so it cannot be a numeric feature'),
        ({"numeric": ["at"]}, DataInvalid, "for example extract(hour from …)"),
        ({"categorical": ["day"]}, DataInvalid, "take parts of it in the dataset's query"),
        ({"categorical": ["distance"]}, DataInvalid, 'column "distance" is number'),
        ({"categorical": ["list"]}, DataInvalid, 'column "list" is other'),
        ({"numeric": ["void"]}, DataInvalid, 'column "void" has no value in any of the 2 training rows'),
        ({"numeric": ["endless"]}, DataInvalid, 'column "endless" has 1 infinite values'),
        ({"numeric": ["vast"]}, DataInvalid, 'the values of column "vast" are too large'),
        ({"categorical": ["nul"]}, DataInvalid, 'a value of column "nul" holds a NUL character'),
        ({"categorical": ["probability"]}, UsageError, 'a feature cannot be called "probability"'),
    ],
)
def test_a_column_that_cannot_be_a_feature_is_named(
    con: duckdb.DuckDBPyConnection, features: dict[str, Any], kind: type[TrainshedError], said: str
) -> None:
    rows = """select i % 2 as late, i * 0.5 as distance, 'n' || i as name, now() as at, current_date as day,
                     [i] as list, cast(null as double) as void, (i - 0.5) * 1e308 as vast, i as whole,
                     case when i = 1 then 'inf'::double else 1 end as endless,
                     'a' as probability, chr(0) as nul from range(2) t(i)"""
    with pytest.raises(kind) as caught:
        encoding.fit(con, rows, FeaturesSection(target="late", task="binary", **features))
    assert said in str(caught.value)


def test_too_many_categories_are_refused_before_they_fill_the_model(con: duckdb.DuckDBPyConnection) -> None:
    rows = "select i % 2 as late, 'user' || i as id from range(100001) t(i)"
    with pytest.raises(DataInvalid, match='column "id" has more than 100,000 categories'):
        encoding.fit(con, rows, FeaturesSection(target="late", task="binary", categorical=["id"]))


@pytest.mark.parametrize(
    ("column", "task", "said"),
    [
        ("three", "binary", "has 3 classes: '0' (34 rows), '1' (33 rows), '2' (33 rows)"),
        ("one", "binary", "has a single class, 'same' (100 rows)"),
        ("void", "multiclass", "has no value"),
        ("half", "multiclass", "holds 0.5, which names no class"),
        ("text", "regression", "is text"),
        ("huge", "regression", "beyond float32"),
        ("at", "multiclass", "is timestamp"),
        ("thre", "binary", 'did you mean "three"?'),
    ],
)
def test_a_target_that_does_not_fit_its_task_says_why(
    con: duckdb.DuckDBPyConnection, column: str, task: Any, said: str
) -> None:
    rows = """select i % 3 as three, 'same' as one, cast(null as varchar) as void, i / 2 as half, 't' || i as text,
                     i * 1e38 as huge, now() as at from range(100) t(i)"""
    with pytest.raises(DataInvalid) as caught:
        fit_target(con, rows, FeaturesSection(target=column, task=task, numeric=["distance"]))
    assert said in str(caught.value)
