"""Sweeps on the screen: their trials as they come, what made the difference, and the keys that move them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from screens.launching import Launching
from screens.run import RunPage
from screens.sweep import SweepPage
from screens.sweeps import Sweeps
from screens.widgets.grid import Grid
from storage.read import sweeps as read_sweeps
from storage.shed import Shed
from tests.runners.sweeps.test_advancing import Stage
from tests.screens.driving import Driven, driving
from tests.screens.test_launching import TOML


@pytest.fixture
def stage(busy: Shed, tmp_path: Path) -> Iterator[Stage]:
    """A sweep of the project p, carried out by the test: no agent has a slot for its runs, or carries it out too."""
    staged = Stage(tmp_path, trials=5, parallel=1, pruner="none")
    with busy.lock(f"sweep-{staged.id}"):
        staged.tick()
        yield staged
        staged.advance.close()


def tried(stage: Stage, *values: float) -> None:
    """Trials from their start to their end, each with this result."""
    for value in values:
        stage.does(len(stage.trials), value)
        stage.tick()


async def in_sweep(driven: Driven) -> SweepPage:
    await driven.press("3", "s")
    await driven.until(lambda: isinstance(driven.app.screen, Sweeps))
    await driven.sees("hill")
    await driven.pilot.press("enter")
    page = await driven.until(lambda: driven.app.screen if isinstance(driven.app.screen, SweepPage) else None)
    await driven.until(lambda: page.answered)
    return page


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_trials_stand_with_what_they_came_to_and_the_best_is_marked(
    shed: Shed, stage: Stage, size: tuple[int, int]
) -> None:
    tried(stage, 0.25, 0.75)
    async with driving(shed, size=size) as driven:
        await in_sweep(driven)
        await driven.sees("sweep 1", "2 of 5 trials", "0.7500 ★", "0.2500", "lr", "width", "val/score")
        tried(stage, 0.875)  # what the sweep's own process writes down comes by itself
        await driven.sees("3 of 5 trials", "0.8750 ★")


async def test_what_made_the_difference_is_told_once_there_are_enough(shed: Shed, stage: Stage) -> None:
    tried(stage, 0.1, 0.2, 0.3)
    async with driving(shed, size=(120, 40)) as driven:
        await in_sweep(driven)
        await driven.sees("told once four trials are done")
        tried(stage, 0.9)
        await driven.sees("what made the difference", "▇")
        await driven.press("tab")
        await driven.sees("param against metric", "val/score by")
        await driven.press("tab")
        await driven.sees("all at once")


async def test_in_a_tiny_terminal_trials_and_drawings_take_turns(shed: Shed, stage: Stage) -> None:
    tried(stage, 0.25, 0.75)
    async with driving(shed, size=(40, 10)) as driven:
        page = await in_sweep(driven)
        await driven.sees("sweep 1", "0.2500", "0.7500 ★")
        for drawing in ("curves", "param against metric", "all at once"):
            await driven.press("tab")
            await driven.sees(f"─ {drawing} ─")
            assert "0.7500 ★" not in driven.text
        await driven.press("tab", "j")
        await driven.sees("0.7500 ★")
        assert page.query_one(Grid).cursor == 1


async def test_they_are_ordered_by_what_they_came_to(shed: Shed, stage: Stage) -> None:
    tried(stage, 0.25, 0.75, 0.5)
    async with driving(shed, size=(120, 40)) as driven:
        page = await in_sweep(driven)
        grid = page.query_one(Grid)

        def order() -> list[object]:
            return [grid.row_at(place).key for place in range(3)]  # type: ignore[union-attr]

        assert order() == [0, 1, 2]
        await driven.press("comma")
        assert order() == [1, 2, 0]
        await driven.press("full_stop")
        assert order() == [0, 2, 1]


async def test_a_trial_leads_to_its_run_and_is_marked_for_compare(shed: Shed, stage: Stage) -> None:
    tried(stage, 0.25)
    async with driving(shed, size=(120, 40)) as driven:
        await in_sweep(driven)
        await driven.press("space")
        assert driven.app.marked == [1]
        await driven.press("k", "enter")
        assert isinstance(driven.app.screen, RunPage) and driven.app.screen.run_id == 1


async def test_it_is_stopped_gone_on_with_and_tries_more(shed: Shed, stage: Stage) -> None:
    def status() -> str:
        return read_sweeps.sweep(shed, stage.id).status

    async with driving(shed, size=(120, 40)) as driven:
        await in_sweep(driven)
        await driven.press("r")
        await driven.sees("Sweep 1 is running.")
        await driven.pilot.press("x")
        await driven.sees("No further trial begins")
        await driven.press("y")
        await driven.until(lambda: status() == "stopped")
        await driven.pilot.press("m")
        await driven.sees("How many trials in all")
        await driven.type("9")
        await driven.press("enter")
        await driven.sees("sweep 1: 9 trials")
        assert status() == "running"


async def test_the_best_is_launched_from_the_form_with_its_params(shed: Shed, stage: Stage, tmp_path: Path) -> None:
    tried(stage, 0.25)
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "trainshed.toml").write_text(TOML.replace('"tiny"', '"p"').replace("epochs = 3", "width = 8"))
    async with driving(shed, size=(120, 40), project="p", folder=folder) as driven:
        await in_sweep(driven)
        await driven.pilot.press("b")
        form = await driven.until(lambda: driven.app.screen if isinstance(driven.app.screen, Launching) else None)
        await driven.until(lambda: form.answered)
        params = stage.run(1).spec["train"]["params"]
        assert {name: form.order().params[name] for name in params} == params


async def test_without_sweeps_the_screen_teaches_and_colon_goes_to_one(shed: Shed, tmp_path: Path) -> None:
    async with driving(shed, project="none") as driven:
        await driven.press("3", "s")
        await driven.sees("No sweeps yet.", "[sweep]", "trainshed sweep start")
        await driven.press("n")
        await driven.sees("This is no project's directory")
        await driven.pilot.press("colon")
        await driven.type("sweep 7")
        await driven.press("enter")
        await driven.sees("No sweep 7")
