"""A trigger that measures every so many minutes, and fires where what it finds is bad enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb

from runners.triggers import policy
from runners.triggers.breaking import break_off
from runners.triggers.orders import Orders
from storage.errors import TrainshedError
from storage.project import ProjectSpec, load_project
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Trigger
from storage.trigger_section import TriggerSection
from storage.write import triggers as write_triggers


@dataclass(frozen=True)
class Found:
    """What a measurement came to: `why` it is bad enough to fire (empty: it is not), and in words what was measured.

    `key` tells one trouble from another: the same fires once.
    """

    told: str
    why: str = ""
    key: str = ""
    evidence: dict[str, Any] | None = None


Measure = Callable[[Shed, ProjectSpec, TriggerSection], Found]


class Measuring:
    """Measures by `measure`. `clock` is the wall's: when runs began is counted by it."""

    def __init__(
        self, shed: Shed, trigger: Trigger, orders: Orders, measure: Measure, clock: Callable[[], float] = time.time
    ) -> None:
        self.shed = shed
        self.trigger_id = trigger.id or 0
        self.orders = orders
        self.measure = measure
        self.clock = clock
        self.note = trigger.note

    def close(self) -> None:
        """Nothing is held."""

    def look(self, now: float) -> float:
        """Measure; returns the monotonic time at which to do so again."""
        spec = self.orders.spec
        try:
            found = self.measure(self.shed, load_project(self.orders.project_dir), spec)
        except TrainshedError as err:
            found = Found(err.message)
        except duckdb.Error as err:  # as when a file of the log becomes another one while it is read
            found = Found(str(err).partition("\n")[0])
        note = "" if found.why else found.told
        if found.why and not read_triggers.has_noticed(self.shed, self.trigger_id, found.key):
            note = self._fire(found)
        if note != self.note:
            self.note = note
            write_triggers.remark(self.shed, self.trigger_id, note)
        return now + spec.every_minutes * 60

    def _fire(self, found: Found) -> str:
        """Returns what it waits for, where it has to."""
        clock = self.clock()
        begun = read_triggers.runs_since(self.shed, self.trigger_id, clock - policy.DAY_S)
        allowed = policy.verdict(self.orders.spec, begun, clock)
        if allowed.breaks:
            break_off(self.shed, read_triggers.trigger(self.shed, self.trigger_id), allowed.why)
            return ""
        if not allowed.allowed:
            return f"{found.why}; it waits: {allowed.why}"
        write_triggers.notice(
            self.shed,
            self.trigger_id,
            found.key,
            decision=self.orders.spec.do,
            why=found.why,
            evidence=found.evidence or {},
        )
        return ""
