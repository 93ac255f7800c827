"""Which row is for training, which for validation, which for test: by time, at random, by group or stratified.

Every way orders the rows, and cuts: first the test rows, then the validation rows, the rest trains. The order comes
from the column or from md5, so the same rows are split alike in every process, with any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import duckdb

from storage.check_section import ColumnType
from storage.columns import column_types, identifier, missing_column
from storage.errors import DataInvalid
from storage.memory import in_memory
from storage.project import SplitSection

PARTS = ("train", "validation", "test")
TABLE = "split_rows"
ORDERED: tuple[ColumnType, ...] = ("timestamp", "date", "integer", "number", "text")


def assign(
    con: duckdb.DuckDBPyConnection, rows: str, split: SplitSection, *, row: str = "row", target: str | None = None
) -> dict[str, Any]:
    """Share out `rows`, a SELECT, into the temp table `split_rows` (row, split).

    Args:
        row: the column that tells the rows apart.
        target: the column whose classes keep their shares when `split` is stratified and names no column of its own.

    Returns:
        What a person wants to know of it: by, column, seed, rows of each part; for time also where the parts begin.

    Raises:
        DataInvalid: the column is missing or has nulls (time), or a part would be empty, with the counts.
    """
    kinds = column_types(con, rows)
    column = split.column or (target if split.by == "stratified" else None)
    if column is not None and column not in kinds:
        raise missing_column(column, [name for name in kinds if name != row], place="[split] column")
    facts: dict[str, Any] = {"by": split.by, "column": column}
    if split.by == "time":
        assert column is not None
        facts |= _by_time(con, rows, row, split, column, kinds[column])
    elif split.by == "group":
        assert column is not None
        _by_group(con, rows, row, split, column)
    else:
        _one_by_one(con, rows, row, split, column if split.by == "stratified" else None)
    if split.by != "time":
        facts["seed"] = split.seed
    found: dict[str, int] = dict(con.execute(f"select split, count(*) from {TABLE} group by split").fetchall())
    facts["rows"] = {part: found.get(part, 0) for part in PARTS}
    if not all(facts["rows"].values()):
        counts = ", ".join(f"{part} {count}" for part, count in facts["rows"].items())
        raise DataInvalid(
            f"the split leaves a part without rows: {counts}",
            place="[split]",
            expected="at least one row in each",
            todo=_advice(split),
        )
    return facts


def split_files(files: Sequence[tuple[str, str]], split: SplitSection) -> dict[str, list[tuple[str, str]]]:
    """Share out files, each a (path, label); columns to split by are `path`, `label` and `folder`.

    A file's part depends on its path, so that it stays where it is when others come. The order of `files` is kept.

    Raises:
        DataInvalid: as `assign`.
    """
    con = in_memory()
    folders = [str(PurePosixPath(path).parent) for path, _ in files]
    con.execute(
        """create temp table files as select path as row, * from
           (select unnest($1) as path, unnest($2) as label, unnest($3) as folder)""",
        [[path for path, _ in files], [label for _, label in files], folders],
    )
    assign(con, "select * from files", split, target="label")
    part = dict(con.execute(f"select row, split from {TABLE}").fetchall())
    shared: dict[str, list[tuple[str, str]]] = {name: [] for name in PARTS}
    for path, label in files:
        shared[part[path]].append((path, label))
    return shared


def _one_by_one(con: duckdb.DuckDBPyConnection, rows: str, row: str, split: SplitSection, within: str | None) -> None:
    """Rows in the order of their hash; `within` a column, each of its values is spread evenly over that order."""
    total = _count(con, rows)
    test = max(1, round(split.test * total))
    validation = max(1, round(split.validation * total))
    mixed = f"md5_number_lower(concat('{split.seed}:', row))"
    keyed = f"select row, {mixed} as h, 0 as spread from (select {row} as row from ({rows}))"
    if within:
        value = identifier(within)
        keyed = f"""select row, h, (row_number() over (partition by v order by h, row) - 0.5)
                        / count(*) over (partition by v) as spread
                    from (select row, {mixed} as h, v from (select {row} as row, {value} as v from ({rows})))"""
    con.execute(
        f"""create or replace temp table {TABLE} as
            select row, case when place <= {test} then 'test' when place <= {test + validation} then 'validation'
                             else 'train' end as split
            from (select row, row_number() over (order by spread, h, row) as place from ({keyed}))"""
    )


def _by_time(
    con: duckdb.DuckDBPyConnection, rows: str, row: str, split: SplitSection, column: str, kind: ColumnType
) -> dict[str, Any]:
    """The newest rows are the test; rows of one moment stay together, the border goes where the share is nearest."""
    if kind not in ORDERED:
        raise DataInvalid(f'column "{column}" is {kind}', place="[split] column", expected=" or ".join(ORDERED))
    value = identifier(column)
    unknown = f"({value} is null or isnan({value}))" if kind == "number" else f"({value} is null)"
    nulls = _count(con, f"select 1 from ({rows}) where {unknown}")
    if nulls:
        raise DataInvalid(
            f'column "{column}" is null in {nulls} rows, so they have no place in time',
            place="[split] column",
            todo=f"leave them out in the dataset's query: where {value} is not null",
        )
    _blocks(con, f"select {row} as row, {value} as v from ({rows})")
    _share_blocks(con, "v desc", split, filled=True)
    begins = dict(con.execute("select split, cast(min(v) as varchar) from split_blocks group by split").fetchall())
    return {f"{part}_from": begins.get(part) for part in ("validation", "test")}


def _by_group(con: duckdb.DuckDBPyConnection, rows: str, row: str, split: SplitSection, column: str) -> None:
    """Groups in the order of their hash; null is a group. If that leaves a part empty, the smallest groups fill it."""
    _blocks(con, f"select {row} as row, cast({identifier(column)} as varchar) as v from ({rows})")
    mixed = f"md5_number_lower(concat('{split.seed}:', v))"
    _share_blocks(con, f"{mixed}, v", split, filled=False)
    if con.execute(f"select count(distinct split) from {TABLE}").fetchone() != (3,):
        _share_blocks(con, f"n, {mixed}, v", split, filled=True)


def _blocks(con: duckdb.DuckDBPyConnection, keyed: str) -> None:
    """Keep (row, v) and, for each v, its number of rows: the blocks of rows that may not be torn apart."""
    con.execute(f"create or replace temp table split_keys as {keyed}")
    con.execute("create or replace temp table split_sizes as select v, count(*) as n from split_keys group by v")


def _share_blocks(con: duckdb.DuckDBPyConnection, order: str, split: SplitSection, *, filled: bool) -> None:
    """Give each block the part in whose share its middle row falls; `filled`: and each part at least one block."""
    total = _count(con, "select * from split_keys")
    test, both = split.test * total, (split.test + split.validation) * total
    left = (2, 1) if filled else (0, 0)  # blocks that test, and then validation, leave for the parts after them
    con.execute(
        f"""create or replace temp table split_blocks as
            with placed as (select v, row_number() over (order by {order}) as place, count(*) over () as blocks,
                                   sum(n) over (order by {order}) - n / 2 as middle from split_sizes),
                 tested as (select *, ({filled} and place = 1)
                                      or (middle <= {test!r} and place <= blocks - {left[0]}) as tests from placed),
                 numbered as (select *, count_if(tests) over () as first from tested)
            select v, case when tests then 'test'
                           when {filled} and place = first + 1 then 'validation'
                           when middle <= {both!r} and place <= blocks - {left[1]} then 'validation'
                           else 'train' end as split from numbered"""
    )
    con.execute(
        f"""create or replace temp table {TABLE} as
            select k.row, b.split from split_keys k join split_blocks b on k.v is not distinct from b.v"""
    )


def _count(con: duckdb.DuckDBPyConnection, rows: str) -> int:
    found = con.execute(f"select count(*) from ({rows})").fetchone()
    return int(found[0]) if found else 0


def _advice(split: SplitSection) -> str:
    if split.by == "group":
        return f'the groups of "{split.column}" are too few or too unequal: split by another column'
    if split.by == "time":
        return f'"{split.column}" has too few different times: split by another column'
    return "more rows are needed"
