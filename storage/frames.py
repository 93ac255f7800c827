"""DuckDB over dataset files: views, pages and read-only SQL. A connection sees the dataset's files and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from storage.columns import column_type, duckdb_types, identifier, literal
from storage.errors import DataInvalid, UsageError
from storage.manifests import Column

FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}


class Source(NamedTuple):
    """One file: where its bytes are, and the name that tells its format (objects have none)."""

    content: Path
    name: str


def file_format(name: str) -> str:
    """`parquet`, `csv` or `json`, by the name. Raises UsageError for any other."""
    suffix = Path(name.removesuffix(".gz")).suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(
            f'"{name}" is no table that can be read',
            expected="a name ending in " + ", ".join(FORMATS) + ", .csv.gz or .jsonl.gz",
            todo='for images, audio and the like: [dataset] kind = "files"',
        )
    return FORMATS[suffix]


def connect(
    tables: Mapping[str, Sequence[Source]], query: str | None = None, *, writes_to: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection with a view a table, and the view `data`: what `query` makes of them (all of the only table).

    From then on it can open only these files, and files below `writes_to`; its configuration is locked.

    Raises:
        DataInvalid: when a file cannot be read, or the query cannot run on these tables.
        UsageError: when the query is anything but one SELECT.
    """
    if query is not None:
        select_only(query, place="[dataset] query")
    con = duckdb.connect(config={"memory_limit": _memory_limit()})
    try:
        for table, sources in tables.items():
            with _told(table, sources):
                con.execute(f"create view {identifier(table)} as {_reading(sources)}")
        _lock(con, [source.content for sources in tables.values() for source in sources], writes_to)
        if query is not None and "data" in tables:
            raise UsageError('a table cannot be called "data": that is what the query makes', place="[dataset] tables")
        if query is not None or "data" not in tables:
            only = f"select * from {identifier(next(iter(tables)))}"
            with _query_told():
                con.execute(f"create view data as {_plain(query) if query else only}")
    except BaseException:
        con.close()
        raise
    return con


def select_only(sql: str, *, place: str = "") -> None:
    """Let a text through that is exactly one SELECT.

    Raises:
        UsageError: for several statements, and for any that could change or read something else.
    """
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as err:
        raise UsageError(_first_line(err), place=place or "the query", expected="one SELECT") from None
    kinds = [statement.type for statement in statements]
    if kinds != [duckdb.StatementType.SELECT]:
        names = ", ".join(str(kind).rpartition(".")[2] for kind in kinds) or "nothing"
        raise UsageError(f"this is {names}", place=place or "the query", expected="one SELECT, which only reads")


def query(
    con: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Any] = (), *, limit: int | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a user's read-only SQL. Returns column names and rows, at most `limit` of them.

    Raises:
        UsageError: when it is not one SELECT, cannot run, or reaches beyond the dataset.
    """
    select_only(sql)
    text = _plain(sql) if limit is None else f"select * from ({_plain(sql)}) limit {int(limit)}"
    try:
        found = con.execute(text, list(params))
        return [column[0] for column in found.description or []], found.fetchall()
    except duckdb.PermissionException as err:
        raise UsageError(
            f"the query reaches beyond the dataset: {_first_line(err)}", expected="only the dataset's own tables"
        ) from None
    except duckdb.Error as err:
        raise UsageError(_first_line(err), place="the query", todo="`trainshed data show` names the columns") from None


def page(
    con: duckdb.DuckDBPyConnection,
    *,
    offset: int = 0,
    limit: int = 100,
    order: str | None = None,
    descending: bool = False,
    where: str | None = None,
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """A page of the view `data`; `order` is a column, `where` an expression of its columns. Raises as `query`."""
    text = "select * from data" + (f" where {where}" if where else "")
    if order:
        text += f" order by {identifier(order)} {'desc' if descending else 'asc'} nulls last"
    select_only(text)
    return query(con, f"{text} limit {int(limit)} offset {int(offset)}")


def describe(con: duckdb.DuckDBPyConnection, table: str = "data") -> list[Column]:
    """The columns of a view."""
    kinds = duckdb_types(con, f"select * from {identifier(table)}")
    return [Column(name, column_type(kind), kind) for name, kind in kinds.items()]


def file_schema(source: Source) -> tuple[list[Column], int]:
    """Columns and number of rows of one file; of Parquet only the footer is read.

    Raises:
        DataInvalid: naming the file, when it is not what its name says: half-written, empty, something else.
    """
    path = literal(str(source.content))
    with duckdb.connect(config={"memory_limit": _memory_limit()}) as con, _told("", [source]):
        if source.content.stat().st_size == 0:
            raise DataInvalid("the file is empty", place=source.name, expected=f"a {file_format(source.name)} file")
        kinds = duckdb_types(con, _reading([source]))
        if file_format(source.name) == "parquet":
            counted = f"select coalesce(sum(num_rows), 0)::bigint from parquet_file_metadata({path})"
        else:
            counted = f"select count(*) from ({_reading([source])})"
        row = con.execute(counted).fetchone()
    assert row is not None
    return [Column(name, column_type(kind), kind) for name, kind in kinds.items()], int(row[0])


def _reading(sources: Sequence[Source]) -> str:
    """The SELECT over some files of one format."""
    formats = {(file_format(source.name), source.name.endswith(".gz")) for source in sources}
    if len(formats) != 1:
        names = ", ".join(sorted({Path(source.name).suffix for source in sources}))
        raise UsageError(f"a table of files in several formats: {names}", expected="one format a table")
    kind, zipped = next(iter(formats))
    files = "[" + ", ".join(literal(str(source.content)) for source in sources) + "]"
    if kind == "parquet":
        return f"select * from read_parquet({files}, union_by_name = true)"
    compression = "compression = 'gzip'" if zipped else "compression = 'none'"
    if kind == "csv":
        return f"select * from read_csv({files}, union_by_name = true, sample_size = -1, {compression})"
    return f"select * from read_json({files}, union_by_name = true, format = 'auto', {compression})"


def _lock(con: duckdb.DuckDBPyConnection, files: Sequence[Path], writes_to: Path | None) -> None:
    paths = ", ".join(literal(str(path)) for path in files)
    con.execute(f"set allowed_paths = [{paths}]")
    if writes_to is not None:
        con.execute(f"set allowed_directories = [{literal(str(writes_to))}]")
    con.execute("set autoinstall_known_extensions = false")
    con.execute("set autoload_known_extensions = false")
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")


@contextmanager
def _told(table: str, sources: Sequence[Source]) -> Iterator[None]:
    """Name the file that DuckDB could not read, by its own name instead of the object's."""
    try:
        yield
    except duckdb.Error as err:
        text = _first_line(err)
        culprit = next((source for source in sources if str(source.content) in str(err)), sources[0])
        for source in sources:
            text = text.replace(str(source.content), source.name)
        raise DataInvalid(
            f"cannot be read: {text}",
            place=culprit.name if len(sources) == 1 or str(culprit.content) in str(err) else f"table {table}",
            expected=f"a complete {file_format(culprit.name)} file",
            todo="write it anew; if something is still writing it, wait until it is complete",
        ) from None


@contextmanager
def _query_told() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as err:
        raise DataInvalid(
            _first_line(err), place="[dataset] query", todo="`trainshed data show` names tables and columns"
        ) from None


def _plain(sql: str) -> str:
    return sql.strip().rstrip(";")


def _memory_limit() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return os.environ.get("TRAINSHED_MEMORY", f"{pages // 2 // 2**20}MiB")


def _first_line(err: Exception) -> str:
    text = str(err).strip()
    first, _, rest = text.partition("\n")
    hint = next((line.strip() for line in rest.splitlines() if line.startswith(("Did you mean", "Candidate"))), "")
    return f"{first} ({hint})" if hint else first
