"""A shed's queue on a clock of its own: runs of known length arrive, start as `choose` says, and end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from runners.estimates import remaining
from runners.queue import Choice, Holding, Limits, Slot, Use, Waiting, choose, device_hours

HALF_LIFE_S = 86400.0
GB = 10**9
NO_LIMITS = Limits()

Look = Callable[[float, list[Waiting], list[Holding], dict[str, float], Choice], None]


@dataclass
class Played:
    """What came of it: when each run started, on what, and when it ended."""

    runs: dict[int, Waiting]
    started: dict[int, float] = field(default_factory=dict)
    devices: dict[int, tuple[str, ...]] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)

    def uses(self) -> list[Use]:
        return [
            Use(self.runs[run_id].user, at, self.ended.get(run_id), (self.runs[run_id].memory or 80 * GB) / (80 * GB))
            for run_id, at in self.started.items()
            for _ in self.devices[run_id]
        ]

    def device_seconds(self, until: float) -> dict[str, float]:
        """What each user had of the devices by then."""
        had: dict[str, float] = {}
        for use in self.uses():
            ended = until if use.ended_at is None else min(use.ended_at, until)
            had[use.user] = had.get(use.user, 0.0) + max(0.0, ended - use.started_at) * use.share
        return had

    def all_had_work_until(self) -> float:
        """When the first user had nothing waiting any more."""
        users = {run.user for run in self.runs.values()}
        return min(max(self.started[i] for i, run in self.runs.items() if run.user == user) for user in users)


def play(
    runs: Iterable[tuple[Waiting, float]],
    slots: Sequence[Slot],
    limits: Limits = NO_LIMITS,
    look: Look = lambda now, waiting, holding, hours, choice: None,
) -> Played:
    """Play runs (each with its true length, arriving at its `queued_at`) until all have ended or nothing moves.

    The agents' part is as in life: they ask at every arrival and every end, tell `choose` what is expected and never
    what will be, and note when devices were first kept for a run. `look` sees every decision.
    """
    arriving = sorted(runs, key=lambda item: (item[0].queued_at, item[0].run_id))
    lengths = {run.run_id: length for run, length in arriving}
    played = Played({run.run_id: run for run, _ in arriving})
    waiting: dict[int, Waiting] = {}
    at_work: dict[int, Holding] = {}
    while arriving or at_work:
        soonest = [run.queued_at for run, _ in arriving[:1]]
        now = min([*soonest, *(played.started[run_id] + lengths[run_id] for run_id in at_work)])
        while arriving and arriving[0][0].queued_at <= now:
            run, _ = arriving.pop(0)
            waiting[run.run_id] = run
        for run_id in [i for i in at_work if played.started[i] + lengths[i] <= now]:
            played.ended[run_id] = now
            del at_work[run_id]
        expected = {i: remaining(played.runs[i].duration_s, now - hold.started_at, None) for i, hold in at_work.items()}
        holding = [replace(hold, remaining_s=expected[i]) for i, hold in at_work.items()]
        hours = device_hours(played.uses(), now, HALF_LIFE_S)
        choice = choose(list(waiting.values()), holding, slots, hours, limits, now)
        look(now, list(waiting.values()), holding, hours, choice)
        for run_id in choice.reserved:
            if waiting[run_id].reserved_since is None:
                waiting[run_id] = replace(waiting[run_id], reserved_since=now)
        for start in choice.starts:
            run = waiting.pop(start.run_id)
            at_work[run.run_id] = Holding(run.run_id, run.user, start.devices, run.memory, now, run.duration_s)
            played.started[run.run_id], played.devices[run.run_id] = now, start.devices
    return played
