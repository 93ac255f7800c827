"""Whose turn it is: priorities first, then the user who had least of the devices lately, then each user's own order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heapreplace

from runners.scheduling.machine import Hold, Machine
from runners.scheduling.terms import Use, Waiting, kind_of

UNKNOWN_HOURS = 1.0  # what a run counts for whose length nobody knows


def device_hours(uses: Iterable[Use], now: float, half_life_s: float) -> dict[str, float]:
    """Each user's recent device-hours: an hour used one half-life ago counts half."""
    hours: dict[str, float] = {}
    for use in uses:
        ended = now if use.ended_at is None else min(use.ended_at, now)
        if ended <= use.started_at:
            continue
        counted = decayed(ended - use.started_at, now - ended, half_life_s)
        hours[use.user] = hours.get(use.user, 0.0) + use.share * counted / 3600
    return hours


def decayed(length_s: float, ago_s: float, half_life_s: float) -> float:
    """Seconds that a use of `length_s` which ended `ago_s` ago still counts for: the integral of 2^(-age/half-life)."""
    scale = half_life_s / math.log(2)
    return scale * (math.exp(-ago_s / scale) - math.exp(-(ago_s + length_s) / scale))


def scores(hours: Mapping[str, float], holds: Iterable[Hold], machine: Machine, now: float) -> dict[str, float]:
    """Each user's recent device-hours, with those that are still to come from what the user holds now."""
    found = dict(hours)
    for hold in holds:
        left = UNKNOWN_HOURS if hold.ends_at is None else max(0.0, hold.ends_at - now) / 3600
        kind = kind_of(hold.devices[0]) if hold.devices else ""
        cost = len(hold.devices) * machine.portion(kind, hold.memory) * left
        found[hold.user] = found.get(hold.user, 0.0) + cost
    return found


def age(hours: dict[str, float], holds: Iterable[Hold], machine: Machine, passed_s: float, half_life_s: float) -> None:
    """Let time pass over recent device-hours, while these runs hold their devices."""
    fade = 0.5 ** (passed_s / half_life_s)
    for user in hours:
        hours[user] *= fade
    used = decayed(passed_s, 0.0, half_life_s) / 3600
    for hold in holds:
        if hold.devices:
            cost = len(hold.devices) * machine.portion(kind_of(hold.devices[0]), hold.memory) * used
            hours[hold.user] = hours.get(hold.user, 0.0) + cost


class Line:
    """The waiting runs, by priority and user, each user's in the order that this user chose."""

    def __init__(self, waiting: Iterable[Waiting]) -> None:
        self._levels: dict[int, dict[str, list[Waiting]]] = {}
        for run in waiting:
            self._levels.setdefault(run.priority, {}).setdefault(run.user, []).append(run)
        for users in self._levels.values():
            for runs in users.values():
                runs.sort(key=lambda run: (run.position, run.queued_at, run.run_id))

    def copy(self) -> Line:
        other = object.__new__(Line)
        other._levels = {level: {u: list(runs) for u, runs in users.items()} for level, users in self._levels.items()}
        return other

    def remove(self, run: Waiting) -> None:
        self._levels[run.priority][run.user].remove(run)

    def in_turn(self, scores: dict[str, float]) -> Iterator[Waiting]:
        """Every run in turn. The caller adds to a user's score what the run just given will cost, before it asks on.

        A user without a score has had nothing. Where two stand equal, the run that was queued first is first.
        """
        for level in sorted(self._levels, reverse=True):
            heap = [
                (scores.get(user, 0.0), runs[0].queued_at, user, 0)
                for user, runs in self._levels[level].items()
                if runs
            ]
            heapify(heap)
            while heap:
                _, _, user, index = heap[0]
                runs = self._levels[level][user]
                yield runs[index]
                index += 1
                if index < len(runs):
                    heapreplace(heap, (scores.get(user, 0.0), runs[index].queued_at, user, index))
                else:
                    heappop(heap)
