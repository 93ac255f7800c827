"""`predict`: a file of rows through a packaged model, part by part, into a Parquet file that is whole or not there."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from runners.actions.models import resolve
from runners.features.matrix import CHUNK_ROWS, Array, row_count
from runners.packaging.scoring import batches, chunks, session_of
from runners.packaging.signature import Signature
from storage.columns import column_types, identifier, literal, missing_column
from storage.durable import write_whole
from storage.errors import DataInvalid, RunFailed, ShedError, UsageError
from storage.memory import in_memory
from storage.reading import Source, check_names
from storage.shed import Shed

READERS = {".csv": "read_csv", ".jsonl": "read_json", ".json": "read_json"}
PART_ROWS = 8 * CHUNK_ROWS  # what an interrupted call has done is kept part by part

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Predicted:
    """A finished file. `resumed` are the rows that an earlier call had done, `seconds` what this one took."""

    model: str
    version: int
    rows: int
    seconds: float
    output: Path
    resumed: int


def predict(
    shed: Shed,
    reference: str,
    source: Path,
    output: Path,
    *,
    keep: Sequence[str] = (),
    threads: int = 1,
    progress: Progress | None = None,
) -> Predicted:
    """Predict every row of a Parquet, CSV or JSON lines file, in its order, and write predictions as Parquet.

    Parts lie in a folder beside the output until all are there; the same call goes on with them, unless the input, the
    model or what is kept has changed. Memory is that of one part, however long the file.

    Args:
        reference: MODEL[@VERSION|@ALIAS]; by default production.
        keep: columns of the input to write before the predictions.
        progress: called with rows done and all rows.

    Raises:
        UsageError: the output is there already, or one of the names is wrong.
        DataInvalid: the input cannot be read, a column that the model needs is missing, or a value does not fit.
        RunFailed: the model cannot be run.
        ShedError: the disk is full, or the packaged model is damaged.
    """
    began = time.perf_counter()
    name, version = resolve(shed, reference)
    signature = Signature.from_json(version.signature)
    source, output = source.expanduser().absolute(), output.expanduser().absolute()
    _check(source, output)
    if any(given.type == "tensor" for given in signature.inputs):
        raise UsageError(f"{name} takes tensors, not the columns of a table", todo="POST them to its endpoint")
    session = session_of(shed.objects.verify(version.digest), threads=threads)
    work = output.with_name(f".{output.name}.parts")
    try:
        _prepare(work, {"digest": version.digest, "source": _stamp(source), "keep": list(keep), "rows": PART_ROWS})
        with in_memory(threads=threads) as con:
            rows = _as_parquet(con, source, work)
            _check_kept(con, rows, keep)
            total, resumed = row_count(con, rows), 0
            for start in range(0, total, PART_ROWS):
                stop = min(total, start + PART_ROWS)
                part = work / f"part-{start:015d}.parquet"
                if part.exists():
                    resumed += stop - start
                else:
                    with _of_source(source):
                        found = _predicted(rows, session, signature, start, stop, threads)
                    _write(part, rows, keep, found, start, stop)
                if progress is not None:
                    progress(stop, total)
            _join(con, work, output, keep, signature)
        shutil.rmtree(work)
    except OSError as err:
        raise ShedError(f"cannot write here: {err.strerror}", place=str(err.filename or output.parent)) from err
    return Predicted(name, version.number, total, time.perf_counter() - began, output, resumed)


def _check(source: Path, output: Path) -> None:
    if source.suffix.lower() not in (".parquet", *READERS):
        raise UsageError(
            "not a kind of file that can be read", place=str(source), expected="Parquet, CSV or JSON lines"
        )
    if not source.is_file():
        raise UsageError("no such file", place=str(source))
    if output.suffix != ".parquet":
        raise UsageError("predictions are written as Parquet", place=str(output), expected="a name ending in .parquet")
    if output.exists():
        raise UsageError("this file is there already", place=str(output), todo="choose another --output")


def _stamp(source: Path) -> list[Any]:
    found = source.stat()
    return [str(source), found.st_size, found.st_mtime_ns, found.st_ino]


def _prepare(work: Path, terms: dict[str, Any]) -> None:
    """The folder of the parts; what is left of a call on other terms is removed."""
    path = work / "terms.json"
    try:
        if json.loads(path.read_bytes()) == terms:
            return
    except (OSError, ValueError):
        pass
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    write_whole(path, json.dumps(terms).encode())


def _as_parquet(con: duckdb.DuckDBPyConnection, source: Path, work: Path) -> Path:
    """The input as Parquet, whose rows can be read from anywhere."""
    if source.suffix.lower() == ".parquet":
        return source
    copied, fresh = work / "input.parquet", work / ".input.parquet"
    if not copied.exists():
        rows = f"select * from {READERS[source.suffix.lower()]}({literal(str(source))})"
        if source.suffix.lower() == ".csv":
            check_names(Source(source, str(source)), _names(con, rows, source))
        query = f"copy ({rows}) to {literal(str(fresh))} (format parquet)"
        _run(con, query, source)
        fresh.rename(copied)
    return copied


def _names(con: duckdb.DuckDBPyConnection, rows: str, source: Path) -> list[str]:
    try:
        return list(column_types(con, rows))
    except duckdb.Error as err:
        raise DataInvalid(str(err).partition("\n")[0], place=str(source)) from None


@contextmanager
def _of_source(source: Path) -> Iterator[None]:
    """What does not fit in the rows is told of the file that was given, not of our copy of it."""
    try:
        yield
    except DataInvalid as err:
        err.message = err.message.removeprefix("Conversion Error: ")
        err.place = str(source)
        err.expected = err.expected or "columns as the model was trained on them"
        err.todo = err.todo or "where the project has a [dataset] query, apply it to the file first"
        raise


def _check_kept(con: duckdb.DuckDBPyConnection, rows: Path, keep: Sequence[str]) -> None:
    try:
        known = column_types(con, f"select * from read_parquet({literal(str(rows))})")
    except duckdb.Error as err:
        raise DataInvalid(str(err).partition("\n")[0], place=str(rows)) from None
    for name in keep:
        if name not in known:
            raise missing_column(name, known, place="--keep")


def _predicted(rows: Path, session: Any, signature: Signature, start: int, stop: int, threads: int) -> dict[str, Array]:
    """Output name → its values for these rows; probabilities as one output a class."""
    names = [out.name for out in signature.outputs]
    parts: list[list[Array]] = []
    for feeds in chunks(rows, signature, threads=threads, start=start, stop=stop):
        for batch in batches(feeds):
            try:
                parts.append(session.run(names, batch))
            except Exception as err:  # onnxruntime's errors share no base class of their own
                raise RunFailed(f"onnxruntime cannot run the model: {str(err).partition(chr(10))[0]}") from err
    found: dict[str, Array] = {}
    for name, values in zip(names, zip(*parts, strict=True), strict=True):
        joined = np.concatenate(values)
        if joined.ndim == 2:
            for place, cls in enumerate(signature.classes):
                found[f"{name}/{cls}"] = np.ascontiguousarray(joined[:, place])
        else:
            found[name] = joined
    return found


def _write(
    part: Path,
    rows: Path,
    keep: Sequence[str],
    found: dict[str, Array],
    start: int,
    stop: int,
) -> None:
    fresh = part.with_name(f".{part.name}")
    query = "select * from found"
    if keep:
        kept = ", ".join(identifier(name) for name in keep)
        inputs = f"select {kept} from read_parquet({literal(str(rows))})"
        inputs += f" where file_row_number between {start} and {stop - 1}"
        query = f"select k.*, f.* from ({inputs}) k positional join found f"
    with in_memory(threads=1) as con:
        con.register("found", found)
        _run(con, f"copy ({query}) to {literal(str(fresh))} (format parquet, compression zstd)", part)
    fresh.rename(part)


def _join(con: duckdb.DuckDBPyConnection, work: Path, output: Path, keep: Sequence[str], signature: Signature) -> None:
    """All parts as one file, in their order."""
    parts = sorted(work.glob("part-*.parquet"))
    fresh = work / ".whole.parquet"
    if len(parts) == 1:
        parts[0].rename(fresh)
    elif parts:
        files = ", ".join(literal(str(part)) for part in parts)
        query = (
            f"copy (select * from read_parquet([{files}])) to {literal(str(fresh))} (format parquet, compression zstd)"
        )
        _run(con, query, output)
    else:
        raise DataInvalid("the input has no rows")
    fresh.rename(output)


def _run(con: duckdb.DuckDBPyConnection, query: str, place: Path) -> None:
    try:
        con.execute(query).fetchall()  # to its end: what is not fetched may not have happened yet
    except duckdb.IOException as err:
        raise ShedError(
            str(err).partition("\n")[0], place=str(place), todo="free some space, then call again"
        ) from None
    except duckdb.Error as err:
        raise DataInvalid(str(err).partition("\n")[0], place=str(place)) from None
