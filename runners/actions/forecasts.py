"""When will mine start? What the queue holds each waiting run for, and when it will be its turn."""

from __future__ import annotations

import time
from dataclasses import dataclass

from runners import estimates
from runners.agency import starting
from runners.agency.lengths import Lengths
from runners.agency.state import Situation, situation
from runners.estimates import Spread
from storage.read import queue as read_queue
from storage.shed import Shed, current_user


@dataclass(frozen=True)
class Outlook:
    """Of one waiting run: seconds from now until it starts, None where the past tells nothing, and why not yet."""

    starts_in: Spread | None
    held: str


@dataclass(frozen=True)
class Foreseen:
    """The queue of this host at one moment, and the outlook of every run that waits in it."""

    situation: Situation
    outlooks: dict[int, Outlook]


class Forecaster:
    """Plays the queue forward, again and again: how long runs take is remembered in between."""

    def __init__(self, shed: Shed) -> None:
        self._shed = shed
        self._lengths = Lengths()

    def foresee(self) -> Foreseen:
        """The queue as it will go on. Where the agent that should start your runs was killed, it is back.

        Raises:
            UsageError: when settings.toml is faulty.
        """
        shed = self._shed
        if any(entry.run.user == current_user() for entry in read_queue.waiting(shed)):
            starting.revive(shed)
        found = situation(shed, time.time(), lengths=self._lengths)
        starts = estimates.starts(found.waiting, found.holding, found.slots, found.hours, found.limits, found.now)
        outlooks = {
            entry.queued.run_id: Outlook(starts.get(entry.queued.run_id), entry.queued.held)
            for entry in read_queue.waiting(shed)
        }
        return Foreseen(found, outlooks)


def foresee(shed: Shed) -> Foreseen:
    """The queue as it will go on, once. Raises UsageError when settings.toml is faulty."""
    return Forecaster(shed).foresee()


def forecasts(shed: Shed) -> dict[int, Outlook]:
    """The outlook of every waiting run of this host."""
    return foresee(shed).outlooks


def starts_in(shed: Shed, run_id: int) -> Spread | None:
    """Seconds until a run starts: none at all where it waits no more; None where the past tells nothing."""
    outlook = forecasts(shed).get(run_id)
    return outlook.starts_in if outlook is not None else Spread(0.0, 0.0, 0.0)
