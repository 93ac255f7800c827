"""Rows of data: as a table, column by column where they are too wide for the terminal, as CSV, or as JSON lines."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import StringIO
from shutil import get_terminal_size
from typing import Any

from app.output import Output, Styled, Table
from runners.actions.dataset_rows import Found
from screens.cells import csv_value, json_value
from screens.inert import inert

WIDEST = 80  # characters of one cell; --csv and --json have all
NARROWEST = 20  # characters that a longer column is left with at least, or rows are shown as columns


def show_heads(out: Output, found: list[Found]) -> None:
    """The first rows of each table."""
    out.finish(dataset=f"{found[0].dataset} v{found[0].version}", rows=sum(len(each.rows) for each in found))
    for place, each in enumerate(found):
        if place and not out.json_lines:
            out.say()
        _show(out, each, each.source if len(found) > 1 else "")


def show_rows(out: Output, found: Found, *, as_csv: bool = False) -> None:
    """What a query gave."""
    out.finish(dataset=f"{found.dataset} v{found.version}", rows=len(found.rows), more=found.more)
    if found.note:
        out.warn(found.note)
    if as_csv and not out.json_lines:
        _csv(out, [found.columns, *([csv_value(value) for value in row] for row in found.rows)])
    else:
        _show(out, found, "")
    if found.more and not out.json_lines:
        out.note(f"the first {len(found.rows):,} rows; --limit shows more")


def _show(out: Output, found: Found, title: str) -> None:
    names = unique(found.columns)
    facts = {"table": found.source} if found.source else {}
    for row in found.rows:
        out.emit("row", facts, row={name: json_value(value) for name, value in zip(names, row, strict=True)})
    if out.json_lines:
        return
    rows = [[cell(value) for value in row] for row in found.rows]
    if out.terminal and _too_wide(names, rows):
        _columnwise(out, names, rows, title)
    else:
        out.table(Table(names, rows, title, _sides(found)), aligned=not out.terminal)  # on a terminal cut, not wrapped


def _csv(out: Output, lines: Iterable[Sequence[Any]]) -> None:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    if out.stdout.isatty():
        out.say(text.getvalue().rstrip("\n"))
    else:
        out.raw(text.getvalue().encode("utf-8", errors="backslashreplace"))


def _sides(found: Found) -> str:
    return "".join("r" if _is_number(row[i] for row in found.rows) else "l" for i in range(len(found.columns)))


def _is_number(values: Iterable[Any]) -> bool:
    told = [value for value in values if value is not None]
    return bool(told) and all(isinstance(v, (int, float, Decimal)) and not isinstance(v, bool) for v in told)


def _too_wide(names: Sequence[str], rows: Sequence[Sequence[str | Styled]]) -> bool:
    """Whether columns would have to be cut so that little is left of them."""
    width = get_terminal_size().columns
    widths = [
        max([len(inert(name)), *(len(inert(text_of(row[i]))) for row in rows)]) + 2 for i, name in enumerate(names)
    ]
    return sum(widths) > width and sum(min(each, NARROWEST + 2) for each in widths) > width


def _columnwise(out: Output, names: Sequence[str], rows: Sequence[Sequence[str | Styled]], title: str) -> None:
    """A line a column, with as many rows beside each other as there is room for."""
    width = get_terminal_size().columns
    first = min(max(len(inert(name)) for name in names), width // 3) + 2
    room = max(1, (width - first) // (NARROWEST + 2))
    table = Table(["column", *(f"row {i + 1}" for i in range(min(room, len(rows))))], title=title)
    table.rows = [[name, *(row[i] for row in rows[:room])] for i, name in enumerate(names)]
    table.align = "l" * len(table.columns)
    out.table(table)
    if len(rows) > room:
        out.note(f"{room} of {len(rows)} rows shown; --json has them all")


def unique(names: Sequence[str]) -> list[str]:
    """The names with a number behind each that came before: an object has every key once."""
    found: list[str] = []
    for name in names:
        number, told = 1, name
        while told in found:
            told, number = f"{name}_{number}", number + 1
        found.append(told)
    return found


def cell(value: Any) -> str | Styled:
    """A value for people, with all its digits, on one line."""
    if value is None:
        return Styled("null", "dim")
    text = csv_value(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def text_of(value: str | Styled) -> str:
    return str(value.value) if isinstance(value, Styled) else value
