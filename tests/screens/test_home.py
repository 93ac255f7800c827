"""Home: what needs somebody, what runs and waits, what happened."""

from __future__ import annotations

import time

import pytest

from screens.home import HomeView
from screens.models import Models
from screens.run import RunPage
from screens.widgets.grid import Grid
from storage.shed import Shed
from storage.tables import Alert, ModelVersion, Run
from tests.scenes import model_version_of, run_of
from tests.screens.driving import driving


def set_off(shed: Shed, title: str) -> None:
    with shed.writing("alerted", "test") as write:
        now = time.time()
        write.session.add(
            Alert(
                at=now,
                last_at=now,
                user="ana",
                host="box",
                project="p",
                key=title,
                severity="warning",
                title=title,
                delivery="listed",
            )
        )


async def test_an_empty_shed_welcomes_and_teaches(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.sees("Welcome.", "trainshed init DIR", "names the keys")
        assert isinstance(driven.app.screen, HomeView)


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 40), (200, 50)])
async def test_what_runs_has_its_progress_and_time_left(shed: Shed, size: tuple[int, int]) -> None:
    run = run_of(shed, "long one", status="running")
    with shed.writing("set", "test") as write:
        row = write.session.get_one(Run, run.id)
        row.progress, row.started_at = 0.5, time.time() - 60
        write.session.add(row)
    async with driving(shed, size=size) as driven:
        await driven.sees("long one")
        if size[0] >= 80:
            await driven.sees("50 %", "━", "left")


async def test_a_version_that_waits_for_approval_leads_to_its_evidence(shed: Shed) -> None:
    version = model_version_of(shed, run_of(shed))
    with shed.writing("set", "test") as write:
        row = write.session.get_one(ModelVersion, version.id)
        row.status = "waiting"
        write.session.add(row)
    async with driving(shed) as driven:
        await driven.sees("flight-delay v1 waits for your approval", "1 for you")
        await driven.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, Models))


async def test_an_alert_is_acknowledged(shed: Shed) -> None:
    set_off(shed, "drift on carrier")
    async with driving(shed) as driven:
        await driven.sees("drift on carrier")
        await driven.press("a")
        await driven.until(lambda: "drift on carrier" not in driven.text)


async def test_what_ended_lately_leads_to_its_page(shed: Shed) -> None:
    run_of(shed, "over", status="failed", reason="no such file")
    async with driving(shed) as driven:
        await driven.sees("over", "failed")
        grid = driven.app.screen.query_one("#lately Grid", Grid)
        await driven.until(lambda: driven.app.focused is grid)
        await driven.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, RunPage))


async def test_what_happened_since_one_was_here_is_told(shed: Shed) -> None:
    run_of(shed, "first", status="failed", reason="out of memory")
    async with driving(shed, size=(120, 40)) as driven:
        await driven.sees("run 1 first", "failed: out of memory")
