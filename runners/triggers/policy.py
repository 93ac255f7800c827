"""Whether a trigger may begin another run now: one at a time, its cooldown, most a day, and a breaker on loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.tables import AT_WORK
from storage.trigger_section import TriggerSection

DAY_S = 24 * 3600.0
ROW_S = 3600.0  # runs that follow one another within this are in a row
AHEAD_S = 60.0  # a run this far in the future was begun by a clock that has been put back since

Begun = Sequence[tuple[float, str]]  # of each earlier run of the trigger: when it was set off, and its status


@dataclass(frozen=True)
class Verdict:
    """`until` says when to ask again where that is known; `breaks` that the trigger is to be paused."""

    allowed: bool
    why: str = ""
    until: float | None = None
    breaks: bool = False


def verdict(spec: TriggerSection, begun: Begun, now: float) -> Verdict:
    """May a run begin at `now` (seconds since the epoch)? `begun`: its runs so far, the oldest first."""
    if any(status in AT_WORK for _, status in begun):
        return Verdict(False, "its run before is still at work")
    times = [at for at, _ in begun if at <= now + AHEAD_S]
    if not times:
        return Verdict(True)
    if _in_a_row(times, now) >= spec.most_in_a_row:
        return Verdict(False, f"{spec.most_in_a_row} runs in a row: it seems to feed itself", breaks=True)
    free_at = times[-1] + spec.cooldown_minutes * 60
    if now < free_at:
        return Verdict(False, f"its cooldown of {spec.cooldown_minutes:g} min", free_at)
    today = [at for at in times if at > now - DAY_S]
    if len(today) >= spec.most_a_day:
        return Verdict(False, f"it had its {spec.most_a_day} runs of 24 hours", today[-spec.most_a_day] + DAY_S)
    return Verdict(True)


def _in_a_row(times: Sequence[float], now: float) -> int:
    count, later = 0, now
    for at in reversed(times):
        if later - at > ROW_S:
            break
        count, later = count + 1, at
    return count
