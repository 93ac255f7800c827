"""The runs of a sweep's trials: queued as their user, queued again, ended early."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from runners import supervisor
from runners.agency import requests
from runners.agency.home import Home
from runners.agency.requests import Request
from runners.sweeps.frozen import Orders, hand_on
from runners.sweeps.study import Draw
from storage.errors import UsageError
from storage.read import queue as read_queue
from storage.read.sweeps import TrialRow, TrialRun
from storage.shed import Shed
from storage.tables import AT_WORK, Sweep, Trial
from storage.write import queue as write_queue
from storage.write import sweeps as write_sweeps
from storage.write.queue import Ask
from storage.write.runs import NewRun

GRACE_S = 1.0  # the checkpoint of a trial that was given up is of little use


class Trials:
    """Begins and ends the runs of one sweep's trials, with the environment in which its user asked for it."""

    def __init__(self, shed: Shed, sweep: Sweep, orders: Orders, request: Request) -> None:
        self.shed, self.sweep, self.orders, self.request = shed, sweep, orders, request
        self.id = sweep.id or 0
        self.home = Home(shed)

    def begin(self, draw: Draw) -> int | None:
        """Queue the run of a trial; returns its number, None when the sweep runs no more."""
        new = self._run(str(draw.number), draw.number, draw.params, self.orders.search.until)
        run = write_sweeps.add_trial(self.shed, self.id, draw.number, draw.params, new, self._ask(new))
        if run is None or run.id is None:
            return None
        hand_on(self.shed, self.id, run.id)
        self.home.knock()
        return run.id

    def again(self, row: TrialRow) -> None:
        """Queue a trial's run once more, unless somebody has: it goes on from its last checkpoint."""
        assert row.run is not None
        same = self._run(str(row.trial.number), row.trial.number, row.trial.params, self.orders.search.until)
        with suppress(UsageError):
            write_queue.ask_again(self.shed, row.run.id, self._ask(same).request)
        self.home.knock()

    def end(self, run: TrialRun | None, reason: str) -> None:
        """Have a run end. It is asked again where the asking was lost, as when the run had only just begun."""
        if run is None or run.status not in AT_WORK:
            return
        if run.status == "running":
            if not (self.shed.run_dir(run.id) / "stop").exists():
                supervisor.stop(self.shed.run_dir(run.id), reason, grace_s=GRACE_S)
            return
        entry = read_queue.entry(self.shed, run.id)
        if write_queue.call_off(self.shed, run.id, reason) and entry is not None:
            requests.forget(self.home, entry.queued.request)

    def finish(self, status: str, reason: str, best: Trial | None) -> int | None:
        """End the sweep; the run that takes the `best` trial through the gate is queued with it, and returned."""
        final = None
        if best is not None:
            new = self._run("best", best.number, best.params, None)
            final = (new, self._ask(new))
        run = write_sweeps.finish(self.shed, self.id, status, reason, final=final)
        if run is not None and run.id is not None:
            hand_on(self.shed, self.id, run.id)
        requests.forget(self.home, self.orders.request)
        self.home.knock()
        return run.id if run is not None else None

    def _run(self, name: str, number: int, params: dict[str, Any], until: str | None) -> NewRun:
        return self.orders.frozen.run(f"{self.sweep.name}/{name}", params, until=until, sweep=(self.id, number))

    def _ask(self, new: NewRun) -> Ask:
        request = requests.keep(self.home, requests.of_pipeline(new.identity, self.request.env))
        search = self.orders.search
        return Ask(request, search.gpus, search.gpu_memory, search.priority, search.retries)
