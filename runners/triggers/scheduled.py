"""The schedule trigger: what was due while nobody was there is caught up, once."""

from __future__ import annotations

import time
from collections.abc import Callable

from runners.triggers import policy, schedule
from runners.triggers.orders import Orders
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Trigger
from storage.write import triggers as write_triggers

LOOK_S = 20.0  # at least so often: the wall clock may be put forward
SHORTEST_S = 0.05


class Schedule:
    """Fires when its cron line says so, by the wall `clock`; looks are timed by the steady one."""

    def __init__(self, shed: Shed, trigger: Trigger, orders: Orders, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.shed = shed
        self.trigger_id = trigger.id or 0
        self.spec = orders.spec

    def close(self) -> None:
        """Nothing is held."""

    def look(self, now: float) -> float:
        """Do what is due; returns the monotonic time at which to look again."""
        spec, clock = self.spec, self.clock()
        assert spec.cron is not None
        next_at = read_triggers.trigger(self.shed, self.trigger_id).next_at
        first = schedule.following(spec.cron, spec.timezone, clock)
        if next_at is None:
            write_triggers.due(self.shed, self.trigger_id, first)
            next_at = first
        found = schedule.due(spec.cron, spec.timezone, next_at, clock)
        if found is not None:
            self._fire(found, clock)
            next_at = found.next_at
        return now + min(LOOK_S, max(SHORTEST_S, next_at - self.clock()))

    def _fire(self, found: schedule.Due, clock: float) -> None:
        spec = self.spec
        begun = read_triggers.runs_since(self.shed, self.trigger_id, clock - policy.DAY_S)
        allowed = policy.verdict(spec.model_copy(update={"most_in_a_row": 10_000}), begun, clock)
        at = schedule.told(found.at, spec.timezone)
        late = clock - found.at > schedule.LATE_S
        why = f"{spec.cron} was due at {at}"
        if found.missed:
            why += f", and {found.missed} times before"
        if late:
            why += "; caught up once"
        write_triggers.notice(
            self.shed,
            self.trigger_id,
            f"due {found.at:.0f}",
            decision=spec.do if allowed.allowed else "nothing",
            why=why if allowed.allowed else f"{why}; passed over: {allowed.why}",
            evidence={
                "cron": spec.cron,
                "due": at,
                "missed": found.missed,
                "late_s": round(max(0.0, clock - found.at)),
            },
            next_at=found.next_at,
        )
