"""Quiet hours. Pure functions of the time."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def quiet_until(hours: str | None, timezone: str, now: float) -> float | None:
    """When the quiet hours that `now` lies in end (seconds since the epoch); None where it lies in none.

    `hours` is such as `22:00-07:00`, by the clocks of that zone, over midnight too.
    """
    if hours is None:
        return None
    begin, end = (clock(part) for part in hours.split("-"))
    zone = ZoneInfo(timezone)
    here = datetime.fromtimestamp(now, zone)
    for day in (-1, 0):
        first = datetime.combine(here.date() + timedelta(days=day), begin, zone)
        last = datetime.combine(first.date() + timedelta(days=int(end <= begin)), end, zone)
        if first.timestamp() <= now < last.timestamp():
            return last.astimezone(UTC).timestamp()
    return None


def clock(text: str) -> time:
    """`7:30` as a time of the day."""
    hour, _, minute = text.strip().partition(":")
    return time(int(hour), int(minute))
