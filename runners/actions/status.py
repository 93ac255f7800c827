"""The whole shed at one moment, as `trainshed status` tells it: needs, runs, queue, endpoints, machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from runners.actions import endpoints, home
from runners.actions.endpoints import EndpointStatus
from runners.actions.forecasts import Outlook
from runners.actions.home import AtWork, Need
from runners.actions.machine import Machine, Now
from runners.actions.pulse import Pulse, Rate
from storage.read.changes import Changes
from storage.read.queue import Entry
from storage.shed import Shed

AGAIN_S = 5.0  # what no commit tells of, such as an endpoint that died, is seen so late at most


@dataclass(frozen=True)
class Served:
    """An endpoint and what it was asked since the look before; `rate` is None at the first."""

    endpoint: EndpointStatus
    rate: Rate | None


@dataclass(frozen=True)
class Status:
    """Everything, `at` a moment."""

    at: float
    needs: list[Need]
    at_work: list[AtWork]
    waiting: list[tuple[Entry, Outlook]]
    served: list[Served]
    machine: Now


class Watcher:
    """Looks at a shed again and again; the database is asked only when something was committed, or now and then."""

    def __init__(self, shed: Shed) -> None:
        self._shed = shed
        self._changes, self._machine, self._pulse = Changes(shed), Machine(shed), Pulse(shed)
        self._home: home.Home | None = None
        self._endpoints: list[EndpointStatus] = []
        self._looked_at = 0.0

    def look(self) -> Status:
        """The shed now. Raises ShedError."""
        now = time.time()
        self._pulse.look()
        found = self._home
        if found is None or self._changes.any() or now - self._looked_at > AGAIN_S:
            found = self._home = home.home(self._shed)
            self._endpoints = [each for each in endpoints.every(self._shed) if each.state != "stopped"]
            self._looked_at = now
        return Status(
            at=now,
            needs=found.needs,
            at_work=found.at_work,
            waiting=found.waiting,
            served=[Served(each, self._pulse.rate(each.name)) for each in self._endpoints],
            machine=self._machine.look(),
        )
