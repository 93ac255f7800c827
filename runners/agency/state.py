"""The queue as rows become what `runners.queue` decides on."""

from __future__ import annotations

import socket
from collections.abc import Collection
from dataclasses import dataclass

from runners import estimates, leases
from runners.agency.home import has_agent
from runners.agency.lengths import Lengths
from runners.queue import Holding, Limits, Slot, Spread, Use, Waiting, device_hours
from runners.supervision import processes
from storage.read import queue as read_queue
from storage.read.queue import Entry
from storage.settings import Settings, settings
from storage.shed import Shed
from storage.tables import AT_WORK

HALF_LIVES_COUNTED = 7


@dataclass(frozen=True)
class Situation:
    """All that a decision needs, as it stands at one moment on this host.

    `foreground` are the waiting runs that somebody watches in a terminal: they start themselves.
    """

    waiting: list[Waiting]
    holding: list[Holding]
    slots: list[Slot]
    hours: dict[str, float]
    limits: Limits
    now: float
    foreground: frozenset[int]


@dataclass(frozen=True)
class Blocked:
    """What a run waits for besides devices, in words, and the runs before it where these are all and may end well."""

    why: str = ""
    after: tuple[int, ...] = ()


def situation(
    shed: Shed, now: float, *, starting: Collection[Holding] = (), lengths: Lengths | None = None
) -> Situation:
    """Read the queue of this host.

    Args:
        shed: whose queue.
        now: seconds since the epoch.
        starting: runs that were given devices a moment ago and no row says so yet.
        lengths: what is known of how long runs take, for one who asks again and again.
    """
    host = socket.gethostname()
    rules = settings(shed.root)
    waiting = [entry for entry in read_queue.waiting(shed, host) if entry.queued.request or watched(entry)]
    running = read_queue.holding(shed, host)
    known = (lengths or Lengths()).of(shed, [*waiting, *running], now)
    blocked = _blocked(shed, waiting)
    held = [_holding(entry, known.get(entry.queued.run_id), now) for entry in running if entry.run.devices]
    held = [*starting, *held]
    held = [*held, *_others(shed, {hold.run_id for hold in held}, known, now)]
    begun = {hold.run_id for hold in held}  # one that was given devices a moment ago may still be said to wait
    return Situation(
        waiting=[
            _waiting(entry, blocked.get(entry.queued.run_id, Blocked()), known.get(entry.queued.run_id))
            for entry in waiting
            if entry.queued.run_id not in begun
        ],
        holding=held,
        slots=leases.slots(shed, rules),
        hours=recent_hours(shed, rules, now, host),
        limits=Limits(rules.queue.per_user, rules.queue.patience_minutes * 60),
        now=now,
        foreground=frozenset(entry.queued.run_id for entry in waiting if not entry.queued.request),
    )


def watched(entry: Entry) -> bool:
    """Whether the process in whose terminal a run waits still lives."""
    try:
        return processes.alive(processes.Identity.from_json(entry.run.supervisor))
    except (KeyError, TypeError, ValueError):
        return False


def _others(shed: Shed, told: set[int], lengths: dict[int, Spread | None], now: float) -> list[Holding]:
    """Leases that no row of the queue explains: a run that is just being started, a child that outlived its run."""
    found = []
    for device, holders in leases.holders(shed).items():
        for holder in holders:
            if holder.run_id not in told:
                since = holder.since or now
                left = estimates.remaining(lengths.get(holder.run_id), now - since, None)
                found.append(Holding(holder.run_id, holder.user, (device,), holder.memory, since, left))
    return found


def recent_hours(shed: Shed, rules: Settings, now: float, host: str | None = None) -> dict[str, float]:
    """Device-hours of each user, older ones counting less."""
    half_life = rules.queue.half_life_hours * 3600
    uses = read_queue.uses_since(shed, now - HALF_LIVES_COUNTED * half_life, host)
    return device_hours((Use(use.user, use.started_at, use.ended_at, use.share) for use in uses), now, half_life)


def _waiting(entry: Entry, blocked: Blocked, length: Spread | None) -> Waiting:
    run, queued = entry.run, entry.queued
    return Waiting(
        run_id=queued.run_id,
        user=run.user,
        queued_at=queued.queued_at,
        priority=queued.priority,
        position=queued.position,
        gpus=queued.gpus,
        memory=queued.gpu_memory,
        blocked=blocked.why,
        after=blocked.after,
        duration_s=length,
        reserved_since=queued.reserved_since,
    )


def _holding(entry: Entry, length: Spread | None, now: float) -> Holding:
    run, queued = entry.run, entry.queued
    started = run.started_at or run.created_at
    left = estimates.remaining(length, now - started, run.progress)
    return Holding(queued.run_id, run.user, tuple(run.devices), queued.gpu_memory, started, left)


def _blocked(shed: Shed, waiting: list[Entry]) -> dict[int, Blocked]:
    """What runs wait for besides devices: a run before them, or an agent that would start them."""
    before = read_queue.statuses(shed, {run_id for entry in waiting for run_id in entry.queued.after})
    agents = {user: has_agent(shed, user) for user in {entry.run.user for entry in waiting}}
    found = {}
    for entry in waiting:
        open_ones = [run_id for run_id in entry.queued.after if before.get(run_id) not in ("done", "waiting")]
        if open_ones:
            states = ", ".join(f"run {run_id} ({before.get(run_id, 'gone')})" for run_id in open_ones)
            coming = all(before.get(run_id) in AT_WORK for run_id in open_ones)
            found[entry.queued.run_id] = Blocked(f"after {states}", tuple(open_ones) if coming else ())
        elif not entry.queued.request:
            continue
        elif not agents[entry.run.user]:
            found[entry.queued.run_id] = Blocked(f"{entry.run.user}'s agent is not running")
    return found
