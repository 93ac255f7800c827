"""A day at the terminal, through the real app on a real shed: launch, watch, compare, promote, roll back."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Protocol

import pytest

from screens.models import Models
from storage.read import models as read_models
from storage.shed import Shed
from tests.journeys import tiny
from tests.journeys.conftest import Workstation
from tests.journeys.tmux import terminal
from tests.rivals import rivals
from tests.scenes import model_version_of, run_of
from tests.screens.driving import driving

PATIENCE_S = 120.0  # a run of its own processes, on a busy machine


class Door(Protocol):
    """A person at the app: in this process, or in tmux."""

    async def press(self, *keys: str) -> None: ...
    async def type(self, text: str) -> None: ...
    async def sees(self, *texts: str, patience: float = ...) -> None: ...


def production(shed: Shed, model: str = "tiny") -> int | None:
    return read_models.row(shed, model).aliases.get("production")


def under_cursor(run: int) -> str:
    """How the pane beside the list begins once the cursor is on the run: what is pressed then is about it."""
    return f"╭─ {run}  tiny "


async def a_day(door: Door, shed: Shed, pipe: Path) -> None:
    """From an empty shed to a version that was taken back, by keys alone."""
    await door.press("3")
    await door.sees("No runs yet.")
    await door.press("n")
    await door.sees("launch tiny", "bias", "starts")
    await door.press("enter")
    await door.sees(under_cursor(1), patience=PATIENCE_S)
    await door.press("enter")
    await door.sees("val/accuracy", "0.4437", patience=PATIENCE_S)  # live: the run waits at the pipe
    await asyncio.to_thread(tiny.let_through, pipe)
    await door.sees("0.8875", "gate ✓", patience=PATIENCE_S)
    await door.press("escape")

    await door.sees("by id")
    await door.press("e")
    await door.sees("launch tiny · as run 1")
    await door.type("0.9")
    await door.press("enter")
    await door.sees(under_cursor(2), patience=PATIENCE_S)
    await asyncio.to_thread(tiny.let_through, pipe)
    await door.press("enter")
    await door.sees("2  tiny", "gate ✓", patience=PATIENCE_S)
    await door.press("escape")
    await door.sees("by id")
    await door.press("g", "space", "space")
    await door.sees("2 marked")
    await door.press("4")
    await door.sees("params that differ", "bias", "0.9", "★")

    await door.press("5")
    await door.sees("tiny v2", "accuracy")
    await door.press("j")
    await door.sees("tiny v1")
    await door.press("a")
    await door.sees("approve tiny v1", "becomes the first version in production")
    await door.press("ctrl+y")
    await door.sees("tiny v1 is approved and in production")
    await door.press("k")
    await door.sees("tiny v2", "accuracy")
    await door.press("f")
    await door.sees("test rows flip", "change")
    await door.press("a")
    await door.sees("approve tiny v2", "in place of v1")
    await door.press("ctrl+y")
    await door.sees("tiny v2 is approved and in production")
    assert production(shed) == 2
    await door.press("escape")
    await door.sees("made by", "previous")
    await door.press("b")
    await door.sees("roll tiny back")
    await door.press("ctrl+y")
    await door.sees("production of tiny is v1 again")
    assert production(shed) == 1
    await door.press("q")


def test_a_day_in_the_app(workstation: Workstation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.project(tmp_path / "tiny")
    environment = {**tiny.pipe(tmp_path / "pipe"), "XDG_STATE_HOME": str(tmp_path / "state"), "OMP_NUM_THREADS": "1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shed = workstation.shed

    async def day() -> None:
        async with driving(shed, size=(120, 40), project="tiny", folder=folder) as driven:
            await a_day(driven, shed, tmp_path / "pipe")

    asyncio.run(day())


@pytest.mark.skipif(shutil.which("tmux") is None, reason="TMUX IS NOT INSTALLED: no journey in a real terminal is made")
class TestInTmux:
    """The same in a real terminal."""

    @pytest.mark.slow
    def test_a_day(self, workstation: Workstation, tmp_path: Path) -> None:
        folder = tiny.project(tmp_path / "tiny")
        environment = {
            **tiny.pipe(tmp_path / "pipe"),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "OMP_NUM_THREADS": "1",
        }
        shed = workstation.shed
        with terminal(tmp_path, "--shed", shed.root, "-p", folder, environment=environment) as tmux:
            asyncio.run(a_day(tmux, shed, tmp_path / "pipe"))
            asyncio.run(tmux.sees("left with 0"))

    def test_a_version_is_looked_at_promoted_and_taken_back(self, workstation: Workstation, tmp_path: Path) -> None:
        shed = workstation.shed
        rivals(shed)
        environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}

        async def visit(tmux: Door) -> None:
            await tmux.sees("in production")
            await tmux.press("5")
            await tmux.sees("delays v2")
            await tmux.press("f")
            await tmux.sees("1 of 6 test rows flip", "✓ true")
            await tmux.press("p")
            await tmux.sees("No gate has judged it.")
            await tmux.type("seen every row")
            await tmux.press("ctrl+y")
            await tmux.sees("production of delays is v2 now", "b roll back")
            await tmux.press("b")
            await tmux.sees("roll delays back")
            await tmux.press("ctrl+y")
            await tmux.sees("production of delays is v1 again")
            await tmux.press("q")
            await tmux.sees("left with 0")

        with terminal(tmp_path, "--shed", shed.root, environment=environment) as tmux:
            asyncio.run(visit(tmux))
        assert production(shed, "delays") == 1


def test_a_promotion_in_one_terminal_is_seen_in_the_other(workstation: Workstation) -> None:
    shed = workstation.shed
    model_version_of(shed, run_of(shed))

    async def both() -> None:
        async with driving(shed, size=(120, 40)) as one, driving(shed, size=(120, 40)) as other:
            for driven in (one, other):
                await driven.press("5")
                await driven.sees("waiting")
            await one.press("p")
            await one.sees("becomes the first version in production")
            await one.press("ctrl+y")
            await other.sees("promote to production")  # the history of the version, read anew
            assert isinstance(other.app.screen, Models) and other.app.screen.aliases["production"] == 1

    asyncio.run(both())
