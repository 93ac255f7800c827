"""The way back, from a run or a model version to the files, step by step."""

from __future__ import annotations

import re

from screens.dataset import DatasetPage
from screens.lineage import LineagePage
from screens.models import Models
from screens.run import RunPage
from screens.widgets.grid import Grid
from storage.shed import Shed
from tests.scenes import dataset_version_of, model_version_of, run_of
from tests.screens.driving import Driven, driving


def scene(shed: Shed) -> None:
    """A version of a model, made by a run on a dataset version of two files."""
    data = dataset_version_of(shed, "flights", {"a.csv": b"1", "b.csv": b"22"})
    model_version_of(shed, run_of(shed, dataset_version_id=data.id))


async def cursor_on(driven: Driven, text: str) -> None:
    grid = driven.app.screen.query_one(Grid)
    for place in range(grid.total):
        row = grid.row_at(place)
        if row is not None and text in "".join(part.text for cell in row.cells for part in cell):
            grid.move_to(place)
            return
    raise AssertionError(f"no line with {text}\n{driven.text}")


async def test_from_a_model_version_each_step_can_be_opened(shed: Shed) -> None:
    scene(shed)
    async with driving(shed, size=(120, 40)) as driven:
        await driven.press("5", "t")
        await driven.sees("lineage of flight-delay@v1", "gate passed", "run 1", "flights v1", "a.csv", "2 B")
        assert re.search(r"created (just now|\d+ (s|min) ago).* started (just now|\d+ (s|min) ago)", driven.text, re.S)
        await cursor_on(driven, "flights v1")
        await driven.pilot.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, DatasetPage))
        await driven.settled()
        await driven.press("escape")
        await cursor_on(driven, "run 1 flight-delay")
        await driven.pilot.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, RunPage))
        await driven.settled()
        await driven.press("t")
        await driven.sees("lineage of 1", "what came of it", "flight-delay v1")
        await cursor_on(driven, "flight-delay v1")
        await driven.pilot.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, Models))


async def test_from_a_run_in_the_list_to_a_file_and_what_else_has_its_bytes(shed: Shed) -> None:
    scene(shed)
    async with driving(shed, size=(120, 40)) as driven:
        await driven.press("3", "t")
        await driven.sees("lineage of 1")
        await cursor_on(driven, "b.csv")
        digest = str(driven.app.screen.query_one(Grid).key[0])  # type: ignore[index]
        await driven.pilot.press("enter")
        await driven.sees(f"lineage of {digest}", "flights v1")
        await driven.press("enter")
        await driven.sees("There is nothing behind this line.")


async def test_what_does_not_exist_is_told(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.pilot.press("colon")
        await driven.type("abcdef12")
        await driven.press("enter")
        await driven.sees("No digest in this shed begins with abcdef12")
        assert not isinstance(driven.app.screen, LineagePage)
