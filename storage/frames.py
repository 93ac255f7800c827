"""DuckDB over dataset files: views, pages and read-only SQL. A connection sees the dataset's files and nothing else."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from storage.columns import column_type, duckdb_types, identifier, literal
from storage.errors import DataInvalid, UsageError
from storage.manifests import Column
from storage.memory import in_memory
from storage.reading import FORMATS, Source, file_format, file_schema, pattern, reason, select_from, told
from storage.sql import first_line, hint_of, plain, select_only

__all__ = [
    "FORMATS",
    "Source",
    "connect",
    "describe",
    "file_format",
    "file_schema",
    "page",
    "query",
    "select_only",
]

ZONED = "TIMESTAMP WITH TIME ZONE"
FILES_CALLED_DATA = "files.data"  # where a table called `data` lies that a query makes another `data` of

Rows = tuple[list[str], list[tuple[Any, ...]]]


def connect(
    tables: Mapping[str, Sequence[Source]],
    query: str | None = None,
    *,
    writes_to: Path | None = None,
    spill: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """A connection with a view a table, and the view `data`: what `query` makes of them (all of the only table).

    A table may itself be called `data`: to the query it is the files, to everybody else what the query gives.

    From then on it can open only these files, and files below `writes_to`; its configuration is locked. What does not
    fit in half the memory (or `$TRAINSHED_MEMORY`, such as `4GB`) goes to a folder below `spill`, by default the
    system's temporary one, and is gone when the connection is closed. Times with a zone are read in UTC.

    Raises:
        DataInvalid: when a file cannot be read, or the query cannot run on these tables.
        UsageError: when the query is anything but one SELECT.
    """
    if query is not None:
        select_only(query, place="[dataset] query")
    sources = [source for each in tables.values() for source in each]
    con = in_memory(memory_limit=_memory_limit(), python_enable_replacements="false")
    try:
        folder = (spill or Path(tempfile.gettempdir())) / f"trainshed-{uuid.uuid4().hex}"
        con.execute(f"set temp_directory = {literal(str(folder))}")
        con.execute("set TimeZone = 'UTC'")
        con.execute("create schema files")
        for table, its in tables.items():
            view = FILES_CALLED_DATA if table == "data" and query is not None else identifier(table)
            with told(its, table):
                con.execute(f"create view {view} as {select_from(its)}")
                # For the messages of later errors; objects have no names that a person knows.
                names = json.dumps({str(source.content): source.name for source in its})
                con.execute(f"comment on view {view} is {literal(names)}")
        _lock(con, [source.content for source in sources], writes_to)
        if query is not None or "data" not in tables:
            with _query_told():
                con.execute(f"create view data as {_data(tables, query)}")
    except BaseException:
        con.close()
        raise
    return con


def _data(tables: Mapping[str, Sequence[Source]], query: str | None) -> str:
    if query is None:
        return f"select * from {identifier(next(iter(tables)))}"
    if "data" not in tables:
        return plain(query)
    return f"with data as not materialized (from {FILES_CALLED_DATA}) select * from (\n{plain(query)}\n)"


def query(con: duckdb.DuckDBPyConnection, sql: str, params: Sequence[Any] = (), *, limit: int | None = None) -> Rows:
    """Run a user's read-only SQL. Returns column names and rows, at most `limit` of them.

    Raises:
        UsageError: when it is not one SELECT, cannot run, reaches beyond the dataset, or is interrupted.
        DataInvalid: naming the file, when the data themselves cannot be read.
    """
    select_only(sql)
    text = plain(sql) if limit is None else f"select * from (\n{plain(sql)}\n) limit {int(limit)}"
    try:
        return _fetch(con, text, list(params))
    except duckdb.PermissionException:
        raise UsageError(
            "the query reaches beyond the dataset", place="the query", expected="only the dataset's own tables"
        ) from None
    except duckdb.InterruptException:
        raise UsageError("the query was interrupted", place="the query") from None
    except duckdb.OutOfMemoryException as err:
        raise UsageError(
            f"the query needs more memory than there is: {first_line(err)}",
            place="the query",
            todo="let it read or keep less at once; TRAINSHED_MEMORY=… sets the limit",
        ) from None
    except duckdb.Error as err:
        sources = _sources(con)
        if any(str(source.content) in str(err) for source in sources):
            with told(sources):
                raise
        alike = hint_of(err).replace("Candidate bindings:", "columns like it:")
        todo = alike or "`trainshed data show` names the columns"
        raise UsageError(reason(err, sources), place="the query", todo=todo) from None


def page(
    con: duckdb.DuckDBPyConnection,
    *,
    offset: int = 0,
    limit: int = 100,
    order: str | None = None,
    descending: bool = False,
    where: str | None = None,
) -> Rows:
    """A page of the view `data`; `order` is a column, `where` an expression of its columns. Raises as `query`."""
    text = "select * from data" + (f" where (\n{where}\n)" if where else "")
    if order:
        text += f" order by {identifier(order)} {'desc' if descending else 'asc'} nulls last"
    return query(con, f"{text} limit {int(limit)} offset {int(offset)}")


def describe(con: duckdb.DuckDBPyConnection, table: str = "data") -> list[Column]:
    """The columns of a view."""
    kinds = duckdb_types(con, f"select * from {identifier(table)}")
    return [Column(name, column_type(kind), kind) for name, kind in kinds.items()]


def _fetch(con: duckdb.DuckDBPyConnection, select: str, params: list[Any]) -> Rows:
    description = con.execute(select, params).description or []
    zoned = [i for i, column in enumerate(description) if str(column[1]) == ZONED]
    if zoned:
        # DuckDB hands out times with a zone through pytz, which we do without: it gives UTC, and we say so.
        columns = [f"timezone('UTC', #{i + 1})" if i in zoned else f"#{i + 1}" for i in range(len(description))]
        con.execute(f"select {', '.join(columns)} from (\n{select}\n)", params)
    rows = con.fetchall()
    if zoned:
        rows = [tuple(_utc(v) if i in zoned else v for i, v in enumerate(row)) for row in rows]
    return [column[0] for column in description], rows


def _utc(value: datetime | None) -> datetime | None:
    return value and value.replace(tzinfo=UTC)


def _lock(con: duckdb.DuckDBPyConnection, files: Sequence[Path], writes_to: Path | None) -> None:
    # A path is given to DuckDB as a pattern that matches only itself, and must be allowed as both.
    paths = ", ".join(literal(path) for path in {text for file in files for text in (str(file), pattern(file))})
    con.execute(f"set allowed_paths = [{paths}]")
    if writes_to is not None:
        con.execute(f"set allowed_directories = [{literal(str(writes_to))}]")
    con.execute("set autoinstall_known_extensions = false")
    con.execute("set autoload_known_extensions = false")
    con.execute("set allow_community_extensions = false")
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")


def _sources(con: duckdb.DuckDBPyConnection) -> list[Source]:
    """The files behind a connection's views."""
    noted = con.execute("select comment from duckdb_views() where comment is not null").fetchall()
    return [Source(Path(path), name) for (comment,) in noted for path, name in json.loads(comment).items()]


@contextmanager
def _query_told() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as err:
        raise DataInvalid(
            first_line(err), place="[dataset] query", todo="`trainshed data show` names tables and columns"
        ) from None


def _memory_limit() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return os.environ.get("TRAINSHED_MEMORY", f"{pages // 2 // 2**20}MiB")
