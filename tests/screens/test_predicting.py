"""A file of rows is predicted from Models: in a form that says how far it is, and goes on where it was stopped."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from textual.widgets import Input

from runners.actions import predicting
from screens.predicting import Predicting
from storage.shed import Shed
from tests.screens.driving import Driven, driving
from tests.served import version_of

ROWS = "select (i * 7)::double as distance, 'UA' as carrier, i % 5 as day, i as id from range(40) t(i)"


@pytest.fixture
def rows(shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(predicting, "PART_ROWS", 10)
    version_of(shed)
    path = tmp_path / "rows.parquet"
    duckdb.sql(f"copy ({ROWS}) to '{path}' (format parquet)")
    return path


async def in_form(driven: Driven) -> Predicting:
    await driven.press("5", "s")
    await driven.sees("predict a file with delays v1")
    screen = driven.app.screen
    assert isinstance(screen, Predicting)
    return screen


@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
async def test_the_predictions_of_a_file_lie_beside_it(shed: Shed, rows: Path, size: tuple[int, int]) -> None:
    async with driving(shed, size=size) as driven:
        form = await in_form(driven)
        form.fields[0].query_one(Input).value = str(rows)
        form.fields[2].query_one(Input).value = "id"
        await driven.pilot.press("enter")
        await driven.until(lambda: not isinstance(driven.app.screen, Predicting))
    found = duckdb.sql(f"select * from '{rows.with_name('rows-delays-v1.parquet')}'")
    assert found.columns[0] == "id" and [row[0] for row in found.fetchall()] == list(range(40))


async def test_a_file_that_is_not_there_is_told_and_the_form_stays(shed: Shed, rows: Path) -> None:
    async with driving(shed) as driven:
        form = await in_form(driven)
        await driven.pilot.press("enter")
        await driven.sees("Which file?")
        await driven.type("gone.csv")
        await driven.pilot.press("enter")
        await driven.sees("gone.csv: no such file")
        assert driven.app.screen is form


async def test_what_was_stopped_goes_on_where_it_was(shed: Shed, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with driving(shed, size=(120, 30)) as driven:
        form = await in_form(driven)
        form.fields[0].query_one(Input).value = str(rows)
        form.do_predict()
        form.do_close()
        await driven.sees("stopped after 10 rows")
        assert not rows.with_name("rows-delays-v1.parquet").exists()
        form.do_predict()
        await driven.sees("40 rows predicted")
    assert rows.with_name("rows-delays-v1.parquet").exists()
