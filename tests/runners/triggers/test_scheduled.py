"""The schedule at work on a shed, while somebody sets the clock and kills the process."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from runners.triggers.scheduled import Schedule
from storage.shed import Shed
from tests.runners.triggers.watched import Clock, firings, watched

DAILY = '[[trigger]]\non = "schedule"\ncron = "30 2 * * *"\ntimezone = "Europe/Berlin"\n'
DAY = 24 * 3600.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


def days(shed: Shed) -> list[str]:
    return [row.firing.evidence["due"][:10] for row in firings(shed)]


def test_a_clock_a_day_ahead_and_back_is_no_storm(shed: Shed, tmp_path: Path) -> None:
    clock = Clock(at("2026-01-10T00:00"))
    source = Schedule(shed, *watched(shed, tmp_path / "project", DAILY), clock)
    source.look(0.0)
    clock.now += DAY + 3 * 3600
    for _ in range(5):
        source.look(0.0)
    clock.now -= DAY
    for _ in range(5):
        source.look(0.0)
        clock.now += 3600
    assert days(shed) == ["2026-01-11"]
    clock.now = at("2026-01-12T03:00")
    source.look(0.0)
    assert days(shed) == ["2026-01-11", "2026-01-12"]


def test_a_restart_fires_nothing_twice_and_catches_up_once(shed: Shed, tmp_path: Path) -> None:
    clock = Clock(at("2026-01-10T00:00"))
    trigger, orders = watched(shed, tmp_path / "project", DAILY)
    Schedule(shed, trigger, orders, clock).look(0.0)
    clock.now = at("2026-01-13T02:31")
    for _ in range(3):  # each is another process
        Schedule(shed, trigger, orders, clock).look(0.0)
    (row,) = firings(shed)
    assert row.firing.why == "30 2 * * * was due at 2026-01-13 02:30 CET, and 3 times before"
    clock.now = at("2026-01-16T12:00")
    Schedule(shed, trigger, orders, clock).look(0.0)
    assert firings(shed)[-1].firing.why.endswith("; caught up once")


@pytest.mark.parametrize("night", ["2026-03-29", "2026-10-25"])
def test_a_night_of_daylight_saving_fires_once(shed: Shed, tmp_path: Path, night: str) -> None:
    clock = Clock(at(f"{night}T00:00"))
    trigger, orders = watched(shed, tmp_path / "project", DAILY)
    for _ in range(16):
        Schedule(shed, trigger, orders, clock).look(0.0)
        clock.now += 900
    assert days(shed) == [night]
