"""SQL over dataset files reads those files, whatever it tries, and a bad file is named with the reason."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from storage import frames
from storage.errors import DataInvalid, UsageError
from storage.frames import Source, connect, describe, file_schema, page, query
from storage.sql import select_only

FLIGHTS = "from (values (1, 'UA', 10.5), (2, 'DL', null), (3, 'UA', -2.0)) flights(id, carrier, delay)"


def parquet(path: Path, select: str) -> Path:
    with duckdb.connect() as con:
        con.execute(f"copy ({select}) to '{path}' (format parquet)")
    return path


def source(path: Path, name: str | None = None) -> Source:
    return Source(path, name or path.name)


def described(path: Path) -> Source:
    columns, rows = file_schema(source(path))
    return Source(path, path.name, columns, rows)


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    return parquet(tmp_path / "ab34cd", FLIGHTS)


@pytest.fixture
def con(flights: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    parquet(tmp_path / "other", "select 42 as secret")
    with connect({"flights": [source(flights, "data/flights.parquet")]}, spill=tmp_path) as con:
        yield con


def test_a_table_is_a_view_and_data_is_what_the_query_makes(flights: Path, tmp_path: Path) -> None:
    names = parquet(tmp_path / "x", "from (values ('UA', 'United'), ('DL', 'Delta')) n(carrier, name)")
    tables = {"flights": [source(flights, "f.parquet")], "carriers": [source(names, "c.parquet")]}
    with connect(tables, "select id, name from flights join carriers using (carrier);") as con:
        assert query(con, "select * from data order by id") == (
            ["id", "name"],
            [(1, "United"), (2, "Delta"), (3, "United")],
        )
    with connect({"flights": tables["flights"]}) as con:
        assert [column.name for column in describe(con)] == ["id", "carrier", "delay"]
        assert [column.type for column in describe(con, "flights")] == ["integer", "text", "number"]


def test_a_query_of_several_statements_or_of_another_kind_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    for sql in (
        "",
        "select 1; select 2",
        "create table x as select 1",
        "insert into flights values (1)",
        "drop view flights",
        "set threads = 1",
        "pragma enable_profiling",
        "install httpfs",
        "load httpfs",
        "attach ':memory:' as m",
        "copy flights to 'out.csv'",
        "export database 'out'",
        "explain analyze copy flights to 'out.csv'",
        "prepare p as select 1",
        "call pragma_version()",
        "begin",
        "selekt 1",
    ):
        with pytest.raises(UsageError) as caught:
            query(con, sql)
        assert caught.value.expected == "one SELECT over the dataset's tables", sql


def test_reading_statements_of_every_form_are_allowed(con: duckdb.DuckDBPyConnection) -> None:
    for sql in (
        "from flights",
        "table flights",
        "values (1)",
        "describe flights",
        "summarize flights",
        "show tables",
        "with u as (from flights where carrier = 'UA') select count(*) from u",
        "with recursive r as (select 1 a union all select a + 1 from r where a < 3) from r",
        "select * from range(3) union select * from generate_series(2)",
        "select unnest([1, 2]) -- with a comment",
        "from (pivot flights on carrier in ('UA', 'DL') using count(*))",
        "select id from flights qualify row_number() over (partition by carrier order by id) = 1;",
    ):
        assert query(con, sql, limit=2)[1], sql


BEYOND = [
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_csv('/etc/passwd')",
    "select * from read_json('/proc/self/environ')",
    "select * from '/etc/passwd'",
    "select * from '{other}'",
    "select * from read_parquet('{other}')",
    "select * from parquet_metadata('{other}')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from glob('/*')",
    "select * from read_csv('https://example.com/x.csv')",
    "select getenv('HOME')",
    "select * from duckdb_secrets()",
    "select * from duckdb_settings()",
    "select * from query('select * from read_text(''/etc/passwd'')')",
    "select * from seq_scan(1)",
    "select * from arrow_scan(1, 2, 3)",
    "from flights where exists (from read_text('/etc/passwd'))",
    "with x as (from read_text('/etc/passwd')) from x",
    "select (select content from read_text('/etc/passwd'))",
    "from flights union all by name from read_text('/etc/passwd')",
]


@pytest.mark.parametrize("sql", BEYOND)
def test_sql_cannot_reach_beyond_the_dataset(con: duckdb.DuckDBPyConnection, tmp_path: Path, sql: str) -> None:
    with pytest.raises(UsageError) as caught:
        query(con, sql.format(other=tmp_path / "other"))
    assert "root:" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "with x as (copy (select 1) to '{file}' (use_tmp_file false)) from x",
        "with x as (insert into flights values (9, 'X', 1.0) returning *) from x",
        "with x as (delete from flights) select 1",
        "from json_execute_serialized_sql(json_serialize_sql('with x as (copy (select 1) to ''{file}''"
        " (use_tmp_file false)) from x'))",
        "from query('with x as (copy (select 1) to ''{file}'' (use_tmp_file false)) from x')",
    ],
)
def test_a_select_cannot_write_even_the_files_it_may_read(
    con: duckdb.DuckDBPyConnection, flights: Path, tmp_path: Path, sql: str
) -> None:
    before = flights.read_bytes()
    for target in (flights, tmp_path / "new"):
        with pytest.raises(UsageError):
            query(con, sql.format(file=target))
    assert flights.read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_the_locks_hold_without_the_check_of_the_statement(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for sql in (
        "select * from read_text('/etc/passwd')",
        "select * from glob('/*')",
        f"copy flights to '{tmp_path}/out.csv'",
        f"attach '{tmp_path}/new.db'",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "install httpfs",
        "load httpfs",
    ):
        with pytest.raises(duckdb.Error):
            con.execute(sql)
        with pytest.raises(duckdb.Error):
            con.cursor().execute(sql)


def test_variables_of_our_own_process_are_no_tables(con: duckdb.DuckDBPyConnection) -> None:
    with duckdb.connect() as other:
        frame = other.sql("select 1 as inside")
        with pytest.raises(UsageError, match="frame"):
            query(con, "select * from frame")
    assert frame is not None


def test_a_deeply_nested_query_is_refused_and_not_a_crash() -> None:
    with pytest.raises(UsageError):
        select_only("select " + "+".join(["1"] * 2500))


def test_params_are_bound_and_rows_limited(con: duckdb.DuckDBPyConnection) -> None:
    assert query(con, "select id from flights where carrier = ? order by id desc", ["UA"])[1] == [(3,), (1,)]
    assert query(con, "select id from flights order by id desc -- last", limit=1) == (["id"], [(3,)])


@pytest.mark.parametrize(
    "sql", ["select 1; -- é;", "select 1 -- c\n;", " select 1 ; /* ; */ ;", "-- a\nselect 1", "select 1 -- ;"]
)
def test_semicolons_and_comments_around_a_query_do_no_harm(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert query(con, sql, limit=5)[1] == [(1,)]
    assert query(con, "select 'é;' as a; -- é", limit=5)[1] == [("é;",)]


def test_an_unknown_column_is_named_with_the_nearest(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UsageError, match="carier"):
        query(con, "select carier from flights")


def test_writing_is_allowed_only_below_the_given_folder(flights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with connect({"flights": [source(flights, "f.parquet")]}, writes_to=out) as con:
        con.execute(f"copy data to '{out}/rows.parquet' (format parquet)")
        with pytest.raises(duckdb.Error):
            con.execute(f"copy data to '{tmp_path}/rows.parquet' (format parquet)")
    assert (out / "rows.parquet").exists()


def test_what_does_not_fit_in_memory_is_spilled_and_removed(
    flights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINSHED_MEMORY", "60MB")
    spill = tmp_path / "spill"
    spill.mkdir()
    with connect({"flights": [source(flights, "f.parquet")]}, spill=spill) as con:
        distinct = "select count(*) from (select distinct md5(i::varchar) from range(1500000) r(i))"
        assert query(con, distinct)[1] == [(1_500_000,)]
        with pytest.raises(UsageError, match="more memory"):
            query(con, "select length(list(md5(i::varchar))::varchar) from range(3000000) r(i)")
    assert list(spill.iterdir()) == []


def test_a_page_is_sorted_filtered_and_cut(con: duckdb.DuckDBPyConnection) -> None:
    assert page(con, order="delay", limit=2)[1] == [(3, "UA", -2.0), (1, "UA", 10.5)]
    assert page(con, order="delay", descending=True, limit=1, offset=1)[1] == [(3, "UA", -2.0)]
    assert page(con, where="carrier = 'DL' -- only")[1] == [(2, "DL", None)]
    with pytest.raises(UsageError):
        page(con, where="true); copy data to 'x.csv'; select (1")
    with pytest.raises(UsageError, match="gone"):
        page(con, order='gone"; drop view data; --')


def test_files_of_other_columns_are_put_together_by_name(tmp_path: Path) -> None:
    a = parquet(tmp_path / "a", "select 1 as id, 'x' as text")
    b = parquet(tmp_path / "b", "select 'y' as text, 2.5 as id, true as more")
    with connect({"t": [source(a, "a.parquet"), source(b, "b.parquet")]}) as con:
        assert query(con, "from t order by text")[1] == [(1.0, "x", None), (2.5, "y", True)]


@pytest.mark.parametrize("known", [False, True])
def test_csv_and_json_files_are_read_by_name_with_one_type_a_column(tmp_path: Path, known: bool) -> None:
    contents = {
        "a.csv": b"id,when,note\n1,2024-01-02,x\n2,2024-01-03,\n",
        "b.csv": b'note,id\n"a ""b""",2.5\n',
        "none.csv": b"id,note\n",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    files = [described(tmp_path / n) if known else source(tmp_path / n) for n in contents if known or n != "none.csv"]
    with connect({"t": files}) as con:
        assert {c.name: c.type for c in describe(con, "t")} == {"id": "number", "when": "date", "note": "text"}
        assert query(con, "select id, note from t order by id")[1] == [(1.0, "x"), (2.0, None), (2.5, 'a "b"')]
    (tmp_path / "a.jsonl").write_text('{"id": 1, "tags": ["x"]}\n{"id": 2, "extra": null}\n')
    (tmp_path / "b.jsonl").write_text('{"id": 2.5}\n')
    lines = [described(tmp_path / n) if known else source(tmp_path / n) for n in ("a.jsonl", "b.jsonl")]
    with connect({"t": lines}) as con:
        assert query(con, "select id, tags from t order by id")[1] == [(1.0, ["x"]), (2.0, None), (2.5, None)]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "value,day,value\n1,2,3\n", 'line 1 names the column "value" 2 times: 1 and 3 of 3'),
        ("b.csv", '\ufeff"Value"; value ;x;VALUE\n1;2;3;4\n', 'the column "value" 3 times: 1 and 2 and 4 of 4'),
        ("c.tsv", "größe\tgröße\n1\t2\n", 'the column "größe" 2 times'),
    ],
)
def test_a_header_with_a_name_twice_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataInvalid) as caught:
        frames.file_schema(source(tmp_path / name))
    assert told in str(caught.value) and caught.value.place == name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2,3\n4,5,6\n", "line 2 has 3 columns, the header has 2"),
        ("a,b\n1,2\n3\n4,5,6\n", "line 3 has 1 columns, the header has 2"),
    ],
)
def test_a_header_that_does_not_fit_the_lines_below_is_told_not_skipped(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataInvalid, match=told):
        frames.file_schema(source(tmp_path / "a.csv"))


def test_names_that_only_look_as_if_they_were_twice_are_read(tmp_path: Path) -> None:
    for name, text in (
        ("a.csv", "value,value_1,value_2\n1,2,3\n"),
        ("b.csv", "1,1,1\n2,2,2\n"),
        ("c.csv", "a,,\n1,2,3\n"),
    ):
        (tmp_path / name).write_text(text)
        assert len(frames.file_schema(source(tmp_path / name))[0]) == 3


def test_a_column_that_a_query_misspells_is_told_with_those_like_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Wohnfläche m²,rooms\n1,2\n")
    with connect({"t": [source(tmp_path / "a.csv")]}) as con:
        for sql, told in (("select Wohnfläche from t", '"Wohnfläche m²"'), ("select 1 from tt", 'Did you mean "t"')):
            with pytest.raises(UsageError) as caught:
                query(con, sql)
            assert told in caught.value.todo


def test_formats_are_told_by_name_and_not_mixed(tmp_path: Path) -> None:
    assert frames.file_format("data/X.CSV.gz") == "csv"
    with pytest.raises(UsageError, match="is no table"):
        frames.file_format("photo.png")
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match="several formats"):
        connect({"t": [source(tmp_path / "a.csv"), source(parquet(tmp_path / "b.parquet", "select 1 as a"))]})


@pytest.mark.parametrize("name", ["a[1].parquet", "a*.parquet", "what?.parquet", "it's.parquet", "year=2013/x.parquet"])
def test_a_name_that_looks_like_a_pattern_is_the_file_of_that_name(tmp_path: Path, name: str) -> None:
    for decoy in ("a1.parquet", "a2.parquet", "whatX.parquet"):
        parquet(tmp_path / decoy, "select 'decoy' as which")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    parquet(tmp_path / "made", "select 'right' as which").rename(path)
    assert file_schema(source(path))[1] == 1
    with connect({"t": [source(path)]}) as con:
        assert query(con, "from t") == (["which"], [("right",)])


def test_schema_and_rows_of_each_format(tmp_path: Path) -> None:
    select = "select 1::int as i, 2.5::decimal(9,2) as n, 'x' as s, true as b, now() as t, current_date as d, [1] as l"
    path = parquet(tmp_path / "a.parquet", select)
    columns, rows = file_schema(source(path))
    assert rows == 1
    assert [c.type for c in columns] == ["integer", "number", "text", "boolean", "timestamp", "date", "other"]
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1,x\n2,y\n"))
    columns, rows = file_schema(source(tmp_path / "a.csv.gz"))
    assert ([(c.name, c.type) for c in columns], rows) == ([("a", "integer"), ("b", "text")], 2)
    (tmp_path / "a.tsv").write_text('a\tb\n1\t5" pipe\n')
    assert file_schema(source(tmp_path / "a.tsv"))[1] == 1
    (tmp_path / "a.json").write_text('[{"a": 1}, {"a": 2}]')
    assert file_schema(source(tmp_path / "a.json"))[1] == 2


def test_a_type_that_first_shows_far_down_a_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "late.csv").write_text("a,b\n" + "1,2\n" * 250_000 + "x,2\n")
    columns, rows = file_schema(source(tmp_path / "late.csv"))
    assert ([c.type for c in columns], rows) == (["text", "integer"], 250_001)
    with connect({"t": [described(tmp_path / "late.csv")]}) as con:
        assert query(con, "select a from t where a > '5'")[1] == [("x",)]
    (tmp_path / "late.jsonl").write_text('{"a": 1}\n' * 30_000 + '{"a": 2, "z": "new"}\n')
    assert [c.name for c in file_schema(source(tmp_path / "late.jsonl"))[0]] == ["a", "z"]


GOOD = "from range(5000) r(i)"

BAD = [
    ("empty.parquet", b"", "empty"),
    ("empty.csv", b"", "empty"),
    ("empty.jsonl", b"", "empty"),
    ("half.parquet", None, "magic bytes"),
    ("garbage.parquet", b"\x00\x01\x02garbage" * 500, "magic bytes"),
    ("torn.csv", b"a,b,c\n1,2,3\n4,5", "line 3 has 2 columns, the header has 3"),
    ("ragged.csv", b"a,b\n1,2\n3,4,5\n6,7\n", "line 3 has 3 columns"),
    ("late.csv", b"a,b\n" + b"1,2\n" * 30_000 + b"1", "line 30002 has 1 columns"),
    ("quote.csv", b'a,b\n1,"x\n2,y\n', "line 3"),
    ("latin.csv", "a,b\n1,é\n".encode("latin-1"), "not UTF-8"),
    ("binary.csv", os.urandom(5000), "CSV|UTF-8|columns"),
    ("notzip.csv.gz", b"a,b\n1,2\n", "GZIP"),
    ("torn.jsonl", b'{"a": 1}\n{"a":', "unexpected end of data"),
    ("garbage.jsonl", b"\xff\xfe{}{}garbage", "JSON"),
    ("scalars.jsonl", b"1\n2\n", "JSON object"),
]


@pytest.mark.parametrize(("name", "content", "why"), BAD, ids=[name for name, _, _ in BAD])
def test_a_bad_file_is_named_with_the_reason(tmp_path: Path, name: str, content: bytes | None, why: str) -> None:
    if content is None:
        whole = parquet(tmp_path / "whole", GOOD).read_bytes()
        content = whole[: len(whole) // 2]
    (tmp_path / "object").write_bytes(content)
    bad = Source(tmp_path / "object", f"data/{name}")
    with pytest.raises(DataInvalid, match=why) as caught:
        file_schema(bad)
    assert caught.value.place == f"data/{name}"
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in caught.value.message


def test_a_file_damaged_in_the_middle_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "object", GOOD)
    data = bytearray(path.read_bytes())
    data[200:2000] = os.urandom(1800)
    path.write_bytes(data)
    with connect({"t": [Source(path, "data/x.parquet")]}) as con, pytest.raises(DataInvalid) as caught:
        query(con, "select sum(i) from t")
    assert caught.value.place == "data/x.parquet"
    assert str(path) not in str(caught.value)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid) as caught:
        connect({"t": [Source(tmp_path / "gone", "data/x.parquet")]})
    assert caught.value.place == "data/x.parquet"


def test_a_dataset_query_with_an_unknown_column_names_it(flights: Path) -> None:
    with pytest.raises(DataInvalid, match="carier") as caught:
        connect({"flights": [source(flights, "f.parquet")]}, "select carier from flights")
    assert caught.value.place == "[dataset] query"
    with pytest.raises(UsageError):
        connect({"flights": [source(flights, "f.parquet")]}, "drop view flights")


def test_a_query_may_make_data_of_files_called_data(flights: Path, tmp_path: Path) -> None:
    files = {"data": [source(flights, "f.parquet")]}
    for sql, rows in (
        ("select id + 10 as id from data where carrier = 'UA' -- two", [(11,), (13,)]),
        ("with data as (from data where id > 1) select id from data;", [(2,), (3,)]),
        ("select a.id from data a join data b on a.id = b.id + 1", [(2,), (3,)]),
        ("values (1)", [(1,)]),
    ):
        with connect(files, sql) as con:
            assert query(con, "from data order by 1")[1] == rows, sql
    with connect(files) as con:
        assert len(query(con, "from data")[1]) == 3
    with pytest.raises(DataInvalid, match="carier") as caught:
        connect(files, "select carier from data")
    assert caught.value.place == "[dataset] query"
    (tmp_path / "torn").write_bytes(b"PAR1")
    with pytest.raises(DataInvalid) as caught:
        connect({"data": [source(tmp_path / "torn", "data/torn.parquet")]}, "from data")
    assert caught.value.place == "data/torn.parquet"


def test_times_with_a_zone_are_told_in_utc(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x", "select timestamptz '2024-06-01 12:00:00+02' as t")
    with connect({"t": [source(path, "x.parquet")]}) as con:
        assert query(con, "select extract(hour from t), t::varchar from t")[1] == [(10, "2024-06-01 10:00:00+00")]
        noon = datetime(2024, 6, 1, 10, tzinfo=UTC)
        assert query(con, "select t, 1, t, null::timestamptz as none from t") == (
            ["t", "1", "t", "none"],
            [(noon, 1, noon, None)],
        )
