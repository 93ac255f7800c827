"""What a project around given data files would look like: their columns, a target, a task, a split."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.columns import column_types, identifier, literal
from storage.errors import DataInvalid, UsageError, nearest
from storage.reading import Source, told

if TYPE_CHECKING:
    import duckdb

READERS = {
    ".csv": "read_csv_auto",
    ".tsv": "read_csv_auto",
    ".parquet": "read_parquet",
    ".jsonl": "read_json_auto",
    ".ndjson": "read_json_auto",
}
LIKELY_TARGETS = ("target", "label", "class", "y", "outcome", "churned", "churn", "is_fraud", "fraud", "price")
MOST_CLASSES = 30
MOST_CATEGORIES = 1000
DECIMAL_COMMA = r"[+-]?\d+(,\d+)?"


@dataclass(frozen=True)
class Column:
    """One column of the data: its type in the project's words, distinct values and share of nulls.

    `decimal_comma`: the file holds texts, each one a number as much of Europe writes it; a query makes them numbers.
    """

    name: str
    kind: str
    distinct: int
    nulls: float
    decimal_comma: bool


@dataclass
class Guess:
    """What trainshed.toml is filled with. `left_out` maps columns to why they are no feature."""

    globs: list[str]
    rows: int
    columns: list[Column]
    target: str
    guessed: bool
    task: str
    numeric: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    time_column: str | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    other_files: list[str] = field(default_factory=list)

    @property
    def query(self) -> str | None:
        """What makes numbers of texts with a decimal comma; None where there are none."""
        replaced = [
            f"replace({identifier(column.name)}::varchar, ',', '.')::double as {identifier(column.name)}"
            for column in self.columns
            if column.decimal_comma
        ]
        return "select * replace (\n    " + ",\n    ".join(replaced) + "\n) from data" if replaced else None


def data_files(folder: Path) -> list[Path]:
    """Tables directly in `folder` or in its `data/`, hidden files left out."""
    return [
        path
        for place in (folder, folder / "data")
        if place.is_dir()
        for path in sorted(place.iterdir())
        if path.suffix.lower() in READERS and path.is_file() and not path.name.startswith(".")
    ]


def guess(folder: Path, target: str | None) -> Guess:
    """Look at the data files in `folder`. Where there are several tables, the largest is taken.

    Raises:
        UsageError: when `target` is no column.
        DataInvalid: for files that cannot be read.
    """
    from storage.memory import in_memory

    with in_memory() as con:
        tables = _tables(con, data_files(folder))
        chosen = max(tables.values(), key=lambda paths: sum(path.stat().st_size for path in paths))
        others = [path for paths in tables.values() for path in paths if paths is not chosen]
        select = _select(chosen)
        columns, rows = _columns(con, select)
        wanted = _target(columns, target)
        found = Guess(
            globs=_globs(folder, chosen, others),
            rows=rows,
            columns=columns,
            target=wanted.name,
            guessed=target is None,
            task=_task(con, select, wanted, rows),
            other_files=[path.relative_to(folder).as_posix() for path in others],
        )
    for column in columns:
        if column is not wanted:
            _place(found, column)
    if not found.numeric and not found.categorical:
        raise UsageError(
            "no column of this data can be a feature", place=str(folder), expected="numbers, booleans or short texts"
        )
    return found


def _tables(con: duckdb.DuckDBPyConnection, paths: list[Path]) -> dict[tuple[str, ...], list[Path]]:
    """Files that have the same columns and form belong together."""
    tables: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for path in paths:
        tables[(path.suffix.lower(), *_described(con, _select([path]), path))].append(path)
    return tables


def _described(con: duckdb.DuckDBPyConnection, select: str, path: Path) -> dict[str, str]:
    with told([Source(path, str(path))]):
        return dict(column_types(con, select))


def _select(paths: list[Path]) -> str:
    files = ", ".join(literal(str(path)) for path in paths)
    return f"select * from {READERS[paths[0].suffix.lower()]}([{files}])"


def _columns(con: duckdb.DuckDBPyConnection, select: str) -> tuple[list[Column], int]:
    kinds = _described(con, select, Path())
    names = list(kinds)
    counts = ", ".join(
        f"count({n}), approx_count_distinct({n}), bool_and(regexp_full_match({n}::varchar, {literal(DECIMAL_COMMA)}))"
        for n in map(identifier, names)
    )
    row: tuple[Any, ...] = con.execute(f"select count(*), {counts} from ({select})").fetchone() or (0,)
    rows, per_column = row[0], [row[start : start + 3] for start in range(1, len(row), 3)]
    if not rows:
        raise DataInvalid("these files have no rows", expected="a table to learn from")
    columns = []
    for name, (known, distinct, of_numbers) in zip(names, per_column, strict=True):
        decimal_comma = kinds[name] == "text" and bool(of_numbers)
        columns.append(
            Column(name, "number" if decimal_comma else kinds[name], distinct, 1 - known / rows, decimal_comma)
        )
    return columns, rows


def _target(columns: list[Column], wanted: str | None) -> Column:
    by_name = {column.name: column for column in columns}
    if wanted is not None:
        if wanted not in by_name:
            raise UsageError(
                f"--target {wanted}: the data has no such column",
                expected="one of " + ", ".join(by_name),
                todo=nearest(wanted, by_name),
            )
        return by_name[wanted]
    by_lower = {name.lower(): column for name, column in by_name.items()}
    for likely in LIKELY_TARGETS:
        if likely in by_lower:
            return by_lower[likely]
    fit = [c for c in columns if c.kind in ("integer", "number", "boolean", "text") and c.distinct > 1]
    return fit[-1] if fit else columns[-1]


def _task(con: duckdb.DuckDBPyConnection, select: str, target: Column, rows: int) -> str:
    quoted = identifier(target.name)
    counted = con.execute(f"select count(distinct {quoted}) from ({select})").fetchone()
    distinct = counted[0] if counted else 0
    if target.kind not in ("integer", "number", "boolean", "text"):
        raise UsageError(
            f'"{target.name}" is a {target.kind}', expected="a target that is a number, a boolean or a text"
        )
    if distinct < 2:
        raise UsageError(f'"{target.name}" has {distinct} value', expected="a target with at least two")
    if target.kind == "boolean" or (
        distinct == 2 and target.kind in ("text", "integer") and _zero_one(con, select, target)
    ):
        return "binary"
    if target.kind == "text":
        if distinct > max(MOST_CLASSES, rows // 20):
            raise UsageError(
                f'"{target.name}" has {distinct:,} different texts',
                expected="a target with fewer classes",
                todo="choose another: --target COLUMN",
            )
        return "multiclass"
    return "multiclass" if target.kind == "integer" and distinct <= MOST_CLASSES else "regression"


def _zero_one(con: duckdb.DuckDBPyConnection, select: str, target: Column) -> bool:
    """Two texts, or the integers 0 and 1, are a binary target; other integers are classes."""
    if target.kind == "text":
        return True
    quoted = identifier(target.name)
    row = con.execute(f"select min({quoted}), max({quoted}) from ({select})").fetchone()
    return bool(row == (0, 1))


def _place(found: Guess, column: Column) -> None:
    """Make a column a feature, the time to split by, or say why it is left out."""
    distinct = min(column.distinct, found.rows)
    if column.kind in ("timestamp", "date"):
        found.time_column = found.time_column or column.name
        found.left_out[column.name] = f"a {column.kind}; take parts of it in a query, such as extract(month from …)"
    elif distinct < 2:
        found.left_out[column.name] = "always the same"
    elif column.kind == "text" and (distinct > MOST_CATEGORIES or distinct > found.rows // 2):
        found.left_out[column.name] = f"about {distinct:,} different texts"
    elif column.kind == "text":
        found.categorical.append(column.name)
    elif column.kind == "integer" and column.name.lower() in ("id", "index") and distinct > found.rows // 2:
        found.left_out[column.name] = "looks like a row number"
    elif column.kind in ("integer", "number", "boolean"):
        found.numeric.append(column.name)
    else:
        found.left_out[column.name] = "neither number, boolean nor text"


def _globs(folder: Path, chosen: list[Path], others: list[Path]) -> list[str]:
    """One pattern where it matches exactly the chosen files, else their names; a `data/` is where more will come."""
    places, suffixes = {path.parent for path in chosen}, {path.suffix for path in chosen}
    if (len(chosen) > 1 or places != {folder}) and len(places) == 1 and len(suffixes) == 1:
        place, suffix = chosen[0].parent, chosen[0].suffix
        if not any(path.parent == place and path.suffix == suffix for path in others):
            return [(place.relative_to(folder) / f"*{suffix}").as_posix()]
    return [path.relative_to(folder).as_posix() for path in chosen]
