"""The rows of the table of runs: made anew where something has changed, and only there."""

from __future__ import annotations

from runners.actions import runs
from screens.run_table import RunTable
from screens.runs import Asked, Found
from screens.widgets.grid import Row
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.scenes import run_of

NOW = 2e9  # all that is told of times has long been a date


def rows_of(table: RunTable, shed: Shed, *, marked: list[int] | None = None) -> dict[object, Row]:
    found = Found(Asked("", "-id", 0, 50, None), runs.listing(shed))
    return {row.key: row for row in table.told(found, marked or [], {}, now=NOW)[1]}


def text_of(row: Row) -> str:
    return " ".join(part.text for cell in row.cells for part in cell)


def test_a_row_stays_as_it_is_until_its_run_changes(shed: Shed) -> None:
    one, other = run_of(shed, "one").id or 0, run_of(shed, "other").id or 0
    table = RunTable()
    before = rows_of(table, shed)
    write_runs.add_tag(shed, one, "kept")
    write_runs.add_tag(shed, other, "kept")
    tagged = rows_of(table, shed)
    assert "kept" not in text_of(before[one]) and "kept" in text_of(tagged[one])
    write_runs.add_tag(shed, one, "better")
    after = rows_of(table, shed)
    assert "better" in text_of(after[one])
    assert after[other] is tagged[other]
    marked = rows_of(table, shed, marked=[other])
    assert marked[other].marked and not marked[one].marked
    assert marked[one] is after[one]


def test_rows_follow_the_order_of_the_list(shed: Shed) -> None:
    table, first = RunTable(), run_of(shed, "first").id
    rows_of(table, shed)
    second = run_of(shed, "second").id
    assert list(rows_of(table, shed)) == [second, first]
