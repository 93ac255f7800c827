"""Every view at every size: whole frames, whole keys, nothing over anything else."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from screens.actions import VIEWS
from storage.shed import Shed
from tests.scenes import dataset_version_of, model_version_of, run_of
from tests.screens.driving import Driven, driving

SIZES = ((80, 24), (120, 40), (200, 50))
CORNERS = (("╭", "╮"), ("╰", "╯"))


@pytest.fixture
def lived_in(shed: Shed) -> Shed:
    """A shed with something in every view; names as long as people make them."""
    done = run_of(shed, "flight-delay", metrics={"auroc": 0.7123}, params={"lr": 0.001})
    run_of(shed, "a-name-that-somebody-thought-would-explain-everything-about-it", status="failed", reason="CUDA " * 40)
    run_of(shed, "at-work", status="running")
    model_version_of(shed, done, auroc=0.7123)
    dataset_version_of(shed, "possums", {f"{kind}/{i}.png": b"x" * i for kind in ("cat", "dog") for i in range(1, 4)})
    return shed


def faults(driven: Driven, size: tuple[int, int]) -> list[str]:
    """What is wrong with the frame on the screen."""
    lines = driven.lines
    found = [] if len(lines) == size[1] else [f"{len(lines)} lines"]
    found += [f"line {y} is {cell_len(line)} wide: {line}" for y, line in enumerate(lines) if cell_len(line) != size[0]]
    for left, right in CORNERS:
        found += [f"line {y}: {line}" for y, line in enumerate(lines) if line.count(left) != line.count(right)]
    if not lines[0].startswith(" trainshed"):
        found.append(f"the header is {lines[0]!r}")
    if not re.search(r"\? help   q quit\s*$", lines[-1]):
        found.append(f"the keys are {lines[-1]!r}")
    return found


async def test_every_view_is_whole_at_every_size(lived_in: Shed) -> None:
    told: dict[str, list[str]] = {}
    async with driving(lived_in) as driven:
        for size in SIZES:
            await driven.pilot.resize_terminal(*size)
            for view in VIEWS:
                await driven.press(str(view.number))
                await driven.until(lambda view=view: view.name == driven.app.screen.VIEW)  # type: ignore[attr-defined,misc]
                if wrong := faults(driven, size):
                    told[f"{view.name} at {size}"] = wrong
    assert told == {}


async def test_nothing_breaks_at_40_by_10(lived_in: Shed) -> None:
    async with driving(lived_in, size=(40, 10)) as driven:
        for view in VIEWS:
            await driven.press(str(view.number))
            assert [cell_len(line) for line in driven.lines] == [40] * 10
            assert driven.lines[-1].rstrip().endswith("q quit")
        await driven.press("3", "enter", "tab")
        await driven.pilot.resize_terminal(200, 50)
        await driven.settled()
        assert [cell_len(line) for line in driven.lines] == [200] * 50


async def test_pages_are_whole_at_every_size(lived_in: Shed) -> None:
    told: dict[str, list[str]] = {}
    async with driving(lived_in) as driven:
        for keys in (("3", "enter", "enter"), ("2", "enter")):
            await driven.press(*keys)
            for size in SIZES:
                await driven.pilot.resize_terminal(*size)
                await driven.settled()
                if wrong := faults(driven, size):
                    told[f"{type(driven.app.screen).__name__} at {size}"] = wrong
            await driven.press("escape")
    assert told == {}
