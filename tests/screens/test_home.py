"""Home: what needs somebody, what runs and waits, what happened."""

from __future__ import annotations

import time

import pytest

from screens.home import HomeView
from screens.models import Models
from screens.run import RunPage
from screens.widgets.grid import Grid
from storage.shed import Shed
from storage.tables import Alert, Firing, Run, Trigger
from tests.scenes import dataset_version_of, model_version_of, run_of
from tests.screens.driving import driving


def set_off(shed: Shed, title: str, severity: str = "warning") -> None:
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
                severity=severity,
                title=title,
                delivery="listed",
            )
        )


async def test_an_empty_shed_welcomes_and_teaches(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.sees("Welcome.", "trainshed init DIR", "names the keys")
        assert isinstance(driven.app.screen, HomeView)


async def test_a_newcomer_is_told_of_the_last_day_however_often_it_is_read_anew(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.sees("the last day")
        run_of(shed, "another one")
        await driven.sees("another one", "the last day")


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
    model_version_of(shed, run_of(shed))
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


async def test_the_header_counts_what_home_lists_and_no_news(shed: Shed) -> None:
    set_off(shed, "drift on carrier")
    set_off(shed, "v5 is production now", severity="info")
    async with driving(shed) as driven:
        await driven.sees("needs you (1)", "! 1 for you", "drift on carrier")


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


async def test_a_trigger_that_asks_is_answered_after_a_second_key(shed: Shed) -> None:
    now = time.time()
    with shed.writing("asked", "test") as write:
        trigger = Trigger(
            name="new flights", project="p", project_dir="/p", user="ana", host="box", kind="new-data",
            status="active", request="0" * 64, created_at=now,
        )  # fmt: skip
        write.session.add(trigger)
        write.session.flush()
        firing = Firing(
            trigger_id=trigger.id or 0, key="k", at=now, by="ana", status="waiting", decision="wait", why="2 new files"
        )
        write.session.add(firing)
    async with driving(shed) as driven:
        await driven.sees("new flights asks: 2 new files")
        await driven.pilot.press("enter")
        await driven.sees("a trigger asks", "approve it")
        await driven.press("escape")
        await driven.sees("new flights asks")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1", "charts"),
        ("flight-delay@v1", "waits for your approval: a"),
        ("images@v1", "3 files"),
        ("models", "flight-delay"),
    ],
)
async def test_colon_goes_to_whatever_is_named(shed: Shed, text: str, told: str) -> None:
    model_version_of(shed, run_of(shed))
    dataset_version_of(shed, "images", {"cat/1.png": b"a", "cat/2.png": b"b", "dog/1.png": b"c"})
    async with driving(shed, size=(120, 30)) as driven:
        await driven.pilot.press("colon")
        await driven.type(text)
        await driven.pilot.press("enter")
        await driven.sees(told)


async def test_colon_tells_what_a_wrong_id_could_have_been(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.pilot.press("colon")
        await driven.type("nothing")
        await driven.pilot.press("enter")
        await driven.sees("is nothing in this shed")
