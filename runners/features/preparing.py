"""Raw rows → what training reads: split Parquet files, the encoding, memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from runners.features import encoding, splits
from runners.features.matrix import write_arrays
from runners.features.targets import Target, class_text, fit_target, target_known
from storage.columns import column_type, duckdb_types, identifier, literal
from storage.errors import DataInvalid
from storage.project import FeaturesSection, SplitSection

WIDE_INTEGERS = ("HUGEINT", "UHUGEINT", "BIGNUM")  # what sum() and count arithmetic give; Parquet has no such type


def prepare_rows(
    con: duckdb.DuckDBPyConnection, source: str, features: FeaturesSection, split: SplitSection, out: Path
) -> dict[str, Any]:
    """Split and encode the rows of `source`, a SELECT, into the folder `out`, which exists and is empty.

    Writes `encoding.json`, and for train, validation and test `PART.parquet` (every column of `source`, in its order)
    beside `PART/x.npy` and `PART/y.npy` (the same rows). Rows whose target is null are left out.

    Args:
        con: a connection that can run `source` and that may read and write files in `out`.

    Returns:
        The facts of the stage: task, rows, features, categories, classes, split, and absent classes where there are.

    Raises:
        UsageError: `[features]` contradicts itself.
        DataInvalid: the rows do not fit `[features]` or `[split]`, with the column and what to do.
    """
    with _told("the dataset's query"):
        types = duckdb_types(con, source)
    encoding.check_columns({name: column_type(kind) for name, kind in types.items()}, features)
    rows = out / "rows.parquet"
    _materialise(con, source, types, features, rows)
    try:
        with _told("[features]"):
            return _prepare(con, rows, features, split, out)
    finally:
        rows.unlink(missing_ok=True)


def _prepare(
    con: duckdb.DuckDBPyConnection, rows: Path, features: FeaturesSection, split: SplitSection, out: Path
) -> dict[str, Any]:
    source = _read(rows)
    target = fit_target(con, source, features)
    usable = target_known(target.name, target.type)
    numbered = f"select file_row_number, * from read_parquet({literal(str(rows))}) where {usable}"
    shared = splits.assign(con, numbered, split, row="file_row_number", target=target.name)
    counts = shared.pop("rows")
    _write_parts(con, rows, out)
    fitted = encoding.fit(con, _read(out / "train.parquet"), features, target=target)
    _check_training_classes(con, out, features)
    for part in splits.PARTS:
        write_arrays(con, out / f"{part}.parquet", fitted, out / part)
    fitted.write(out / "encoding.json")
    total = con.execute(f"select count(*) from ({source})").fetchall()[0][0]
    absent = _absent_classes(con, out, target)
    return {
        "task": features.task,
        "rows": {**counts, "dropped": total - sum(counts.values())},
        "features": fitted.feature_names,
        "categories": fitted.codes,
        "classes": list(target.classes),
        "split": shared,
        **({"absent": absent} if absent else {}),
    }


def _read(rows: Path) -> str:
    return f"select * from read_parquet({literal(str(rows))})"


def _materialise(
    con: duckdb.DuckDBPyConnection, source: str, types: dict[str, str], features: FeaturesSection, rows: Path
) -> None:
    """Run the query once: a row's place in this file is its number from now on."""
    if "file_row_number" in types:
        raise DataInvalid('a column cannot be called "file_row_number"', todo="rename it in the dataset's query")
    used = {features.target, *features.numeric, *features.categorical}
    wide = [identifier(name) for name, kind in types.items() if kind in WIDE_INTEGERS and name in used]
    narrowed = f"replace ({', '.join(f'cast({name} as bigint) as {name}' for name in wide)})" if wide else ""
    with _told("the dataset's query"):
        con.execute(f"copy (select * {narrowed} from ({source})) to {literal(str(rows))} (format parquet)")


def _write_parts(con: duckdb.DuckDBPyConnection, rows: Path, out: Path) -> None:
    # Put side by side, row n to row n: a join would not promise to keep the order of the rows.
    con.execute(
        f"""create or replace temp table split_aligned as
            select s.split from (select file_row_number as row from read_parquet({literal(str(rows))})) r
            left join {splits.TABLE} s on r.row = s.row order by r.row"""
    )
    for part in splits.PARTS:
        con.execute(
            f"""copy (select r.* from read_parquet({literal(str(rows))}) r positional join split_aligned s
                      where s.split = '{part}')
                to {literal(str(out / f"{part}.parquet"))} (format parquet, compression zstd)"""
        )
    con.execute("drop table split_aligned")


def _check_training_classes(con: duckdb.DuckDBPyConnection, out: Path, features: FeaturesSection) -> None:
    if features.task == "regression":
        return
    try:
        fit_target(con, _read(out / "train.parquet"), features)
    except DataInvalid as err:
        raise DataInvalid(
            f"{err.message}, in the training rows",
            place=err.place,
            expected=err.expected,
            todo='[split] by = "stratified" keeps the shares of the classes',
        ) from None


def _absent_classes(con: duckdb.DuckDBPyConnection, out: Path, target: Target) -> dict[str, list[str]]:
    """Part → the classes that none of its rows has: they are not learnt (train), or not measured (test)."""
    absent = {}
    for part in ("train", "test") if target.classes else ():
        query = f"select distinct {class_text(target.name, target.type)} from ({_read(out / f'{part}.parquet')})"
        found = {row[0] for row in con.execute(query).fetchall()}
        missing = [name for name in target.classes if name not in found]
        if missing:
            absent[part] = missing
    return absent


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Turn what DuckDB says of a query or of a value into an error for people."""
    try:
        yield
    except duckdb.Error as err:
        raise DataInvalid(str(err).strip().partition("\n")[0], place=place) from None
