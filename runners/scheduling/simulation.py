"""When waiting runs will start: the queue played forward many times, over lengths drawn from what is known of them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from statistics import median

from runners.scheduling.machine import Machine, hold
from runners.scheduling.reasons import never_fits
from runners.scheduling.rounds import Round
from runners.scheduling.spreads import at_width
from runners.scheduling.terms import Holding, Limits, Slot, Spread, Waiting, demand
from runners.scheduling.turns import Line, age, scores

SAMPLES = 32
DAY = 86400.0
COMMON = 0.2  # of the variance: runs that were estimated from the same past are wrong together
FARTHEST = 2.0  # widths from the median: what lies beyond is not in the past that a spread was taken from
LOWEST, HIGHEST = 0.05, 0.95  # of the samples: a little wider than is told, for what no sample knows
GOES_ON = 0.5  # the chance that somebody who uses the devices goes on to queue more
ACTIVE = 0.05  # of all recent hours: who had less is not expected back
EVENTS = 20  # a play is given up after so many for every run

Length = float | None


def starts(
    waiting: Iterable[Waiting],
    holding: Iterable[Holding],
    slots: Sequence[Slot],
    hours: Mapping[str, float],
    limits: Limits,
    now: float,
    *,
    half_life_s: float = DAY,
    samples: int = SAMPLES,
) -> dict[int, Spread]:
    """Seconds from `now` until each waiting run starts, whether or not the others queue more meanwhile.

    The same question gets the same answer. One that waits for other runs is told as if these end well. There is no
    answer for a run that is blocked otherwise, that this machine cannot serve, that a stranger's memory keeps out, or
    that waits for one of whose length nothing at all is known.
    """
    play = _Play(list(waiting), holding, slots, hours, limits, now, half_life_s)
    begun: dict[int, list[float]] = {}
    for sample in range(samples if play.waiting else 0):
        for run_id, at in play.through(random.Random(sample)).items():
            begun.setdefault(run_id, []).append(at - now)
    return {run_id: _spread(sorted(times)) for run_id, times in begun.items() if len(times) == samples}


class _Play:
    """One state of the queue, to be played through again and again."""

    def __init__(
        self,
        waiting: Sequence[Waiting],
        holding: Iterable[Holding],
        slots: Sequence[Slot],
        hours: Mapping[str, float],
        limits: Limits,
        now: float,
        half_life_s: float,
    ) -> None:
        self.hours, self.limits, self.now, self.half_life_s = hours, limits, now, half_life_s
        self.holding = sorted(holding, key=lambda run: run.run_id)
        self.holds = [hold(run, now) for run in self.holding]
        self.machine = Machine(slots, self.holds)
        self.wants = {run.run_id: demand(run.gpus, slots) for run in waiting}
        idle = self.machine.copy()
        for held in self.holds:
            idle.release(held.devices, held.memory)
        able = [run for run in waiting if (run.after or not run.blocked) and self._fits(run, idle)]
        self.waiting = self._reachable(able)
        self.of_user: dict[str, list[Waiting]] = {}
        for run in self.waiting.values():
            self.of_user.setdefault(run.user, []).append(run)
        known = [run.duration_s for run in self.waiting.values() if run.duration_s is not None]
        typical = _pooled(known) if known else None
        self.lengths = {run.run_id: run.duration_s or typical for run in self.waiting.values()}
        self.lowest = min((run.priority for run in self.waiting.values()), default=0)
        self.active = self._active()

    def through(self, chance: random.Random) -> dict[int, float]:
        """One way it may go: the time at which each run starts."""
        machine, holds, hours = self.machine.copy(), list(self.holds), dict(self.hours)
        before = {run_id: set(run.after) for run_id, run in self.waiting.items() if run.after}
        line = Line([run for run in self.waiting.values() if not run.after], dict(self.wants))
        runs, lengths = dict(self.waiting), self._drawn(chance)
        ends = self._ends(chance)
        going_on = [user for user in self.active if chance.random() < GOES_ON]
        reserved = {run.run_id: run.reserved_since for run in self.waiting.values() if run.reserved_since is not None}
        begun: dict[int, float] = {}
        still_waiting = len(self.waiting)
        at = self.now
        for _ in range(EVENTS * (len(runs) + len(holds))):
            for user in going_on:
                if not line.waits(user):
                    run, like = self._another(user, -len(runs) - 1, at, chance)
                    runs[run.run_id], lengths[run.run_id] = run, lengths[like]
                    line.add(run, self.wants[like])
            decided = Round(machine, holds, scores(hours, holds, machine, at), self.limits, at)
            decided.go(line, reserved)
            for kept in decided.reserved.values():
                reserved.setdefault(kept.run.run_id, at)
            for start in decided.starts:
                begun[start.run_id] = at
                still_waiting -= start.run_id in self.waiting
                line.remove(runs[start.run_id])
                length = lengths[start.run_id]
                if length is not None:
                    heappush(ends, (at + length, start.run_id))
            if not ends or not still_waiting:
                break
            until, ended = heappop(ends)
            age(hours, holds, machine, until - at, self.half_life_s)
            at = until
            gone = next(index for index, held in enumerate(holds) if held.run_id == ended)
            machine.release(holds[gone].devices, holds[gone].memory)
            del holds[gone]
            for run_id in [run_id for run_id, others in before.items() if ended in others]:
                before[run_id].remove(ended)
                if not before[run_id]:
                    del before[run_id]
                    line.add(runs[run_id], self.wants[run_id])
        return {run_id: begun[run_id] for run_id in self.waiting if run_id in begun}

    def _reachable(self, able: Iterable[Waiting]) -> dict[int, Waiting]:
        """The runs whose turn can come, by id: all that each waits for is running or has its turn before."""
        found = {run.run_id: run for run in sorted(able, key=lambda run: run.run_id)}
        ending = {run.run_id for run in self.holding}
        while lost := [run.run_id for run in found.values() if not {*run.after} <= ending | {*found}]:
            for run_id in lost:
                del found[run_id]
        return found

    def _fits(self, run: Waiting, idle: Machine) -> bool:
        """Whether the run could start if all of ours were gone."""
        kind, count = self.wants[run.run_id]
        if never_fits(run, kind, count, idle, self.limits.per_user):
            return False
        return idle.place(kind, count, run.memory) is not None

    def _active(self) -> list[str]:
        """Who may queue more: those who wait, hold devices, or had a part of the recent hours."""
        least = ACTIVE * sum(self.hours.values())
        if not self.waiting:
            return []
        users = {run.user for run in self.waiting.values()} | {run.user for run in self.holding}
        return sorted(users | {user for user, had in self.hours.items() if had > least})

    def _another(self, user: str, run_id: int, at: float, chance: random.Random) -> tuple[Waiting, int]:
        """A run that the user may queue next: like one that waits, the user's own if there is any; never urgent."""
        like = chance.choice(self.of_user.get(user) or [*self.waiting.values()])
        return replace(
            like,
            run_id=run_id,
            user=user,
            queued_at=at,
            priority=self.lowest,
            position=math.inf,
            reserved_since=None,
            after=(),
        ), like.run_id

    def _ends(self, chance: random.Random) -> list[tuple[float, int]]:
        ends = []
        for run in self.holding:
            elapsed = max(self.now - run.started_at, 60.0)  # of a length nobody knows, half may be over, or a tenth
            left = run.remaining_s or Spread(elapsed / 9, elapsed, elapsed * 9)
            ends.append((self.now + at_width(left, chance.gauss(0, 1)), run.run_id))
        heapify(ends)
        return ends

    def _drawn(self, chance: random.Random) -> dict[int, Length]:
        """A length for every run, None where nothing is known; a part of their luck all have in common."""
        common, own = chance.gauss(0, math.sqrt(COMMON)), math.sqrt(1 - COMMON)
        return {
            run_id: None
            if length is None
            else at_width(length, max(-FARTHEST, min(common + chance.gauss(0, own), FARTHEST)))
            for run_id, length in self.lengths.items()
        }


def _pooled(known: Sequence[Spread]) -> Spread:
    """What a run may take of which nothing is known, where others are."""
    return Spread(min(s.low for s in known), median(s.likely for s in known), max(s.high for s in known))


def _spread(times: Sequence[float]) -> Spread:
    low, likely, high = (times[round(part * (len(times) - 1))] for part in (LOWEST, 0.5, HIGHEST))
    return Spread(low, likely, high)
