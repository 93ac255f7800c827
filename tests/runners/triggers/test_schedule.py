"""When a cron line is due, across missed moments, clocks that jump, and daylight saving."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from runners.triggers import schedule

BERLIN = "Europe/Berlin"
DAILY = "30 2 * * *"


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_a_line_is_read_by_the_clocks_of_its_zone() -> None:
    assert schedule.following("0 6 * * *", BERLIN, at("2026-01-10T00:00")) == at("2026-01-10T06:00")
    assert schedule.following("0 6 * * *", "UTC", at("2026-01-10T00:00")) == at("2026-01-10T06:00", "UTC")


def test_missed_moments_are_caught_up_once() -> None:
    planned = at("2026-01-10T02:30")
    due = schedule.due(DAILY, BERLIN, planned, at("2026-01-13T12:00"))
    assert due is not None
    assert (due.at, due.missed, due.next_at) == (at("2026-01-13T02:30"), 3, at("2026-01-14T02:30"))


def test_a_clock_a_day_ahead_and_back_fires_once_not_again() -> None:
    planned = at("2026-01-10T02:30")
    due = schedule.due(DAILY, BERLIN, planned, at("2026-01-11T03:00"))
    assert due is not None and due.missed == 1
    assert schedule.due(DAILY, BERLIN, due.next_at, at("2026-01-10T03:00")) is None
    assert schedule.due(DAILY, BERLIN, due.next_at, at("2026-01-11T03:00")) is None


def fired_between(first: str, last: str, line: str) -> list[str]:
    """Every firing of a process that looks once a minute."""
    now, end, found = at(first), at(last), []
    next_at = schedule.following(line, BERLIN, now)
    while now < end:
        due = schedule.due(line, BERLIN, next_at, now)
        if due is not None:
            found.append(schedule.told(due.at, BERLIN))
            next_at = due.next_at
        now += 60
    return found


def test_an_hour_that_is_left_out_or_comes_twice_fires_once_a_day() -> None:
    spring = fired_between("2026-03-28T12:00", "2026-03-30T12:00", DAILY)
    autumn = fired_between("2026-10-24T12:00", "2026-10-26T12:00", DAILY)
    assert [each[:10] for each in spring] == ["2026-03-29", "2026-03-30"]
    assert [each[:10] for each in autumn] == ["2026-10-25", "2026-10-26"]


@given(st.lists(st.floats(-90_000, 90_000), min_size=1, max_size=40))
def test_however_the_clock_jumps_no_moment_fires_twice(jumps: list[float]) -> None:
    now = at("2026-01-10T00:00")
    next_at, fired = schedule.following(DAILY, BERLIN, now), []
    for jump in jumps:
        now += jump
        due = schedule.due(DAILY, BERLIN, next_at, now)
        if due is not None:
            fired.append(due.at)
            next_at = due.next_at
    assert len(set(fired)) == len(fired) and fired == sorted(fired)
