"""Rows of any number: windows, filters, order, SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from runners.actions import datasets
from runners.actions.browsing import Browser, Look
from storage.errors import UsageError
from storage.shed import Shed, open_shed

ROWS = 1000


@pytest.fixture(scope="module")
def shed(tmp_path_factory: pytest.TempPathFactory) -> Shed:
    folder = tmp_path_factory.mktemp("browsing")
    duckdb.execute(
        f"""copy (select i as n, (i * 7919) % {ROWS} as mixed, if(i % 10 = 0, null, 'w' || i % 3) as word
        from range({ROWS}) t(i)) to '{folder}/rows.parquet'"""
    )
    shed = open_shed(folder / "shed")
    datasets.add(shed, "rows", {"data": ["rows.parquet"]}, folder)
    return shed


@pytest.fixture
def browser(shed: Shed) -> Browser:
    return Browser(shed, "rows")


def test_a_window_of_all_rows(browser: Browser) -> None:
    found = browser.rows(Look(), 100, 5)
    assert (found.columns, found.total) == (["n", "mixed", "word"], ROWS)
    assert [row[0] for row in found.rows] == [100, 101, 102, 103, 104]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("first", [0, 400, 501, 995])
def test_sorted_windows_are_those_of_the_whole(browser: Browser, descending: bool, first: int) -> None:
    found = browser.rows(Look(order="mixed", descending=descending), first, 10)
    whole = sorted(range(ROWS), reverse=descending)
    assert [row[1] for row in found.rows] == whole[first : first + 10]


@pytest.mark.parametrize("descending", [False, True])
def test_nulls_come_last_either_way(browser: Browser, descending: bool) -> None:
    found = browser.rows(Look(order="word", descending=descending), 0, ROWS)
    assert all(row[2] is None for row in found.rows[-100:]) and found.rows[0][2] is not None
    assert all(row[2] is None for row in browser.rows(Look(order="word", descending=descending), 950, 50).rows)


def test_a_filter_is_an_expression_of_the_columns(browser: Browser) -> None:
    found = browser.rows(Look(where="n < 30 and word = 'w1'"), 0, 100)
    assert found.total == len(found.rows) == 9


def test_sql_is_paged_like_a_table(browser: Browser) -> None:
    found = browser.rows(Look(sql="select word, count(*) as c from data group by word;", order="c"), 0, 10)
    assert found.columns == ["word", "c"] and found.total == 4
    assert [row[1] for row in found.rows] == sorted(row[1] for row in found.rows)


@pytest.mark.parametrize(
    "look",
    [
        Look(where="nonsense > 3"),
        Look(where="1); drop view data; --"),
        Look(sql="delete from data"),
        Look(sql="select * from read_csv('/etc/passwd')"),
        Look(order="none"),
    ],
)
def test_what_cannot_run_is_told(browser: Browser, look: Look) -> None:
    with pytest.raises(UsageError):
        browser.rows(look, 0, 10)
    assert browser.rows(Look(), 0, 1).total == ROWS


def test_a_project_whose_query_fails_on_this_version_still_shows_its_tables(shed: Shed, tmp_path: Path) -> None:
    browser = Browser(shed, "rows", "select nothing from data")
    assert "does not run" in browser.note and browser.rows(Look(), 0, 1).total == ROWS
