"""Files as tables: how DuckDB is to read them, and what each one holds."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TextIO, cast

import duckdb

from storage.columns import column_type, duckdb_types, identifier, literal
from storage.errors import DataInvalid, UsageError
from storage.manifests import Column
from storage.memory import in_memory

FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}
SNIFFED_ROWS = 200_000  # from which the types of a CSV file are guessed; all its rows are then held against them
DELIMITERS = ",;|\t"
TELLING = ("Expected Number", "Invalid unicode", "Value with unterminated", "Error when converting", "Maximum line")


class Source(NamedTuple):
    """One file: where its bytes are, and the name that tells its format (objects have none).

    With the `columns` and `rows` that `file_schema` found, nothing has to be guessed again when it is read.
    """

    content: Path
    name: str
    columns: Sequence[Column] | None = None
    rows: int | None = None


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


def pattern(path: Path) -> str:
    """A path as DuckDB must be given it: it takes `*`, `?` and `[` in any path for a pattern."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


def select_from(sources: Sequence[Source], *, sniffed_rows: int = -1) -> str:
    """The SELECT over some files of one format, by column name. Guesses look at `sniffed_rows` rows (-1: all).

    Raises:
        UsageError: when the formats differ, or one is unknown.
    """
    formats = {(file_format(source.name), source.name.endswith(".gz")) for source in sources}
    if len(formats) != 1:
        names = ", ".join(sorted({Path(source.name).suffix for source in sources}))
        raise UsageError(f"a table of files in several formats: {names}", expected="one format a table")
    kind, zipped = next(iter(formats))
    files = "[" + ", ".join(literal(pattern(source.content)) for source in sources) + "]"
    if kind == "parquet":
        # Folders such as year=2013/ must not add columns: kept files lie elsewhere.
        return f"select * from read_parquet({files}, union_by_name = true, hive_partitioning = false)"
    options = ["union_by_name = true", f"compression = '{'gzip' if zipped else 'none'}'"]
    types = _types(sources)
    known = "{" + ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in types.items()) + "}"
    if kind == "csv":
        options += ["hive_partitioning = false"]
        if not any(source.name.removesuffix(".gz").endswith(".tsv") for source in sources):
            options += ["quote = '\"'", "escape = '\"'"]  # guessed, a torn quotation would pass for text
        if types:
            named = any(not re.fullmatch(r"column\d+", name) for name in types)
            options += [f"types = {known}", f"header = {str(named).lower()}"]
        else:
            options += [f"sample_size = {sniffed_rows}"]
        return f"select * from read_csv({files}, {', '.join(options)})"
    lines = all(source.name.removesuffix(".gz").endswith(("jsonl", "ndjson")) for source in sources)
    options += ["records = true", f"format = '{'newline_delimited' if lines else 'auto'}'"]
    options += [f"columns = {known}"] if types else ["sample_size = -1"]
    return f"select * from read_json({files}, {', '.join(options)})"


def file_schema(source: Source) -> tuple[list[Column], int]:
    """Columns and number of rows of one file; of Parquet only the footer is read.

    Raises:
        DataInvalid: naming the file, when it is not what its name says: half-written, empty, something else.
        UsageError: when its format is unknown.
    """
    kind = file_format(source.name)
    with in_memory(temp_directory="") as con, told([source]):
        con.execute("set TimeZone = 'UTC'")
        if source.content.stat().st_size == 0:
            raise DataInvalid("the file is empty", place=source.name, expected=f"a {kind} file")
        if kind == "csv":
            columns, rows = _csv_schema(con, source)
        else:
            select = select_from([source])
            columns = _columns(con, select)
            parquet = (
                f"select coalesce(sum(num_rows), 0) from parquet_file_metadata({literal(pattern(source.content))})"
            )
            rows = _number(con, parquet if kind == "parquet" else f"select count(*) from ({select})")
    return columns, rows


def _csv_schema(con: duckdb.DuckDBPyConnection, source: Source) -> tuple[list[Column], int]:
    for rows in (SNIFFED_ROWS, -1):
        select = select_from([source], sniffed_rows=rows)
        columns = _columns(con, select)
        # One wide column is what is left of a file whose lines differ.
        if len(columns) == 1 and any(mark in columns[0].name for mark in DELIMITERS):
            uneven = _uneven(source)
            if uneven:
                raise uneven
        check_names(source, [column.name for column in columns])
        counts = ", ".join(f"count({identifier(column.name)})" for column in columns)
        try:
            return columns, _number(con, f"select count(*), {counts} from ({select})")
        except duckdb.ConversionException:
            if rows == -1:
                raise
    raise AssertionError("unreachable")


def check_names(source: Source, names: Sequence[str]) -> None:
    """Let a CSV file through whose header has a name for each column, once; `names` are those that DuckDB gave them.

    DuckDB calls a second `value` `value_1`. SQL does not tell `Value` from `value`, so these are one name too. And a
    header that does not fit the lines below it is skipped by DuckDB, without a word.

    Raises:
        DataInvalid: naming the file, and the column and its places in the header, or the line that is unlike the first.
    """
    if all(re.fullmatch(r"column\d+", name) for name in names):
        with suppress(OSError, EOFError, UnicodeDecodeError, csv.Error), _opened(source) as file:
            first = file.readline()
            mark = max(DELIMITERS, key=first.count)
            if len(next(csv.reader([first], delimiter=mark), [])) != len(names) and (uneven := _uneven(source)):
                raise uneven
        return
    lower = {name.lower() for name in names}
    if not any(name.lower().rpartition("_")[0] in lower for name in names if re.search(r"_\d+$", name)):
        return
    with suppress(OSError, EOFError, UnicodeDecodeError, csv.Error), _opened(source) as file:
        mark = max(DELIMITERS, key=file.readline().count)
        file.seek(0)
        header = [field.strip().lower() for field in next(csv.reader(file, delimiter=mark), [])]
        for name in header:
            if name and header.count(name) > 1:
                places = [str(place) for place, each in enumerate(header, start=1) if each == name]
                raise DataInvalid(
                    f'line 1 names the column "{name}" {len(places)} times: {" and ".join(places)} of {len(header)}',
                    place=source.name,
                    expected="each name once; upper and lower case make no difference",
                    todo="rename them in the file, or leave out what is there twice",
                )


def _columns(con: duckdb.DuckDBPyConnection, select: str) -> list[Column]:
    return [Column(name, column_type(kind), kind) for name, kind in duckdb_types(con, select).items()]


def _number(con: duckdb.DuckDBPyConnection, select: str) -> int:
    row = con.execute(select).fetchone()
    return int(row[0]) if row else 0


def _types(sources: Sequence[Source]) -> dict[str, str]:
    """The types of all columns of the files together; nothing where a file's are unknown."""
    found: dict[str, set[str]] = {}
    for source in sources:
        if source.columns is None:
            return {}
        for column in source.columns:
            types = found.setdefault(column.name, set())
            if source.rows != 0:  # a file of nothing but a header knows no types
                types.add(column.duckdb)
    return {name: _widest(types or {"VARCHAR"}) for name, types in found.items()}


def _widest(types: set[str]) -> str:
    if len(types) == 1:
        return next(iter(types))
    if types <= {"UBIGINT", "BIGINT", "HUGEINT", "DOUBLE"}:
        return "DOUBLE"
    if types == {"DATE", "TIMESTAMP"}:
        return "TIMESTAMP"
    return "JSON" if any(type_ == "JSON" or column_type(type_) == "other" for type_ in types) else "VARCHAR"


@contextmanager
def told(sources: Sequence[Source], table: str = "") -> Iterator[None]:
    """Say in words which file cannot be read and why, by its own name instead of the object's."""
    try:
        yield
    except (duckdb.Error, OSError) as err:
        text = str(err)
        named = [source for source in sources if str(source.content) in text or pattern(source.content) in text]
        culprit = named[0] if named else sources[0]
        if file_format(culprit.name) == "csv" and isinstance(err, duckdb.InvalidInputException):
            uneven = _uneven(culprit)
            if uneven:
                raise uneven from None
        raise DataInvalid(
            f"cannot be read: {reason(err, sources)}",
            place=culprit.name if named or len(sources) == 1 else f"table {table}",
            expected=f"a complete {file_format(culprit.name)} file",
            todo="write it anew; if something is still writing it, wait until it is complete",
        ) from None


def reason(err: Exception, sources: Sequence[Source]) -> str:
    """What DuckDB says of a file in one line, with the line of the file where it tells one."""
    lines = [line.strip() for line in str(err).strip().splitlines()] or ["no reason given"]
    first = lines[0].removeprefix("Invalid Input Error: ").removeprefix("IO Error: ").removeprefix("Binder Error: ")
    if "expected records" in first:
        first = "it does not hold one JSON object a row"
    where = re.search(r"CSV Error on Line: (\d+)", first)
    detail = next((line for line in lines[1:] if line.startswith(TELLING)), "")
    if where or detail:
        first = ": ".join(part for part in (f"line {where[1]}" if where else "", detail or first) if part)
    for source in sources:
        first = first.replace(str(source.content), source.name).replace(pattern(source.content), source.name)
    return first


def _opened(source: Source) -> TextIO:
    opened = gzip.open if source.name.endswith(".gz") else open
    return cast(TextIO, opened(source.content, "rt", encoding="utf-8-sig", newline=""))


def _uneven(source: Source) -> DataInvalid | None:
    """The error for the first line of a CSV file that is not like its header, where there is one."""
    try:
        with _opened(source) as file:
            first = file.readline()
            mark = max(DELIMITERS, key=first.count)
            file.seek(0)
            lines = csv.reader(file, delimiter=mark, strict=True)
            width = len(next(lines, []))
            for fields in lines:
                if fields and len(fields) != width:
                    return _torn(source, f"line {lines.line_num} has {len(fields)} columns, the header has {width}")
    except csv.Error as err:
        return _torn(source, f"line {lines.line_num}: {err}")
    except UnicodeDecodeError as err:
        return DataInvalid(
            f"it is not UTF-8 text: {err.reason}",
            place=source.name,
            expected="a csv file in UTF-8",
            todo="save it as UTF-8: `iconv -f latin1 -t utf-8 FILE > NEW`, with utf-16 where it comes from Excel",
        )
    except (OSError, EOFError) as err:
        return _torn(source, str(err))
    return None


def _torn(source: Source, what: str) -> DataInvalid:
    return DataInvalid(
        what,
        place=source.name,
        expected="the same columns in every line, in UTF-8",
        todo="write it anew; if something is still writing it, wait until it is complete",
    )
