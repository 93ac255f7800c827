"""The first minutes: pages to turn, and at their end a run of the sample project, watched live."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.actions import sample
from screens.run import RunPage
from screens.tour import Tour
from storage.read import runs as read_runs
from storage.shed import Shed
from tests.screens.driving import driving


async def test_an_empty_shed_offers_the_tour_which_ends_in_a_run(
    busy: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "SAMPLE", tmp_path / "not there")  # as in an installation without the checkout
    monkeypatch.chdir(tmp_path)
    async with driving(busy) as driven:
        await driven.sees("t  ", "takes the tour")
        await driven.press("t")
        assert isinstance(driven.app.screen, Tour)
        await driven.sees("what this is", "1 of 4")
        await driven.press("enter")
        await driven.sees("6 Serving", "who is it answering?")
        await driven.press("left", "enter", "enter", "enter", "enter")
        await driven.until(lambda: isinstance(driven.app.screen, RunPage))
        assert read_runs.run(busy, 1).status == "queued"
        assert driven.app.project == "trainshed-sample" and driven.app.project_dir == tmp_path / "trainshed-sample"


def test_the_sample_is_the_flights_project_of_a_checkout() -> None:
    assert (sample.sample_project(Path("/nowhere")) / "trainshed.toml").is_file()
