"""The launch form: what may be typed, what would come of it, and the run that waits then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.actions.prospects import Prospect
from runners.estimates import Spread
from screens.launching import Launching, Order, prospect_lines, whole, written
from screens.runs import Runs
from screens.widgets.field import Field
from screens.widgets.grid import Grid
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.shed import Shed
from tests.scenes import run_of
from tests.screens.driving import Driven, driving

TOML = """\
[project]
name = "tiny"
[dataset]
name = "points"
files = "data/*.csv"
[features]
target = "label"
task = "binary"
numeric = ["a"]
[train]
entry = "pipeline:train"
gpus = 0
[train.params]
epochs = 3
lr = 0.1
fast = false
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "tiny"
    (project / "data").mkdir(parents=True)
    (project / "data" / "one.csv").write_text("a,label\n" + "".join(f"{i},{i % 2}\n" for i in range(60)))
    (project / "pipeline.py").write_text("def train(run):\n    return None\n")
    (project / "trainshed.toml").write_text(TOML)
    return project


async def in_form(driven: Driven, key: str = "n") -> Launching:
    await driven.press("3")
    await driven.pilot.press(key)
    form = await driven.until(lambda: driven.app.screen if isinstance(driven.app.screen, Launching) else None)
    await driven.until(lambda: form.answered)
    return form


def field(form: Launching, name: str) -> Field:
    return next(each for each in form.query(Field) if each.field == name)


async def test_a_run_is_launched_with_the_params_that_were_changed(busy: Shed, folder: Path) -> None:
    async with driving(busy, project="tiny", folder=folder) as driven:
        form = await in_form(driven)
        await driven.sees("launch tiny", "epochs", "starts in")
        await driven.type("5")
        assert form.order() == Order({"epochs": 5})
        await driven.pilot.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, Runs))
        (entry,) = read_queue.waiting(busy)
        assert read_runs.row(busy, entry.queued.run_id).params == {"epochs": "5", "lr": "0.1", "fast": "False"}
        await driven.until(lambda: driven.app.screen.query_one("#runs", Grid).key == entry.queued.run_id)
        await driven.sees("run 1 waits for its turn")


async def test_what_is_typed_is_checked_as_one_types(busy: Shed, folder: Path) -> None:
    async with driving(busy, project="tiny", folder=folder) as driven:
        form = await in_form(driven)
        await driven.type("many")
        await driven.until(lambda: field(form, "epochs").fault)
        await driven.sees("expected int, like 3", "1 to put right first")
        await driven.pilot.press("enter")
        await driven.until(lambda: form.focused is not None and form.focused.parent is field(form, "epochs"))
        assert read_queue.waiting(busy) == []
        await driven.pilot.press("ctrl+u")
        await driven.until(lambda: not form.faults)
        await driven.pilot.press("escape")
        await driven.until(lambda: isinstance(driven.app.screen, Runs))


async def test_what_it_asks_of_the_queue_is_in_the_form(busy: Shed, folder: Path) -> None:
    run_of(busy, "tiny", status="running")
    async with driving(busy, size=(120, 40), project="tiny", folder=folder) as driven:
        form = await in_form(driven)
        for text, keys in (("yes", 1), ("train", 1), ("one two", 1), ("1", 3), ("7", 1)):  # from the last field upwards
            await driven.pilot.press(*["up"] * keys)
            await driven.type(text)
        wanted = Order({}, priority=7, after=(1,), tags=("one", "two"), until="train", force=True)
        await driven.until(lambda: form.order() == wanted)
        await driven.sees("after run 1 (running)")


async def test_the_arrows_go_from_field_to_field_where_the_form_scrolls(busy: Shed, folder: Path) -> None:
    async with driving(busy, size=(80, 16), project="tiny", folder=folder) as driven:
        form = await in_form(driven)
        assert form.query_one(".fields").max_scroll_y
        await driven.pilot.press("down")
        await driven.type("0.2")
        assert form.order() == Order({"lr": 0.2})


async def test_a_run_to_come_after_that_does_not_exist_is_told(busy: Shed, folder: Path) -> None:
    async with driving(busy, size=(120, 40), project="tiny", folder=folder) as driven:
        await in_form(driven)
        await driven.pilot.press("up", "up", "up", "up", "up", "up")
        await driven.type("99")
        await driven.sees("no run 99")


async def test_a_run_that_has_ended_is_launched_again_with_its_params_to_edit(busy: Shed, folder: Path) -> None:
    given = {"epochs": 8, "lr": 0.1, "gone": 1}
    run_of(busy, "tiny", spec={"train": {"params": given}}, params=given)
    async with driving(busy, project="tiny", folder=folder) as driven:
        form = await in_form(driven, "e")
        await driven.sees("as run 1", "like run 1")
        assert form.order().params == {"epochs": 8}
        assert [each.field for each in form.query(Field)][:3] == ["epochs", "lr", "fast"]


async def test_a_faulty_project_says_which_line(busy: Shed, folder: Path) -> None:
    (folder / "trainshed.toml").write_text(TOML.replace("entry", "enttry"))
    async with driving(busy, project="tiny", folder=folder) as driven:
        await driven.press("3")
        await driven.pilot.press("n")
        await driven.sees("enttry")
        assert isinstance(driven.app.screen, Runs)


async def test_outside_of_a_project_the_form_says_where_to_start(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("3", "n")
        await driven.sees("no project's directory")


def test_the_estimate_is_told_in_words() -> None:
    starts, takes = Spread(0, 0, 1), Spread(720, 840, 960)

    def words(**more: Any) -> str:
        given = {"starts_in": starts, "takes": takes, "like": 138, "memory": "", "fits": True}
        return " | ".join("".join(part.text for part in each) for each in prospect_lines(Prospect(**{**given, **more})))

    assert words(devices=("gpu1",), peak_bytes=11_000_000_000) == (
        "fits gpu1, peak ~11.0 GB   starts now   takes ~14 min (12 min to 16 min), like run 138"
    )
    assert words(devices=("gpu0",)).startswith("starts now on gpu0   ")
    assert words(devices=("cpu0",)).startswith("starts now   ")
    assert words(devices=(), starts_in=Spread(200, 240, 300), after="after run 12 (running)").startswith(
        "starts in ~4 min, after run 12 (running)   "
    )
    refused = words(fits=False, peak_bytes=60_000_000_000, memory="run 3 held 60 GB; the GPU here has 24 GB")
    assert "may not fit" not in refused and refused.endswith("memory: run 3 held 60 GB; the GPU here has 24 GB")


def test_params_are_written_as_they_would_be_typed() -> None:
    assert (written(True), written(0.1), written("x")) == ("true", "0.1", "x")
    with pytest.raises(ValueError, match="0 or more"):
        whole("-1", least=0)
