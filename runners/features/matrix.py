"""Rows of a Parquet file → the encoded matrix as memory-mapped .npy files, a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from runners.features.encoding import CategoricalColumn, Encoding, NumericColumn, category
from runners.features.targets import Target, class_text
from storage.columns import duckdb_types, identifier, literal
from storage.errors import DataInvalid

CHUNK_ROWS = 122_880  # DuckDB's row group, so that a chunk reads its own group and no other

Array = npt.NDArray[Any]


def row_count(con: duckdb.DuckDBPyConnection, rows: Path) -> int:
    """The number of rows of a Parquet file, from its footer."""
    found = con.execute(f"select count(*) from read_parquet({literal(str(rows))})").fetchone()
    return int(found[0]) if found else 0


def read_chunks(
    con: duckdb.DuckDBPyConnection,
    rows: Path,
    columns: Sequence[str],
    *,
    size: int = CHUNK_ROWS,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[list[Array]]:
    """Yield the SQL expressions `columns` of a Parquet file as arrays, `size` rows at a time, in the file's order.

    Args:
        start, stop: the rows from the first of these to before the second; by default all.

    Raises:
        DataInvalid: an expression fails on a value, a text that is no number for instance.
    """
    source = f"read_parquet({literal(str(rows))})"
    if "file_row_number" in duckdb_types(con, f"select * from {source}"):
        raise DataInvalid('a column cannot be called "file_row_number"', todo="rename it in the dataset's query")
    named = ", ".join(f"{expression} as c{place}" for place, expression in enumerate(columns))
    total = row_count(con, rows)
    end = total if stop is None else min(stop, total)
    for first in range(start, end, size):
        last = min(first + size, end) - 1
        query = f"select {named} from {source} where file_row_number between {first} and {last}"
        try:
            found = con.execute(query).fetchnumpy()
        except duckdb.DataError as err:
            raise DataInvalid(str(err).partition("\n")[0], place=rows.name) from None
        yield [found[f"c{place}"] for place in range(len(columns))]


def number(name: str) -> str:
    """SQL for a numeric column as the model's input has it: a double, NaN where it is null."""
    return f"coalesce(cast({identifier(name)} as double), cast('nan' as double))"


def write_arrays(con: duckdb.DuckDBPyConnection, rows: Path, encoding: Encoding, out: Path) -> None:
    """Encode the Parquet file `rows` into `out/x.npy` (float32 [n, F]) and `out/y.npy` (float32 or int64 [n]).

    Raises:
        DataInvalid: a value does not fit its column's type, or is infinite, or the target's class is unknown.
    """
    out.mkdir(parents=True, exist_ok=True)
    n = row_count(con, rows)
    y_type = np.int64 if encoding.target.task == "multiclass" else np.float32
    x = np.lib.format.open_memmap(out / "x.npy", mode="w+", dtype=np.float32, shape=(n, encoding.width))
    y = np.lib.format.open_memmap(out / "y.npy", mode="w+", dtype=y_type, shape=(n,))
    done = 0
    with _vocabularies(con, encoding) as coded:
        columns = [number(column.name) for column in encoding.numeric] + coded
        for arrays in read_chunks(con, rows, columns):
            numeric, (*codes, target) = arrays[: len(encoding.numeric)], arrays[len(encoding.numeric) :]
            chunk = slice(done, done + len(target))
            _fill(x[chunk], encoding, numeric, codes)
            y[chunk] = _checked_target(target, encoding.target)
            done = chunk.stop
    x.flush()
    y.flush()


def _fill(x: Array, encoding: Encoding, numeric: list[Array], codes: list[Array]) -> None:
    place = 0
    if numeric:
        scaled, missing = standardise(encoding.numeric, np.stack(numeric, axis=1))
        x[:, : scaled.shape[1]] = scaled
        place = scaled.shape[1] + missing.shape[1]
        x[:, scaled.shape[1] : place] = missing
    for column, found in zip(encoding.categorical, codes, strict=True):
        x[:, place] = found if column.type == "text" else _integer_codes(column, found)
        place += 1


def standardise(columns: Sequence[NumericColumn], raw: npt.NDArray[np.float64]) -> tuple[Array, Array]:
    """Impute and scale float64 [n, N]; return float32 [n, N] and the 0/1 columns of what was missing.

    Each step in float64 and in the order of the ONNX graph's nodes, so that both give the same bits.

    Raises:
        DataInvalid: naming a column with an infinite value.
    """
    infinite = np.isinf(raw).any(axis=0)
    if infinite.any():
        name = columns[int(infinite.argmax())].name
        raise DataInvalid(
            f'column "{name}" has infinite values',
            todo="make them null in the dataset's query: case when isfinite(…) then … end",
        )
    medians, means, scales = constants(columns)
    missing = np.isnan(raw)
    with np.errstate(over="ignore"):
        scaled = ((np.where(missing, medians, raw) - means) / scales).astype(np.float32)
    return scaled, missing[:, [place for place, column in enumerate(columns) if column.has_missing]]


def constants(columns: Sequence[NumericColumn]) -> tuple[npt.NDArray[np.float64], ...]:
    """Medians, means and divisors, each [1, N]. A constant column is divided by infinity, which makes it 0."""
    medians = np.array([[column.median for column in columns]])
    means = np.array([[column.mean for column in columns]])
    scales = np.array([[column.std or np.inf for column in columns]])
    return medians, means, scales


def _integer_codes(column: CategoricalColumn, values: Array) -> Array:
    known = np.array(column.categories, dtype=np.int64)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[place] == values, place + 1, 0)


def _checked_target(values: Array, target: Target) -> Array:
    if np.ma.is_masked(values):
        what = "a class that is not among the known ones" if target.classes else "no value"
        raise DataInvalid(f'the target "{target.name}" has {what} in {int(np.ma.getmaskarray(values).sum())} rows')
    return values


@contextmanager
def _vocabularies(con: duckdb.DuckDBPyConnection, encoding: Encoding) -> Iterator[list[str]]:
    """SQL for each categorical column and for the target. Texts are looked up in an ENUM, DuckDB's own hash table."""
    lists: list[tuple[str, ...]] = []

    def place_in(values: tuple[Any, ...], text: str) -> str:
        lists.append(values)
        return f"cast(enum_code(try_cast({text} as trainshed_vocabulary_{len(lists) - 1})) as bigint)"

    coded = []
    for column in encoding.categorical:
        raw = category(column.name, column.type)
        coded.append(f"coalesce({place_in(column.categories, raw)} + 1, 0)" if column.type == "text" else raw)
    target = encoding.target
    if target.classes:
        coded.append(place_in(target.classes, class_text(target.name, target.type)))
    else:
        coded.append(f"cast({identifier(target.name)} as float)")
    try:
        for place, values in enumerate(lists):
            con.execute(
                f"create or replace temp type trainshed_vocabulary_{place} as enum (select unnest($1))", [list(values)]
            )
        yield coded
    finally:
        for place in range(len(lists)):
            con.execute(f"drop type if exists trainshed_vocabulary_{place}")
