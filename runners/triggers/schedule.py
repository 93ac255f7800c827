"""When a cron line is due. Pure functions of a clock that somebody else reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

LATE_S = 90.0  # a firing later than this was missed: nobody was there when it was due


@dataclass(frozen=True)
class Due:
    """A moment at which a schedule fires; `missed` counts those before it that it stands for."""

    at: float
    missed: int
    next_at: float


def following(cron: str, timezone: str, after: float) -> float:
    """The first moment after `after` (seconds since the epoch) that the line names, by the clocks of that zone.

    An hour that the clocks leave out in spring is moved behind the gap; one that comes twice in autumn counts once,
    but for lines that name every hour.
    """
    from croniter import croniter

    zone = ZoneInfo(timezone)
    moments = croniter(cron, datetime.fromtimestamp(after, zone))
    every_hour = cron.split()[1].startswith("*")
    while True:
        found: datetime = moments.get_next(datetime)
        seconds = found.astimezone(UTC).timestamp()
        if every_hour or not datetime.fromtimestamp(seconds, zone).fold:
            return seconds


def due(cron: str, timezone: str, next_at: float, now: float) -> Due | None:
    """What is due now; several missed moments are one. `next_at` is the moment that was planned.

    A clock that was put back makes nothing due again: what is planned stays planned.
    """
    if now < next_at:
        return None
    last, missed = next_at, 0
    upcoming = following(cron, timezone, last)
    while upcoming <= now and missed < 10_000:
        last, missed = upcoming, missed + 1
        upcoming = following(cron, timezone, last)
    return Due(last, missed, following(cron, timezone, max(now, last)))


def told(moment: float, timezone: str) -> str:
    """A moment by the clocks of a zone, to the minute."""
    return datetime.fromtimestamp(moment, ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M %Z")
