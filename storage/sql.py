"""The gate that a user's SQL passes: one statement that reads the dataset's tables and does nothing else.

DuckDB's own locks (no external access, locked configuration) stand behind it. They are not enough alone: a SELECT may
hold a COPY or an INSERT as a common table expression, and could then overwrite the very files it is allowed to read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb

from storage.errors import UsageError
from storage.memory import in_memory

QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})

# Table functions that only compute. The others read files, settings or memory, or run SQL that we have not seen.
TABLE_FUNCTIONS = frozenset(
    {
        "generate_series",
        "histogram",
        "histogram_values",
        "json_each",
        "json_tree",
        "range",
        "repeat",
        "repeat_row",
        "summary",
        "unnest",
    }
)

EXPECTED = "one SELECT over the dataset's tables"


def select_only(sql: str, *, place: str = "") -> None:
    """Let a text through that is exactly one SELECT (also DESCRIBE, SUMMARIZE, VALUES …) and only reads tables.

    Raises:
        UsageError: for several statements, and for any that could change something or reach beyond the tables.
    """
    place = place or "the query"
    parser = _parser().cursor()
    try:
        kinds = [statement.type for statement in parser.extract_statements(sql)]
    except duckdb.Error as err:
        raise UsageError(first_line(err), place=place, expected=EXPECTED) from None
    if kinds != [duckdb.StatementType.SELECT]:
        names = ", ".join(str(kind).rpartition(".")[2] for kind in kinds) or "nothing"
        todo = "give the PIVOT its values: on column in (…)" if names == "MULTI" else ""
        raise UsageError(f"this is {names}", place=place, expected=EXPECTED, todo=todo)
    row = parser.execute("select json_serialize_sql(?)", [plain(sql)]).fetchone()
    try:
        tree = json.loads(row[0] if row else "{}")
        faults = sorted(set(_faults(tree)))
    except RecursionError:
        raise UsageError(
            "this query is nested too deeply", place=place, todo="write long sums as list_sum([…])"
        ) from None
    if faults or tree.get("error"):
        what = " and ".join(faults) or tree.get("error_message", "something else")
        raise UsageError(f"the query reaches beyond the dataset: {what}", place=place, expected=EXPECTED)


def _faults(tree: Any) -> Iterator[str]:
    """Everything in a parsed statement that is no reading of tables."""
    if isinstance(tree, list):
        for item in tree:
            yield from _faults(item)
    elif isinstance(tree, dict):
        kind = tree.get("type")
        if "cte_map" in tree and kind not in QUERY_NODES:
            yield str(kind).removesuffix("_QUERY_NODE")
        if kind == "TABLE_FUNCTION":
            name = str(tree["function"].get("function_name", "")).lower()
            if name not in TABLE_FUNCTIONS:
                yield f"{name}()"
        for item in tree.values():
            yield from _faults(item)


def plain(sql: str) -> str:
    """A statement without its closing semicolon and what follows that, ready to be put in parentheses."""
    text = sql.encode()
    for place, kind in reversed(duckdb.tokenize(sql)):
        if kind == duckdb.token_type.comment:
            continue
        if text[place : place + 1] != b";":
            break
        text = text[:place]
    return text.decode().strip()


def no_pattern(text: str) -> str:
    """Why DuckDB does not take a text as a regular expression; empty where it does."""
    try:
        _parser().cursor().execute("select regexp_full_match('', ?)", [text]).fetchone()
    except duckdb.Error as err:
        return first_line(err).partition(": ")[2]
    return ""


def first_line(err: Exception) -> str:
    """What DuckDB says in one line, with its hint, unless that is one of its own tables."""
    first, hint = str(err).strip().partition("\n")[0], hint_of(err)
    return f"{first} ({hint})" if hint else first


def hint_of(err: Exception) -> str:
    """What DuckDB says of names that are like an unknown one; empty where it says nothing, or means its own tables."""
    lines = [line.strip() for line in str(err).strip().splitlines()[1:]]
    hint = next((line for line in lines if line.startswith(("Did you mean", "Candidate bindings"))), "")
    return "" if re.search(r"\b(pg|duckdb|sqlite|pragma)_|information_schema", hint) else hint


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    return in_memory(threads=1)
