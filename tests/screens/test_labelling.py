"""Labelling on the screen: one key a label, undone and saved, with who said what."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.labelling import LabellingPage
from storage.read import labels as read_labels
from storage.shed import Shed
from storage.tables import Label
from tests.rivals import serve
from tests.screens.driving import Driven, driving
from tests.screens.test_launching import TOML
from tests.served import version_of


@pytest.fixture
def folder(shed: Shed, tmp_path: Path) -> Path:
    """The project `delays`, whose endpoint was asked ten rows that nobody knows the truth of."""
    rows: list[dict[str, object]] = [{"distance": number * 100.0, "carrier": "UA", "day": 1} for number in range(10)]
    serve(shed, version_of(shed, -2.0), rows, {})
    project = tmp_path / "delays"
    project.mkdir()
    (project / "trainshed.toml").write_text(TOML.replace('"tiny"', '"delays"'))
    return project


async def in_labelling(driven: Driven) -> LabellingPage:
    await driven.press("6", "l")
    page = await driven.until(lambda: driven.app.screen if isinstance(driven.app.screen, LabellingPage) else None)
    await driven.sees("late? · 1 of 10")
    return page


def labels(shed: Shed) -> list[Label]:
    return read_labels.of_project(shed, "delays")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_key_is_a_label_and_the_next_row_comes(shed: Shed, folder: Path, size: tuple[int, int]) -> None:
    async with driving(shed, size=size, project="delays", folder=folder) as driven:
        page = await in_labelling(driven)
        await driven.sees("1 false", "2 true", "the model said", "distance", "none yet")
        first = page.candidate
        await driven.pilot.press("2")
        await driven.sees("late? · 2 of 10", "1 not saved yet")
        assert isinstance(driven.app.screen, LabellingPage)  # and not the view of that number
        (label,) = labels(shed)
        assert first is not None and (label.request, label.label) == (first.id, "true")


async def test_an_answer_is_undone_and_a_row_is_skipped(shed: Shed, folder: Path) -> None:
    async with driving(shed, size=(120, 40), project="delays", folder=folder) as driven:
        await in_labelling(driven)
        await driven.pilot.press("1")
        await driven.sees("2 of 10")
        await driven.press("u")
        await driven.sees("1 of 10", "none yet")
        assert labels(shed) == []
        await driven.press("s")
        await driven.sees("2 of 10")


async def test_what_was_labelled_is_saved_as_a_version_of_its_dataset(shed: Shed, folder: Path) -> None:
    async with driving(shed, size=(120, 40), project="delays", folder=folder) as driven:
        await in_labelling(driven)
        await driven.press("F")
        await driven.sees("Nothing was labelled that is not saved.")
        for place in range(10):
            await driven.pilot.press("12"[place % 2])
            await driven.until(lambda place=place: len(labels(shed)) == place + 1)  # type: ignore[misc]
        await driven.sees("10 labelled.", "10 not saved yet")
        await driven.press("F")
        await driven.sees("becomes a version of the dataset of labels")
        await driven.press("y")
        await driven.sees("0 not saved yet")
    assert all(label.batch == 1 for label in labels(shed))


async def test_outside_of_the_project_it_says_where_to_start(shed: Shed, folder: Path) -> None:
    async with driving(shed, size=(120, 40)) as driven:
        await driven.press("6", "l")
        await driven.sees("Labels belong to a project")
