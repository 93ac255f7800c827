"""Triggers: what each watches and when it is due, what it noticed, and whom alerts reached."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from screens.run import RunPage
from screens.triggers import Triggers
from storage.read import alerts as read_alerts
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Firing, Trigger
from storage.write import alerts as write_alerts
from storage.write import triggers as write_triggers
from tests.scenes import run_of
from tests.screens.driving import Driven, driving


def trigger_of(shed: Shed, on: str, **spec: Any) -> Trigger:
    trigger, _ = write_triggers.register(
        shed, name=on, project="delays", project_dir="/nowhere", kind=on, spec={"on": on, **spec}, request="r" * 64
    )
    return trigger


def noticed(shed: Shed, trigger: Trigger, why: str, decision: str = "nothing", **evidence: Any) -> Firing:
    firing = write_triggers.notice(shed, trigger.id or 0, why, decision=decision, why=why, evidence=evidence)
    assert firing is not None
    return firing


async def in_triggers(driven: Driven) -> Triggers:
    await driven.press("7")
    screen = driven.app.screen
    assert isinstance(screen, Triggers)
    return screen


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_triggers_their_history_and_alerts_stand_together(shed: Shed, size: tuple[int, int]) -> None:
    weekly = trigger_of(shed, "schedule", cron="0 6 * * mon", timezone="Europe/Berlin")
    write_triggers.due(shed, weekly.id or 0, time.time() + 3 * 3600 + 60)
    noticed(shed, trigger_of(shed, "drift"), "carrier has shifted: PSI 0.31", "stop")
    write_alerts.raise_alert(shed, project="delays", key="k", severity="warning", title="carrier has shifted")
    async with driving(shed, size=size) as driven:
        await in_triggers(driven)
        await driven.sees("schedule", "in 3 h", "by itself", "stop", "PSI 0.31", "alerts (1 new)", "is being sent")


async def test_a_trigger_of_a_newer_version_is_told_among_those_that_can_be_read(shed: Shed) -> None:
    trigger_of(shed, "schedule", cron="0 6 * * mon", rhythm="lunar")
    trigger_of(shed, "drift")
    async with driving(shed, size=(200, 50)) as driven:
        await in_triggers(driven)
        await driven.sees('this version cannot read it: unknown key "rhythm"', "any input: PSI")
        await driven.press("t")
        await driven.sees("update trainshed, or `trainshed triggers add -p /nowhere`")


async def test_enter_on_a_firing_shows_its_evidence_and_r_its_run(shed: Shed) -> None:
    run = run_of(shed, "delays")
    firing = noticed(
        shed,
        trigger_of(shed, "new-data"),
        "2 new files",
        "retrain",
        files=[{"path": "data/september.csv", "change": "added", "rows": 31}],
        rows={"data": [100, 131]},
    )
    write_triggers.end(shed, firing.id or 0, "promoted")
    with shed.writing("test", "") as write:
        kept = write.session.get_one(Firing, firing.id)
        kept.run_id = run.id
        write.session.add(kept)
    async with driving(shed) as driven:
        await in_triggers(driven)
        await driven.press("tab", "enter")
        await driven.sees("2 new files", "evidence", "path data/september.csv", "rows 31", "promoted")
        await driven.press("escape", "r")
        await driven.until(lambda: isinstance(driven.app.screen, RunPage))


async def test_a_narrow_list_shows_the_line_under_the_cursor_in_full(shed: Shed) -> None:
    firing = noticed(shed, trigger_of(shed, "new-data"), "1 new file, 31,000 rows more than before (+12 %)", "retrain")
    write_triggers.end(shed, firing.id or 0, "v2 passed the gate and waits for a person to say yes")
    alert = write_alerts.raise_alert(shed, project="delays", key="k", severity="warning", title="carrier has shifted")
    async with driving(shed) as driven:
        await in_triggers(driven)
        await driven.sees("new-data  ")
        await driven.press("tab")
        await driven.sees("1 new file, 31,000 rows more than before (+12 %)  →  v2 passed the gate and", "to say yes")
        await driven.press("tab")
        await driven.sees(f"{alert.title}  is being sent")
        await driven.press("shift+tab", "enter")
        await driven.sees("came to", "v2 passed the gate and waits for a person to say yes")


async def test_p_pauses_a_trigger_and_h_leaves_only_its_history(shed: Shed) -> None:
    drift, new_data = trigger_of(shed, "drift"), trigger_of(shed, "new-data")
    noticed(shed, drift, "carrier has shifted")
    noticed(shed, new_data, "a file came")
    async with driving(shed) as driven:
        await in_triggers(driven)
        await driven.sees("carrier has shifted", "a file came")
        await driven.press("p")
        await driven.until(lambda: read_triggers.trigger(shed, drift.id or 0).status == "paused")
        await driven.sees("paused by")
        await driven.press("enter")
        await driven.until(lambda: "history · drift" in driven.text and "a file came" not in driven.text)
        await driven.press("escape")
        await driven.sees("a file came")


async def test_what_waits_for_a_person_is_dismissed_after_a_second_key(shed: Shed) -> None:
    firing = noticed(shed, trigger_of(shed, "new-data"), "a file came", "wait")
    write_triggers.ask_person(shed, firing.id or 0)
    async with driving(shed) as driven:
        await in_triggers(driven)
        await driven.sees("waits for you")
        await driven.press("tab", "x", "y")
        await driven.until(lambda: read_triggers.firing(shed, firing.id or 0).firing.status == "done")


async def test_an_alert_that_was_not_sent_says_why_and_is_acknowledged(shed: Shed) -> None:
    alert = write_alerts.raise_alert(
        shed, project="delays", key="k", severity="critical", title="run 3 failed", body="out of memory"
    )
    write_alerts.not_delivered(shed, alert.id or 0, "no such host", time.time() + 60)
    async with driving(shed) as driven:
        await in_triggers(driven)
        await driven.press("shift+tab")
        await driven.sees("not sent, tried 1×: no such host")
        await driven.press("enter")
        await driven.sees("✗ critical", "out of memory")
        await driven.press("escape", "A")
        await driven.until(lambda: read_alerts.unacknowledged(shed) == 0)


async def test_without_triggers_the_screen_says_what_goes_there(shed: Shed, tmp_path: Path) -> None:
    async with driving(shed) as driven:
        await in_triggers(driven)
        await driven.sees("Nothing happens by itself yet", "trainshed triggers add")
        await driven.press("n")
        await driven.sees("was not started in a project")
