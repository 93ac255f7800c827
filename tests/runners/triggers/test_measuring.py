"""Triggers that measure: one trouble fires once, within the trigger's limits, and a loop breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from runners.triggers.measuring import Found, Measuring
from storage.project import ProjectSpec
from storage.read import alerts as read_alerts
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Firing
from storage.trigger_section import TriggerSection
from tests.runners.triggers.watched import Clock, firings, watched
from tests.scenes import run_of


def began(shed: Shed, firing: Firing, *, at: float) -> None:
    """The firing had a run, which has ended."""
    run = run_of(shed, "delays")
    with shed.writing("test", "firing") as write:
        row = write.session.get_one(Firing, firing.id)
        row.run_id, row.status, row.at = run.id, "done", at
        write.session.add(row)


def measuring(shed: Shed, tmp_path: Path, text: str, found: list[Found], clock: Clock) -> Measuring:
    trigger, orders = watched(shed, tmp_path / "project", text)

    def measure(_shed: Shed, _project: ProjectSpec, _spec: TriggerSection) -> Found:
        return found[-1]

    return Measuring(shed, trigger, orders, measure, at_once, clock)


def at_once(work: Callable[[], Found]) -> Future[Found]:
    """What is to be done is done when it is asked for."""
    future: Future[Found] = Future()
    future.set_result(work())
    return future


DRIFT = '[[trigger]]\non = "drift"\nevery_minutes = 10\nmost_in_a_row = 3\n'


def test_one_trouble_fires_once_and_another_again(shed: Shed, tmp_path: Path) -> None:
    found = [Found("waits for rows")]
    source = measuring(shed, tmp_path, DRIFT, found, Clock(time.time()))
    assert source.look(100.0) == 700.0
    assert read_triggers.every(shed)[0].trigger.note == "waits for rows"
    found.append(Found("", "a shifted", "drift a", {"drift": []}))
    source.look(700.0)
    source.look(1300.0)
    found.append(Found("", "b shifted", "drift b"))
    source.look(1900.0)
    assert [row.firing.why for row in firings(shed)] == ["a shifted", "b shifted"]
    assert read_triggers.every(shed)[0].trigger.note == ""


def test_a_trigger_whose_runs_follow_one_another_breaks_with_an_alert(shed: Shed, tmp_path: Path) -> None:
    clock, found = Clock(time.time()), [Found("")]
    source = measuring(shed, tmp_path, DRIFT, found, clock)
    for number in range(4):
        found.append(Found("", f"shift {number}", f"drift {number}"))
        source.look(0.0)
        rows = firings(shed)
        if number < 3:
            began(shed, rows[-1].firing, at=clock.now)
        clock.now += 600
    assert len(firings(shed)) == 3
    (row,) = read_triggers.every(shed)
    assert row.trigger.status == "paused" and "feed itself" in row.trigger.reason
    (alert,) = read_alerts.every(shed)
    assert alert.severity == "critical" and "paused, 3 runs in a row" in alert.title


def test_a_cooldown_puts_a_firing_off_and_says_so(shed: Shed, tmp_path: Path) -> None:
    clock, found = Clock(time.time()), [Found("", "a shifted", "drift a")]
    source = measuring(shed, tmp_path, DRIFT + "cooldown_minutes = 60\n", found, clock)
    source.look(0.0)
    began(shed, firings(shed)[0].firing, at=clock.now)
    found.append(Found("", "b shifted", "drift b"))
    source.look(0.0)
    assert len(firings(shed)) == 1
    assert read_triggers.every(shed)[0].trigger.note == "b shifted; it waits: its cooldown of 60 min"
    clock.now += 3601
    source.look(0.0)
    assert len(firings(shed)) == 2
