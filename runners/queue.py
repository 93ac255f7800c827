"""Which waiting runs start now, on which devices, and why the others wait. Pure: no clock, no files, no database.

Every user's agent computes this over the same rows and starts its own user's runs: nothing else may sway the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runners.scheduling import reasons
from runners.scheduling.machine import Machine, hold
from runners.scheduling.rounds import Round
from runners.scheduling.terms import Choice, Holding, Limits, Slot, Spread, Start, Use, Waiting, demand
from runners.scheduling.turns import Line, device_hours, scores

__all__ = [
    "Choice",
    "Holding",
    "Limits",
    "Slot",
    "Spread",
    "Start",
    "Use",
    "Waiting",
    "choose",
    "demand",
    "device_hours",
]


def choose(
    waiting: Iterable[Waiting],
    holding: Iterable[Holding],
    slots: Sequence[Slot],
    hours: Mapping[str, float],
    limits: Limits,
    now: float,
) -> Choice:
    """Decide one round of the queue at `now`.

    In turn: the higher priority; a run that devices are kept for already; the user with fewer recent device-hours
    (`hours`, see `device_hours`) and fewer to come from what the user holds; that user's own order. Each run that fits
    starts. The first that does not gets a reservation: a later one starts only if it is gone by then, or needs nothing
    of it (EASY backfill, Lifka 1995).

    A run holds up nobody while it is blocked, while this machine can never serve it, or while only a stranger's memory
    keeps it out.
    """
    held: dict[int, str] = {}
    holds = [hold(run, now) for run in sorted(holding, key=lambda run: run.run_id)]
    machine = Machine(slots, holds)
    able = [run for run in waiting if not _told(run, slots, machine, limits, held)]
    wants = {run.run_id: demand(run.gpus, slots) for run in able}
    since = {run.run_id: run.reserved_since for run in able if run.reserved_since is not None}
    decided = Round(machine, holds, scores(hours, holds, machine, now), limits, now, held)
    decided.go(Line(able, wants), since)
    return Choice(decided.starts, held, sorted(kept.run.run_id for kept in decided.reserved.values()))


def _told(run: Waiting, slots: Sequence[Slot], machine: Machine, limits: Limits, held: dict[int, str]) -> bool:
    """Whether devices are not what the run waits for; then `held` says what is."""
    reason = run.blocked or reasons.never_fits(run, *demand(run.gpus, slots), machine, limits.per_user)
    if reason:
        held[run.run_id] = reason
    return bool(reason)
