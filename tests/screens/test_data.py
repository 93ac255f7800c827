"""Data: versions, columns, and rows of any number."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from runners.actions import datasets
from screens.dataset import DatasetPage
from screens.sections.rows import RowsSection
from screens.widgets.grid import Grid
from storage.shed import Shed
from tests.scenes import dataset_version_of
from tests.screens.driving import Driven, driving

ROWS = 5000


@pytest.fixture
def flights(shed: Shed, tmp_path: Path) -> Shed:
    """Two versions of a table, the second with more rows."""
    for version in (1, 2):
        duckdb.execute(
            f"""copy (select i as number, (i * 7919) % {ROWS} as mixed, 'UA' || i % 3 as carrier,
            if(i % 4 = 0, null, i / 3.0) as delay from range({ROWS * version}) t(i))
            to '{tmp_path}/rows{version}.parquet'"""
        )
        datasets.add(shed, "flights", {"data": ["rows*.parquet"]}, tmp_path)
    return shed


async def rows_of(driven: Driven) -> tuple[RowsSection, Grid]:
    await driven.press("2", "enter")
    section = driven.app.screen.query_one(RowsSection)
    await driven.until(lambda: section._found)
    return section, section.query_one(Grid)


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (200, 50)])
async def test_versions_and_the_columns_of_one(flights: Shed, size: tuple[int, int]) -> None:
    async with driving(flights, size=size) as driven:
        await driven.press("2")
        await driven.sees("flights", "v2", "newest", "v1")
        if size[0] > 100:
            await driven.sees("carrier", "distinct", "UA0")


async def test_rows_are_paged_to_the_last_one(flights: Shed) -> None:
    async with driving(flights, size=(100, 30)) as driven:
        _, grid = await rows_of(driven)
        assert grid.total == 3 * ROWS
        await driven.press("G")
        await driven.sees(f"{3 * ROWS:,}")
        assert len(grid._rows) <= 500


async def test_rows_are_filtered_sorted_and_cleared(flights: Shed) -> None:
    async with driving(flights, size=(100, 30)) as driven:
        section, grid = await rows_of(driven)
        await driven.pilot.press("slash")
        await driven.type("number < 10")
        await driven.press("enter")
        await driven.until(lambda: grid.total == 20)
        await driven.press("right", "right", "comma")
        await driven.until(lambda: section._found and section._found.rows.look.order == "mixed")
        assert section._found is not None
        mixed = [row[1] for row in section._found.rows.rows]
        assert mixed == sorted(mixed)
        await driven.press("full_stop")
        await driven.until(lambda: section._found and section._found.rows.look.descending)
        await driven.press("u")
        await driven.until(lambda: grid.total == 3 * ROWS)


async def test_sql_is_asked_and_a_mistake_is_told(flights: Shed) -> None:
    async with driving(flights, size=(100, 30)) as driven:
        _, grid = await rows_of(driven)
        await driven.pilot.press("s")
        await driven.type("select carrier, count(*) as c from data group by carrier")
        await driven.press("enter")
        await driven.until(lambda: grid.total == 3)
        await driven.pilot.press("s")
        await driven.pilot.press("ctrl+u")
        await driven.type("delete from data")
        await driven.press("enter")
        await driven.sees("one SELECT over")
        assert grid.total == 3


async def test_escape_leaves_the_line_for_sql_before_the_page(flights: Shed) -> None:
    async with driving(flights, size=(100, 30)) as driven:
        section, grid = await rows_of(driven)
        page = driven.app.screen
        await driven.pilot.press("s")
        await driven.type("select")
        await driven.press("escape")
        assert driven.app.screen is page and grid.has_focus and not section.has_class("-asking")
        assert grid.total == 3 * ROWS
        await driven.press("escape")
        assert driven.app.screen is not page


async def test_a_columns_distribution_stands_beside_the_rows(flights: Shed) -> None:
    async with driving(flights, size=(120, 30)) as driven:
        await rows_of(driven)
        await driven.press("p")
        await driven.sees("puts the cursor on a column first")
        await driven.press("right", "right", "right", "p")
        await driven.sees("most frequent", "UA1")


async def test_a_row_is_read_column_by_column(flights: Shed) -> None:
    async with driving(flights) as driven:
        await rows_of(driven)
        await driven.pilot.press("enter")
        await driven.sees("row 1", "carrier", "UA0")


async def test_every_part_of_a_dataset_can_be_seen(flights: Shed) -> None:
    async with driving(flights, size=(110, 30)) as driven:
        await driven.press("2", "enter")
        for key, told in (
            ("c", "distinct"),
            ("d", "rows"),
            ("h", "No run has validated"),
            ("f", "rows1.parquet"),
            ("o", "flights v2"),
        ):
            await driven.press(key)
            await driven.sees(told)
        await driven.press("D")
        await driven.sees("card of flights@v2")


async def test_files_stand_by_class_with_counts(shed: Shed) -> None:
    dataset_version_of(shed, "images", {"cat/1.png": b"a", "cat/2.png": b"b", "dog/1.png": b"c"})
    async with driving(shed, size=(120, 30)) as driven:
        await driven.press("2")
        await driven.sees("images", "cat", "dog")
        await driven.press("enter")
        assert isinstance(driven.app.screen, DatasetPage)
        await driven.press("f")
        await driven.sees("cat", "1.png")
        await driven.press("r")
        await driven.sees("has no rows")


async def test_without_datasets_the_screen_teaches(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("2", "s")
        await driven.sees("No datasets yet.", "trainshed data add", "There is no dataset yet.")


async def test_a_version_is_made_read_again_and_exported(flights: Shed, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("one")
    async with driving(flights, size=(120, 30), folder=tmp_path) as driven:
        await driven.press("2")
        await driven.pilot.press("n")
        await driven.type("notes *.txt")
        await driven.press("enter")
        await driven.sees("notes v1 is new: 1 files")
        await driven.press("v")
        await driven.sees("notes@v1 is whole")
        await driven.pilot.press("e")
        await driven.type(str(tmp_path / "out"))
        await driven.press("enter")
        await driven.until(lambda: (tmp_path / "out" / "notes.txt").exists())
