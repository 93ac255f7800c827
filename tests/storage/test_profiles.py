"""A profile tells what is in a table: exactly where it is small, closely where it is large."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from storage.frames import Source, connect
from storage.profiles import ColumnProfile, Profile, profile

MIXED = """
select range as id,
    case when range % 10 = 0 then null else (range * 7919 % 1000) / 10.0 end as delay,
    (range % 12 + 1)::int as month,
    ['UA', 'DL', 'AA', 'UA'][range % 4 + 1] as carrier,
    range % 3 = 0 as late,
    timestamp '2024-01-01' + to_hours(range::int) as hour,
    date '2024-01-01' + (range % 100)::int as day,
    [range % 5] as tags,
    null::int as nothing
from range({rows})
"""


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        yield con


def profiled(con: duckdb.DuckDBPyConnection, select: str, exact: int = 100_000, sample: int = 20_000) -> Profile:
    con.execute(f"create or replace view data as {select}")
    return profile(con, exact_rows=exact, sample_rows=sample)


def column(found: Profile, name: str) -> ColumnProfile:
    one = found.column(name)
    assert one is not None
    return one


def test_a_small_table_is_profiled_exactly(con: duckdb.DuckDBPyConnection) -> None:
    found = profiled(con, MIXED.format(rows=1200))
    assert (found.rows, found.sampled) == (1200, None)
    values = [range_ * 7919 % 1000 / 10 for range_ in range(1200) if range_ % 10]
    delay = column(found, "delay")
    assert (delay.type, delay.nulls, delay.distinct, delay.distinct_exact) == ("number", 120, len(set(values)), True)
    assert (delay.min, delay.max) == (min(values), max(values))
    assert delay.mean == pytest.approx(statistics.mean(values), rel=1e-12)
    assert delay.std == pytest.approx(statistics.stdev(values), rel=1e-12)
    assert delay.quantiles is not None
    assert delay.quantiles["0.5"] == statistics.median_low(values)
    assert (delay.quantiles["0"], delay.quantiles["1"]) == (min(values), max(values))
    assert delay.histogram is not None
    assert len(delay.histogram.counts) == 20
    assert sum(delay.histogram.counts) == len(values)
    assert (delay.histogram.edges[0], delay.histogram.edges[-1]) == (min(values), max(values))


def test_each_type_is_told_in_its_own_way(con: duckdb.DuckDBPyConnection) -> None:
    found = profiled(con, MIXED.format(rows=1200))
    month = column(found, "month")
    assert month.histogram is not None
    assert month.histogram.edges == [edge + 0.5 for edge in range(13)]
    assert month.histogram.counts == [100] * 12
    assert month.top is not None
    assert len(month.top) == 10
    carrier = column(found, "carrier")
    assert (carrier.min, carrier.max, carrier.mean, carrier.histogram) == ("AA", "UA", None, None)
    assert carrier.top == [("UA", 600), ("AA", 300), ("DL", 300)]
    late = column(found, "late")
    assert late.mean == pytest.approx(1 / 3)
    assert late.top == [(False, 800), (True, 400)]
    hour = column(found, "hour")
    assert (hour.min, hour.max) == ("2024-01-01T00:00:00", "2024-02-19T23:00:00")
    assert hour.quantiles is not None
    assert hour.quantiles["0.5"] == "2024-01-25T23:00:00"
    day = column(found, "day")
    assert (day.type, day.min, day.distinct) == ("date", "2024-01-01", 100)
    tags = column(found, "tags")
    assert (tags.type, tags.distinct, tags.min, tags.top) == ("other", 5, None, None)
    nothing = column(found, "nothing")
    assert (nothing.nulls, nothing.distinct, nothing.mean, nothing.histogram) == (1200, 0, None, None)


def test_a_profile_survives_json(con: duckdb.DuckDBPyConnection) -> None:
    found = profiled(con, MIXED.format(rows=50))
    assert Profile.from_json(found.to_json()) == found


def test_a_large_table_is_counted_in_full_and_estimated_from_a_sample(con: duckdb.DuckDBPyConnection) -> None:
    exact = profiled(con, MIXED.format(rows=60_000))
    close = profiled(con, MIXED.format(rows=60_000), exact=50_000)
    assert (close.rows, close.sampled) == (60_000, 20_000)
    for one, other in zip(exact.columns, close.columns, strict=True):
        assert (one.name, one.type, one.nulls, one.min, one.max) == (
            other.name,
            other.type,
            other.nulls,
            other.min,
            other.max,
        )
        assert other.distinct == pytest.approx(one.distinct, rel=0.1)
        assert not other.distinct_exact
        if isinstance(one.mean, float):
            assert other.mean == pytest.approx(one.mean, rel=1e-9)
        if one.std is not None:
            assert other.std == pytest.approx(one.std, rel=1e-9)
    ids = column(close, "id").quantiles
    assert ids is not None
    assert ids["0.25"] == pytest.approx(15_000, abs=1500)
    month = column(close, "month")
    assert month.histogram is not None
    assert sum(month.histogram.counts) == pytest.approx(60_000, abs=12)
    assert column(close, "carrier").top is not None
    assert dict(column(close, "carrier").top or [])["UA"] == pytest.approx(30_000, rel=0.05)


def test_parquet_files_are_sampled_evenly_even_where_they_are_sorted(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.parquet" for i in range(3)]
    with duckdb.connect() as con:
        for i, path in enumerate(paths):
            rows = MIXED.format(rows=40_000)
            con.execute(f"copy (select * replace (id + {i * 40_000} as id) from ({rows})) to '{path}' (format parquet)")
    with connect({"t": [Source(path, path.name) for path in paths]}) as con:
        found = profile(con, parquet=paths, exact_rows=50_000, sample_rows=20_000)
        exact = profile(con, parquet=paths)
        scanned = profile(con, exact_rows=50_000, sample_rows=20_000)
    assert (found.rows, exact.sampled) == (120_000, None)
    assert found.sampled == pytest.approx(20_000, abs=3)
    ids = column(found, "id")
    assert (ids.min, ids.max, ids.mean, ids.distinct) == (0, 119_999, 59_999.5, 120_000)
    assert ids.histogram is not None
    assert all(count == pytest.approx(6000, rel=0.01) for count in ids.histogram.counts)
    for one in (found, scanned):
        for name in ("delay", "month", "carrier", "hour"):
            assert column(one, name).min == column(exact, name).min
            assert column(one, name).nulls == column(exact, name).nulls
        mean = column(exact, "delay").mean
        assert isinstance(mean, float)
        assert column(one, "delay").mean == pytest.approx(mean, rel=1e-9)


def test_nan_and_infinity_are_counted_and_left_out(con: duckdb.DuckDBPyConnection) -> None:
    odd = "select unnest(['1', '2', '3', 'nan', 'inf', '-inf', null]::double[]) as x"
    x = column(profiled(con, odd), "x")
    assert (x.nulls, x.nonfinite, x.min, x.max, x.mean, x.std) == (1, 3, 1.0, 3.0, 2.0, 1.0)
    assert x.quantiles is not None
    assert x.quantiles["0.5"] == 2.0
    assert x.histogram is not None
    assert sum(x.histogram.counts) == 3
    only = column(profiled(con, "select 'nan'::double as x from range(3)"), "x")
    assert (only.nonfinite, only.mean, only.min, only.histogram) == (3, None, None, None)


def test_values_far_from_zero_keep_their_spread(con: duckdb.DuckDBPyConnection) -> None:
    x = column(profiled(con, "select 1e12 + range % 2 as x from range(1000)"), "x")
    assert x.mean == 1e12 + 0.5
    assert x.std == pytest.approx(math.sqrt(0.25 * 1000 / 999), rel=1e-9)


def test_a_long_tail_does_not_hide_the_rest_of_a_histogram(con: duckdb.DuckDBPyConnection) -> None:
    found = column(
        profiled(con, "select case when range = 0 then 1e9 else range % 100 end::double as x from range(10000)"), "x"
    )
    assert found.histogram is not None
    assert max(found.histogram.counts) < 2000
    assert found.histogram.edges[-1] == 1e9
    assert sum(found.histogram.counts) == 10_000


@pytest.mark.parametrize(
    "select",
    [
        "select 7 as x from range(5)",
        "select 7.5 as x from range(5)",
        "select 1 as x where false",
        "select 9223372036854775807 as x union all select -9223372036854775808",
        "select 1e-300 as x union all select 1e300",
        "select 'infinity'::timestamp as x union all select timestamp '2024-01-01'",
        "select timestamp '294000-01-01' as x",
        "select 123.45::decimal(9, 2) as x",
        "select '' as x",
        'select 1 as "odd ""name""; drop", 2 as "select"',
        "select {'a': 1} as x, [1] as y, time '12:00' as z, '\\x00'::blob as w, uuid() as u",
        "select repeat('long', 1000) as x",
        "select 'a'::enum('a', 'b') as x",
    ],
)
def test_odd_columns_are_profiled_and_survive_json(con: duckdb.DuckDBPyConnection, select: str) -> None:
    found = profiled(con, select)
    assert Profile.from_json(found.to_json()) == found
    for one in found.columns:
        if one.histogram:
            assert sum(one.histogram.counts) == found.rows - one.nulls - one.nonfinite


def test_a_wide_table_is_profiled(con: duckdb.DuckDBPyConnection) -> None:
    wide = "select " + ", ".join(f"range * {i} as c{i}" for i in range(80)) + " from range(300)"
    assert len(profiled(con, wide).columns) == 80


def test_nothing_of_a_profile_is_left_in_the_connection(con: duckdb.DuckDBPyConnection) -> None:
    profiled(con, "select 1 as x")
    assert con.execute("show tables").fetchall() == [("data",)]
    con.execute("create or replace view data as select 1 // (1 - 1)::bigint as x, error('no') as y")
    with pytest.raises(duckdb.Error):
        profile(con)
    assert con.execute("show tables").fetchall() == [("data",)]
