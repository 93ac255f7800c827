"""The prediction log of an endpoint: lines of JSON while they are written, Parquet once they will not change.

One row a prediction: `id` and `row` name it, `at` (seconds since the epoch, UTC), `ms`, `version`, `digest`, `route`,
`inputs` and `output` as JSON, and once it is known `truth`. Inputs differ from version to version, so that they stay
JSON: `inputs->>'carrier'` asks for one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from storage.columns import literal
from storage.errors import ShedError
from storage.memory import in_memory

LINES = {
    "id": "VARCHAR", "at": "DOUBLE", "ms": "DOUBLE", "version": "INTEGER", "digest": "VARCHAR", "route": "VARCHAR",
    "out": "JSON[]", "rows": "JSON[]",
}  # fmt: skip
TRUTHS = {"id": "VARCHAR", "row": "INTEGER", "truth": "JSON", "at": "DOUBLE"}
LONGEST_LINE = 256 << 20
PREDICTIONS = """
    select id, generate_subscripts("out", 1) - 1 as "row", "at", ms, "version", digest, route,
           unnest("rows") as inputs, unnest("out") as output
    from {lines}
"""


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the views `predictions` and `feedback` over everything in `folder`, however it lies there.

    The newest truth of a row counts.
    """
    con = in_memory(threads=2)
    con.execute(f"create temp view predictions_only as {_sources(folder, 'p', LINES, PREDICTIONS)}")
    con.execute(f"create temp view feedback as {_sources(folder, 't', TRUTHS, 'select * from {lines}')}")
    con.execute(
        "create temp view predictions as select p.*, t.truth from predictions_only p left join "
        '(select id, "row", arg_max(truth, "at") as truth from feedback group by id, "row") t using (id, "row")'
    )
    return con


def newest(folder: Path, limit: int = 100) -> list[dict[str, Any]]:
    """The newest predictions, newest first."""
    with connect(folder) as con:
        found = con.execute('select * from predictions order by "at" desc, "row" limit ?', [limit])
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def count(folder: Path) -> int:
    """How many predictions are logged."""
    with connect(folder) as con:
        row = con.execute("select count(*) from predictions_only").fetchone()
        return int(row[0]) if row else 0


def tidy(folder: Path, *, keep_days: float, keep_bytes: int) -> None:
    """Make Parquet of what is complete, and remove what is too old or too much, the oldest first.

    A file that is open is complete once the process that its name ends in is gone.

    Raises:
        ShedError: when a file cannot be written; the lines stay as they are then.
    """
    for path in folder.glob("*.open.jsonl"):
        writer = path.name.split(".")[0].rpartition("-")[2]
        if not Path(f"/proc/{writer}").exists():
            with suppress(OSError):
                path.rename(path.with_name(path.name.replace(".open.jsonl", ".jsonl")))
    for path in sorted(folder.glob("*-*.jsonl")):
        if not path.name.endswith(".open.jsonl"):
            _to_parquet(path)
    _remove(sorted(folder.glob("*.parquet"), key=lambda path: path.name.split("-")[1]), keep_days, keep_bytes)


def _to_parquet(path: Path) -> None:
    target = path.with_suffix(".parquet")
    if not target.exists():
        columns, select = (LINES, PREDICTIONS) if path.name.startswith("p-") else (TRUTHS, "select * from {lines}")
        fresh = target.with_name(f".{target.name}")
        try:
            with in_memory(threads=1) as con:
                query = select.format(lines=_lines([path], columns))
                con.execute(f"copy ({query}) to {literal(str(fresh))} (format parquet, compression zstd)").fetchall()
            fresh.chmod(0o660)
            fresh.replace(target)
        except (duckdb.Error, OSError) as err:
            fresh.unlink(missing_ok=True)
            raise ShedError(f"cannot make Parquet of it: {err}", place=str(path)) from err
    path.unlink()


def _remove(segments: Sequence[Path], keep_days: float, keep_bytes: int) -> None:
    sizes = [(path, path.stat()) for path in segments]
    total = sum(found.st_size for _, found in sizes)
    oldest = time.time() - keep_days * 86400
    for path, found in sizes:
        if found.st_mtime < oldest or total > keep_bytes:
            path.unlink(missing_ok=True)
            total -= found.st_size


def _sources(folder: Path, prefix: str, columns: dict[str, str], select: str) -> str:
    """SQL over all files of a kind. Lines whose Parquet is there already count once."""
    segments = sorted(folder.glob(f"{prefix}-*.parquet"))
    done = {path.stem for path in segments}
    lines = [path for path in sorted(folder.glob(f"{prefix}-*.jsonl")) if path.name.split(".")[0] not in done]
    parts = []
    if segments:
        parts.append(f"select * from read_parquet([{', '.join(literal(str(path)) for path in segments)}])")
    if lines:
        parts.append(select.format(lines=_lines(lines, columns)))
    if not parts:
        nothing = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in columns.items())
        parts.append(f"{select.format(lines=f'(select {nothing})')} limit 0")
    return " union all by name ".join(f"({part})" for part in parts)


def _lines(paths: Sequence[Path], columns: dict[str, str]) -> str:
    """Lines of JSON as a relation. One that a crash cut short is left out."""
    files = ", ".join(literal(str(path)) for path in paths)
    types = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns.items())
    return (
        f"read_json([{files}], format = 'newline_delimited', columns = {{{types}}}, ignore_errors = true, "
        f"maximum_object_size = {LONGEST_LINE})"
    )
