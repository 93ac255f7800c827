"""When waiting runs will start: the queue played forward many times, over lengths drawn from what is known of them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
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
LOWEST, HIGHEST = 0.05, 0.95  # of the samples: a little wider than told, for what no sample knows


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
    """Seconds from `now` until each waiting run starts, if nobody queues anything else.

    The same question gets the same answer. A run has none while it is blocked, while this machine cannot serve it, and
    while it waits for one of whose length nothing at all is known.
    """
    play = _Play(list(waiting), holding, slots, hours, limits, now, half_life_s)
    begun: dict[int, list[float]] = {}
    for sample in range(samples):
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
        self.waiting = {run.run_id: run for run in sorted(waiting, key=lambda run: run.run_id) if self._able(run)}
        self.line = Line(self.waiting.values())
        known = [run.duration_s for run in self.waiting.values() if run.duration_s is not None]
        typical = _pooled(known) if known else None
        self.lengths = {run.run_id: run.duration_s or typical for run in self.waiting.values()}

    def _able(self, run: Waiting) -> bool:
        return not (run.blocked or never_fits(run, *self.wants[run.run_id], self.machine, self.limits.per_user))

    def through(self, chance: random.Random) -> dict[int, float]:
        """One way it may go: the time at which each run starts."""
        machine, line, holds, hours = self.machine.copy(), self.line.copy(), list(self.holds), dict(self.hours)
        ends = self._ends(chance)
        lengths = self._drawn(chance)
        reserved = {run.run_id: run.reserved_since for run in self.waiting.values() if run.reserved_since is not None}
        begun: dict[int, float] = {}
        at = self.now
        while True:
            decided = Round(machine, holds, scores(hours, holds, machine, at), self.limits, at)
            decided.go(line, self.wants, reserved)
            for kept in decided.reserved.values():
                reserved.setdefault(kept.run.run_id, at)
            for start in decided.starts:
                begun[start.run_id] = at
                line.remove(self.waiting[start.run_id])
                if start.run_id in lengths:
                    heappush(ends, (at + lengths[start.run_id], start.run_id))
            if not ends or len(begun) == len(self.waiting):
                return begun
            until, ended = heappop(ends)
            age(hours, holds, machine, until - at, self.half_life_s)
            at = until
            gone = next(index for index, held in enumerate(holds) if held.run_id == ended)
            machine.release(holds[gone].devices, holds[gone].memory)
            del holds[gone]

    def _ends(self, chance: random.Random) -> list[tuple[float, int]]:
        ends = []
        for run in self.holding:
            elapsed = max(
                self.now - run.started_at, 60.0
            )  # of an unknown length we see, as likely as not, the first half
            left = run.remaining_s or Spread(elapsed / 9, elapsed, elapsed * 9)
            ends.append((self.now + at_width(left, chance.gauss(0, 1)), run.run_id))
        heapify(ends)
        return ends

    def _drawn(self, chance: random.Random) -> dict[int, float]:
        """A length for every run of which one is known; runs with the same expectation share a part of their luck."""
        shared: dict[Spread, float] = {}
        drawn = {}
        for run_id, length in self.lengths.items():
            if length is not None:
                if length not in shared:
                    shared[length] = chance.gauss(0, math.sqrt(COMMON))
                drawn[run_id] = at_width(length, shared[length] + chance.gauss(0, math.sqrt(1 - COMMON)))
        return drawn


def _pooled(known: Sequence[Spread]) -> Spread:
    """What a run may take of which nothing is known, where others are."""
    return Spread(min(s.low for s in known), median(s.likely for s in known), max(s.high for s in known))


def _spread(times: Sequence[float]) -> Spread:
    low, likely, high = (times[round(part * (len(times) - 1))] for part in (LOWEST, 0.5, HIGHEST))
    return Spread(low, likely, high)
