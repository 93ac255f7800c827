"""A trigger that measures every so many minutes, and fires where what it finds is bad enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import duckdb

from runners.triggers import policy
from runners.triggers.breaking import break_off
from runners.triggers.orders import Orders
from storage.errors import TrainshedError
from storage.project import ProjectSpec, load_project
from storage.read import models as read_models
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import ModelVersion, Trigger
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


def lacking(shed: Shed, project: ProjectSpec, too_few: Callable[[ModelVersion], str]) -> str:
    """Why nothing could be measured: there is no production, or there is what `too_few` says of it."""
    production = read_models.aliased(shed, project.project.name, "production")
    return too_few(production) if production is not None else f"no version of {project.project.name} is in production"


Measure = Callable[[Shed, ProjectSpec, TriggerSection], Found]
Apart = Callable[[Callable[[], Found]], Future[Found]]  # has work done elsewhere, and the trigger looked at again after


class Measuring:
    """Measures by `measure`, which `apart` carries out: it takes seconds, in which other triggers must be looked at.

    `clock` is the wall's: when runs began is counted by it.
    """

    def __init__(
        self,
        shed: Shed,
        trigger: Trigger,
        orders: Orders,
        measure: Measure,
        apart: Apart,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.shed = shed
        self.trigger_id = trigger.id or 0
        self.orders = orders
        self.measure = measure
        self.apart = apart
        self.clock = clock
        self.note = trigger.note
        self._measuring: Future[Found] | None = None

    def close(self) -> None:
        """What is being measured is of no use any more."""
        if self._measuring is not None:
            self._measuring.cancel()

    def look(self, now: float) -> float:
        """Begin to measure, or act on what was measured; returns the monotonic time at which to begin again."""
        next_at = now + self.orders.spec.every_minutes * 60
        if self._measuring is None:
            self._measuring = self.apart(self._measured)
        if self._measuring.done():
            measuring, self._measuring = self._measuring, None
            self._act_on(measuring.result())
        return next_at

    def _measured(self) -> Found:
        try:
            return self.measure(self.shed, load_project(self.orders.project_dir), self.orders.spec)
        except TrainshedError as err:
            return Found(f"{err.place}: {err.message}" if err.place else err.message)
        except duckdb.Error as err:  # as when a file of the log becomes another one while it is read
            return Found(str(err).partition("\n")[0])

    def _act_on(self, found: Found) -> None:
        note = "" if found.why else found.told
        if found.why and not read_triggers.has_noticed(self.shed, self.trigger_id, found.key):
            note = self._fire(found)
        if note != self.note:
            self.note = note
            write_triggers.remark(self.shed, self.trigger_id, note)

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
