"""Who had each device within the last hour, who has it now, and who will have it next."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from runners.actions.forecasts import Foreseen
from runners.queue import Holding, Slot, Waiting, demand
from runners.scheduling.terms import kind_of
from storage.read import queue as read_queue
from storage.read.queue import Hold
from storage.shed import Shed

HOUR_S = 3600.0

When = Literal["past", "now", "coming"]


@dataclass(frozen=True)
class Stretch:
    """A run on a device, from `begins` to `ends` in seconds since the epoch; `ends` None: nobody can tell.

    What lies behind the moment of the timeline is known, what lies before it is likely. `run` is 0, or `name` empty,
    where a lease does not say it.
    """

    run: int
    name: str
    user: str
    begins: float
    ends: float | None
    when: When


@dataclass(frozen=True)
class Timeline:
    """Every device of this host with its stretches of the last `past_s` seconds and those to come.

    `untold` are runs that wait, and nobody can tell for how long.
    """

    past_s: float
    now: float
    lanes: dict[str, list[Stretch]]
    untold: list[int]


def timeline(shed: Shed, foreseen: Foreseen) -> Timeline:
    """The last hour from the shed's own records, the leases of now, and the queue played forward."""
    found = foreseen.situation
    lanes: dict[str, list[Stretch]] = {slot.name: [] for slot in found.slots}
    leases = {(lease.run_id, device): lease for lease in found.holding for device in lease.devices}
    for hold in read_queue.holds_since(shed, found.now - HOUR_S, socket.gethostname()):
        lease = leases.pop((hold.run_id, hold.device), None) if hold.ended_at is None else None
        lanes.setdefault(hold.device, []).append(_recorded(hold, lease, found.now))
    for (_, device), lease in leases.items():
        lanes.setdefault(device, []).append(_lease(lease, found.now))
    names = {entry.queued.run_id: entry.run.name for entry in read_queue.waiting(shed)}
    coming: list[tuple[float, Waiting]] = []
    untold = []
    for run in found.waiting:
        outlook = foreseen.outlooks.get(run.run_id)
        if outlook is None or outlook.starts_in is None:
            untold.append(run.run_id)
        else:
            coming.append((found.now + outlook.starts_in.likely, run))
    for begins, run in sorted(coming, key=lambda each: each[0]):
        _place(run, names.get(run.run_id, ""), begins, lanes, found.slots, found.now)
    return Timeline(HOUR_S, found.now, lanes, untold)


def _recorded(hold: Hold, lease: Holding | None, now: float) -> Stretch:
    """A hold from the records. One without an end whose lease is gone ended with its process, a moment ago."""
    stretch = Stretch(hold.run_id, hold.name, hold.user, hold.started_at, hold.ended_at or now, "past")
    return stretch if lease is None else replace(stretch, ends=_likely_end(lease, now), when="now")


def _lease(lease: Holding, now: float) -> Stretch:
    """A lease that no record explains, such as one of another shed."""
    return Stretch(lease.run_id, "", lease.user, lease.started_at, _likely_end(lease, now), "now")


def _likely_end(lease: Holding, now: float) -> float | None:
    return now + lease.remaining_s.likely if lease.remaining_s is not None else None


def _place(
    run: Waiting, name: str, begins: float, lanes: Mapping[str, list[Stretch]], slots: Sequence[Slot], now: float
) -> None:
    """Show a run that will start on devices that are free by then, on those that became so last; else on the next."""
    kind, count = demand(run.gpus, slots)
    free = {slot.name: _free_at(lanes[slot.name], now) for slot in slots if kind_of(slot.name) == kind}
    for device in sorted(free, key=lambda each: (max(free[each] - begins, 0.0), begins - free[each]))[:count]:
        at = max(begins, free[device])
        ends = at + run.duration_s.likely if run.duration_s is not None else None
        lanes[device].append(Stretch(run.run_id, name, run.user, at, ends, "coming"))


def _free_at(stretches: Sequence[Stretch], now: float) -> float:
    """When the last of them is likely over; of one that nobody can tell, when it begins."""
    return max((each.ends or max(each.begins, now) for each in stretches if each.when != "past"), default=now)
