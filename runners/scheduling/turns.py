"""Whose turn it is: priorities first, then the user who had least of the devices lately, then each user's own order."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from math import exp, inf, log

from runners.scheduling.machine import Hold, Machine
from runners.scheduling.terms import Use, Waiting, kind_of

Want = tuple[str, int]  # a kind of device, and how many
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
    scale = half_life_s / log(2)
    return scale * (exp(-ago_s / scale) - exp(-(ago_s + length_s) / scale))


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
    """The waiting runs, by priority and user, each user's in the order that this user chose; and what each wants."""

    def __init__(self, waiting: Iterable[Waiting], wants: dict[int, Want]) -> None:
        self.wants = wants
        self.kinds = {kind for kind, _ in wants.values()}
        self._levels: dict[int, dict[str, list[Waiting]]] = {}
        for run in waiting:
            self._levels.setdefault(run.priority, {}).setdefault(run.user, []).append(run)
        for users in self._levels.values():
            for runs in users.values():
                runs.sort(key=_place)

    def add(self, run: Waiting, want: Want) -> None:
        """Put a run in its place among those of its user and priority."""
        self.wants[run.run_id] = want
        insort(self._levels.setdefault(run.priority, {}).setdefault(run.user, []), run, key=_place)

    def waits(self, user: str) -> bool:
        return any(users.get(user) for users in self._levels.values())

    def remove(self, run: Waiting) -> None:
        self._levels[run.priority][run.user].remove(run)

    def in_turn(self, scores: dict[str, float], reserved_since: Mapping[int, float]) -> Iterator[Waiting]:
        """Every run in turn. The caller adds to a user's score what the run just given will cost, before it asks on.

        A user without a score has had nothing. Where two stand equal, the run that was queued first is first. A run
        that devices were kept for stays first of its priority: they shall not have been kept in vain.
        """

        def turn(runs: list[Waiting], index: int) -> tuple[float, float, float, str, int]:
            run = runs[index]
            return reserved_since.get(run.run_id, inf), scores.get(run.user, 0.0), run.queued_at, run.user, index

        for level in sorted(self._levels, reverse=True):
            users = self._levels[level]
            heap = [turn(runs, 0) for runs in users.values() if runs]
            heapify(heap)
            while heap:
                *_, user, index = heap[0]
                runs = users[user]
                yield runs[index]
                if index + 1 < len(runs):
                    heapreplace(heap, turn(runs, index + 1))
                else:
                    heappop(heap)


def _place(run: Waiting) -> tuple[float, float, int]:
    return run.position, run.queued_at, run.run_id
