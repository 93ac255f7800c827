"""The prediction log of an endpoint: lines of JSON while they are written, Parquet once they will not change.

One row a prediction: `id` and `row` name it, `at` (seconds since the epoch, UTC), `ms`, `version`, `digest`, `route`,
`inputs` and `output` as JSON, and once it is known `truth`. Inputs differ from version to version, so that they stay
JSON: `inputs->>'carrier'` asks for one. `route` is `production`, or `canary` or `ab` where a second version answered;
what a shadow said to the same `id` and `row` lies apart, as nobody was answered with it.
"""

from __future__ import annotations

import json
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
TAIL_BYTES = 512 << 10
PREDICTIONS = """
    select id, generate_subscripts("out", 1) - 1 as "row", "at", ms, "version", digest, route,
           unnest("rows") as inputs, unnest("out") as output
    from {lines}
"""


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the views `predictions`, `shadows` and `feedback` over everything in `folder`, however it lies
    there.

    The newest truth of a row counts.
    """
    con = in_memory(threads=2)
    con.execute(f"create temp view predictions_only as {_sources(folder, 'p', LINES, PREDICTIONS)}")
    con.execute(f"create temp view shadows as {_sources(folder, 's', LINES, PREDICTIONS)}")
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


def latest(folder: Path, limit: int = 100) -> list[dict[str, Any]]:
    """The newest predictions, newest first, from the ends of the newest files: cheap however long the log is.

    `inputs`, `output` and `truth` are values here; a truth counts if it came lately.
    """
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("p-*.jsonl"), reverse=True):
        if len(found) >= limit and not path.name.endswith(".open.jsonl"):
            break  # what is open may be another worker's, and as new
        found += [row for line in _last_lines(path) for row in _exploded(line)]
    for path in sorted(folder.glob("p-*.parquet"), reverse=True):
        if len(found) >= limit:
            break
        with in_memory(threads=1) as con:
            rows = con.execute(
                f'select * from read_parquet({literal(str(path))}) order by "at" desc, "row" limit ?', [limit]
            )
            names = [column[0] for column in rows.description or []]
            for values in rows.fetchall():
                row = dict(zip(names, values, strict=True))
                found.append({**row, "inputs": json.loads(row["inputs"]), "output": json.loads(row["output"])})
    truths = {
        (truth.get("id"), truth.get("row")): truth.get("truth")
        for path in sorted(folder.glob("t-*.jsonl"))
        for truth in _last_lines(path)
    }
    for row in found:
        row["truth"] = truths.get((row["id"], row["row"]))
    return sorted(found, key=lambda row: (-row["at"], row["row"]))[:limit]


def without_truth(folder: Path, limit: int) -> list[dict[str, Any]]:
    """The newest predictions of which nobody has said yet what is true; `inputs` and `output` are values here."""
    return _selected(folder, 'where truth is null order by "at" desc, id, "row" limit ?', [limit])


def by_id(folder: Path, request: str) -> list[dict[str, Any]]:
    """The rows of one request, in their order; `inputs`, `output` and `truth` are values here. Empty where none is."""
    return _selected(folder, 'where id = ? order by "row"', [request])


def _selected(folder: Path, which: str, given: list[Any]) -> list[dict[str, Any]]:
    with connect(folder) as con:
        found = con.execute(
            f'select id, "row", "at", ms, "version", digest, route, inputs, output, truth from predictions {which}',
            given,
        )
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
    texts = ("inputs", "output", "truth")
    return [row | {name: None if row[name] is None else json.loads(row[name]) for name in texts} for row in rows]


def _last_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines at the end of a file; one that is still being written is left out."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            data = file.read(TAIL_BYTES)
    except OSError:
        return []  # it became Parquet at this moment
    lines = data.split(b"\n")[(1 if size > TAIL_BYTES else 0) : -1]
    done = []
    for line in lines:
        with suppress(ValueError):
            told = json.loads(line)
            done += [told] if isinstance(told, dict) else []
    return done


def _exploded(line: dict[str, Any]) -> list[dict[str, Any]]:
    head = {name: line.get(name) for name in ("id", "at", "ms", "version", "digest", "route")}
    return [
        {**head, "row": row, "inputs": inputs, "output": output}
        for row, (inputs, output) in enumerate(zip(line.get("rows", []), line.get("out", []), strict=False))
    ]


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
        columns, select = (TRUTHS, "select * from {lines}") if path.name.startswith("t-") else (LINES, PREDICTIONS)
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
