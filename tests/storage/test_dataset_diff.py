"""Two versions of a dataset are compared by their files, rows, schema and values."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

import duckdb
import pytest

from storage.columns import column_type
from storage.dataset_diff import Diff, FileChange, diff, sentences
from storage.distributions import jensen_shannon, psi, shares
from storage.manifests import Column, Entry, Manifest
from storage.profiles import ColumnProfile, Profile, profile


def entry(path: str, content: str, rows: int | None = None, schema: str | None = None) -> Entry:
    return Entry(path, 10 * len(content), content, 0, 0, rows, schema)


def manifest(*entries: Entry, table: str = "data", **schemas: dict[str, str]) -> Manifest:
    columns = {key: [Column(n, column_type(t), t) for n, t in types.items()] for key, types in schemas.items()}
    return Manifest("table", {table: list(entries)}, columns)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def profiled(con: duckdb.DuckDBPyConnection, select: str) -> Profile:
    con.execute(f"create or replace view data as {select}")
    return profile(con)


def test_files_that_came_went_changed_and_moved_are_told_apart() -> None:
    old = manifest(entry("same", "s", 1), entry("edited", "e1", 2), entry("gone", "g", 3), entry("before", "moved", 4))
    new = manifest(entry("same", "s", 1), entry("edited", "e22", 5), entry("new", "n", 7), entry("after", "moved", 4))
    found = diff(old, new)
    assert found.files == [
        FileChange("data", "renamed", "before", "after", 0, 0),
        FileChange("data", "changed", "edited", "edited", 3, 10),
        FileChange("data", "removed", "gone", None, -3, -10),
        FileChange("data", "added", None, "new", 7, 10),
    ]
    assert found.unchanged_files == 1
    assert found.rows == {"data": (10, 17)}


def test_equal_files_are_paired_one_to_one_when_they_move() -> None:
    old = manifest(entry("a/1", "x"), entry("a/2", "x"))
    new = manifest(entry("b/1", "x"), entry("b/2", "x"), entry("b/3", "x"))
    found = diff(old, new)
    assert [(f.change, f.before, f.after) for f in found.files] == [
        ("renamed", "a/1", "b/1"),
        ("renamed", "a/2", "b/2"),
        ("added", None, "b/3"),
    ]


def test_equal_versions_differ_in_nothing() -> None:
    one = manifest(entry("a", "x", 1, "k"), k={"id": "BIGINT"})
    found = diff(one, one)
    assert found.is_empty
    assert sentences(found) == []


def test_columns_that_came_went_and_changed_type_are_named() -> None:
    old = manifest(entry("a", "x", 1, "k"), k={"id": "BIGINT", "price": "BIGINT", "zip": "VARCHAR"})
    new = manifest(entry("a", "y", 1, "k"), k={"id": "BIGINT", "price": "DOUBLE", "colour": "VARCHAR"})
    found = diff(old, new)
    assert [(c.change, c.name, c.before, c.after) for c in found.columns] == [
        ("removed", "zip", "VARCHAR", ""),
        ("added", "colour", "", "VARCHAR"),
        ("type changed", "price", "BIGINT", "DOUBLE"),
    ]


def test_files_of_one_table_that_disagree_in_a_type_show_both() -> None:
    old = manifest(entry("a", "x", 1, "k"), k={"id": "BIGINT"})
    new = manifest(entry("a", "x", 1, "k"), entry("b", "y", 1, "l"), k={"id": "BIGINT"}, l={"id": "VARCHAR"})
    [change] = diff(old, new).columns
    assert (change.change, change.after) == ("type changed", "BIGINT and VARCHAR")


def test_a_renamed_column_is_recognised_by_its_name_and_type() -> None:
    old = manifest(entry("a", "x", 1, "k"), k={"dep_delay": "DOUBLE", "dest": "VARCHAR"})
    new = manifest(entry("a", "y", 1, "k"), k={"departure_delay": "DOUBLE", "dest_id": "BIGINT"})
    found = diff(old, new)
    assert [(c.change, c.before, c.after) for c in found.columns] == [
        ("likely renamed", "dep_delay", "departure_delay"),
        ("removed", "VARCHAR", ""),
        ("added", "", "BIGINT"),
    ]


def test_a_renamed_column_is_recognised_by_its_values(con: duckdb.DuckDBPyConnection) -> None:
    old = manifest(entry("a", "x", 1, "k"), k={"t": "DOUBLE", "depth": "DOUBLE"})
    new = manifest(entry("a", "y", 1, "k"), k={"temperature_celsius": "DOUBLE", "depths": "DOUBLE"})
    before = profiled(con, "select range % 97 + 0.5::double as t, range * 1.0::double as depth from range(5000)")
    after = profiled(
        con, "select range % 97 + 0.5::double as temperature_celsius, -range * 1.0::double as depths from range(5000)"
    )
    found = diff(old, new, before, after)
    assert [(c.change, c.before, c.after) for c in found.columns] == [
        ("likely renamed", "t", "temperature_celsius"),
        ("removed", "DOUBLE", ""),
        ("added", "", "DOUBLE"),
    ]


def test_a_table_that_came_is_told_by_its_files_alone() -> None:
    old = manifest(entry("a", "x", 1, "k"), k={"id": "BIGINT"})
    new = Manifest("table", {**old.tables, "more": [entry("b", "y", 5, "k")]}, old.schemas)
    found = diff(old, new)
    assert found.columns == []
    assert found.rows == {"data": (1, 1), "more": (None, 5)}


def one_column(found: Profile) -> tuple[ColumnProfile, int]:
    return found.columns[0], found.rows


def bins_of(con: duckdb.DuckDBPyConnection, old: str, new: str, rows: int = 20_000) -> list[tuple[float, float]] | None:
    before, old_rows = one_column(profiled(con, f"select {old} as x from range({rows})"))
    after, new_rows = one_column(profiled(con, f"select {new} as x from range({rows})"))
    return shares(before, after, (old_rows, new_rows))


NORMAL = "sqrt(-2 * ln(((range * 7919) % 20011 + 0.5) / 20011)) * cos(2 * pi() * ((range * 104729) % 20021) / 20021)"
PAIRS = [
    (NORMAL, NORMAL),
    (NORMAL, f"{NORMAL} + 0.5"),
    (NORMAL, f"{NORMAL} * 2"),
    ("(range * 7919) % 20011", "(range * 7919) % 20011 // 2"),
    ("range % 12 + 1", "range % 12 + 1"),
    ("range % 12 + 1", "range % 6 + 1"),
    ("case when range % 10 < 6 then 0 else range end", "case when range % 10 < 3 then 0 else range end"),
]


def true_psi(con: duckdb.DuckDBPyConnection, old: str, new: str, rows: int = 20_000) -> float:
    """The index from the values themselves, in bins that end at the deciles of the old ones."""
    before = sorted(row[0] for row in con.execute(f"select {old} from range({rows})").fetchall())
    after = sorted(row[0] for row in con.execute(f"select {new} from range({rows})").fetchall())
    cuts = sorted({before[rows * i // 10 - 1] for i in range(1, 10)})
    below = [(bisect_right(before, cut) / rows, bisect_right(after, cut) / rows) for cut in cuts]
    return psi([(b[0] - a[0], b[1] - a[1]) for a, b in pairwise([(0.0, 0.0), *below, (1.0, 1.0)])])


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_the_stability_index_of_numbers_is_what_their_values_give(
    con: duckdb.DuckDBPyConnection, old: str, new: str
) -> None:
    bins = bins_of(con, old, new)
    assert bins is not None
    assert sum(a for a, _ in bins) == pytest.approx(1)
    assert sum(b for _, b in bins) == pytest.approx(1)
    assert psi(bins) == pytest.approx(true_psi(con, old, new), rel=0.1, abs=0.005)


def test_shares_of_texts_booleans_and_nulls_are_exact_where_all_values_are_known(
    con: duckdb.DuckDBPyConnection,
) -> None:
    old = "case when range % 10 = 0 then null when range % 2 = 0 then 'a' else 'b' end"
    new = "case when range % 2 = 0 then null when range % 4 = 1 then 'b' else 'c' end"
    bins = bins_of(con, old, new, 1000)
    assert bins is not None
    assert [a for a, _ in bins] == pytest.approx([0.1, 0.4, 0.5, 0.0, 0.0])
    assert [b for _, b in bins] == pytest.approx([0.5, 0.0, 0.25, 0.25, 0.0])
    flags = bins_of(con, "range % 4 = 0", "range % 2 = 0", 1000)
    assert flags is not None
    assert sorted(flags) == [(0.0, 0.0), (0.0, 0.0), pytest.approx((0.25, 0.5)), pytest.approx((0.75, 0.5))]


def test_a_text_that_falls_out_of_the_top_values_is_not_taken_for_gone(con: duckdb.DuckDBPyConnection) -> None:
    """Beyond the ten top values a profile knows no counts: there, no shift may be made up."""
    alike = bins_of(con, "'v' || (range % 40)", "'v' || ((range + 1) % 40)")
    assert alike is not None
    assert psi(alike) < 0.001


def test_times_are_compared_and_kinds_that_differ_are_not(con: duckdb.DuckDBPyConnection) -> None:
    moved = bins_of(con, "timestamp '2024-01-01' + to_hours(range)", "timestamp '2024-03-01' + to_hours(range)", 4000)
    assert moved is not None
    assert psi(moved) > 0.25
    assert bins_of(con, "range", "range::varchar") is None
    assert bins_of(con, "range", "timestamp '2024-01-01' + to_hours(range)", 100) is None
    assert bins_of(con, "range", "null::int") is None
    assert bins_of(con, "[range]", "[range]") is None


def test_divergence_runs_from_zero_to_one_bit() -> None:
    assert jensen_shannon([(0.5, 0.5), (0.5, 0.5)]) == 0
    assert jensen_shannon([(1.0, 0.0), (0.0, 1.0)]) == 1
    assert psi([(0.5, 0.5), (0.5, 0.5)]) == 0


def compared(con: duckdb.DuckDBPyConnection, old: str, new: str) -> Diff:
    one = manifest(entry("a", "x", 1, "k"), k={"id": "BIGINT"})
    two = manifest(entry("a", "y", 1, "k"), k={"id": "BIGINT"})
    return diff(one, two, profiled(con, old), profiled(con, new))


def test_columns_are_ranked_by_how_far_their_values_moved(con: duckdb.DuckDBPyConnection) -> None:
    found = compared(
        con,
        "select range as stays, range % 100 as moves, case when range % 50 = 0 then null else 'x' end as empties"
        " from range(10000)",
        "select range as stays, range % 100 + 60 as moves, case when range % 4 = 0 then null else 'x' end as empties"
        " from range(10000)",
    )
    assert [shift.column for shift in found.shifts] == ["moves", "empties", "stays"]
    assert [shift.size for shift in found.shifts] == ["large", "large", "none"]
    assert found.shifts[1].nulls == (0.02, 0.25)
    assert found.shifts[0].mean == (49.5, 109.5)


def test_a_diff_is_told_in_sentences(con: duckdb.DuckDBPyConnection) -> None:
    old = manifest(entry("jan", "j", 100, "k"), k={"id": "BIGINT", "delay": "DOUBLE"})
    months = [entry(f"{month}", month, 100, "l") for month in ("feb", "mar", "apr", "may")]
    new = manifest(entry("jan", "j", 100, "k"), *months, k={"id": "BIGINT"}, l={"id": "BIGINT", "late": "BOOLEAN"})
    before = profiled(con, "select range as id from range(100)")
    after = profiled(con, "select range * 5 as id from range(500)")
    *told, last = sentences(diff(old, new, before, after))
    assert last.startswith("id: a large shift of its values (PSI ")
    assert told == [
        "4 files added: apr, feb, mar and 1 more",
        "data: 100 → 500 rows",
        "data.delay (DOUBLE) was removed",
        "data.late (BOOLEAN) was added",
    ]
    assert diff(old, new).rows == {"data": (100, 500)}
