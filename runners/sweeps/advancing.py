"""One step of a sweep: look at the trials under way, tell the study, stop what is pruned, begin what there is room for.

Three things know of a trial: the study, its row, its run. The study is told first and the row after it, and a trial's
row and its run begin as one: so whichever moment a process is killed at, the next one sees what is still to be done.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from runners.agency.recovery import MOST_ATTEMPTS_LOST
from runners.agency.requests import Request
from runners.sweeps import results
from runners.sweeps.frozen import Orders
from runners.sweeps.running import Trials
from runners.sweeps.search import TEST
from runners.sweeps.study import Draw, Ending, Study
from storage import metrics
from storage.metrics import Series
from storage.read import sweeps as read_sweeps
from storage.read.sweeps import TrialRow, TrialRun
from storage.shed import Shed
from storage.tables import AT_WORK, Sweep, Trial
from storage.write import sweeps as write_sweeps

OPEN = write_sweeps.OPEN
ENDED_EARLY = ("pruned", "stopped")
ENDED_BADLY = ("failed", "stopped", "invalid")
LOST = ("lost", "reboot")
NEARLY_THROUGH = 0.9
GIVE_UP_AFTER = 3  # failed trials, when none has come to a value


class Advance:
    """A sweep that runs, taken on by the process that holds its lock."""

    def __init__(self, shed: Shed, sweep: Sweep, orders: Orders, request: Request, told: Callable[[str], None]) -> None:
        """Raises RunFailed when its study cannot be opened."""
        self.shed, self.orders, self.told = shed, orders, told
        self.id = sweep.id or 0
        self.search = orders.search
        self.trials = Trials(shed, sweep, orders, request)
        self.at_work: list[int] = []
        self.study = Study(shed.sweep_dir(self.id), self.search, orders.frozen.params)
        self._take_in_strays()

    def close(self) -> None:
        self.study.close()

    def tick(self) -> bool:
        """Do what can be done now; False once the sweep and its trials' runs have ended, or its orders changed."""
        sweep = read_sweeps.sweep(self.shed, self.id)
        if sweep.plan.get("request") != self.orders.request:
            return False
        going_on = sweep.status == "running"
        for row in self._rows():
            if row.trial.status in ENDED_EARLY:
                self.trials.end(row.run, self._why(row.trial))
            elif going_on and row.trial.status in OPEN:
                self._look_at(row)
        hopeless = self._hopeless(self._rows())
        if going_on and hopeless:
            self._call_off([row for row in self._rows() if row.trial.status in OPEN])
        elif going_on:
            self._begin_what_may(self._rows())
        rows = self._rows()
        self.at_work = [row.run.id for row in rows if row.run is not None and row.run.status in AT_WORK]
        if self.at_work or not going_on:
            return bool(self.at_work)
        under_way = any(row.trial.status in OPEN for row in rows)  # its run may have ended since it was looked at
        if under_way or not (hopeless or self._late() or len(rows) >= self.search.trials):
            return True
        self._conclude(hopeless)
        return False

    def logged(self) -> int:
        """Bytes of all series of the trials under way: as long as they stay the same, there is nothing new in them."""
        return sum(metrics.size(self.shed.run_dir(run_id) / "metrics") for run_id in self.at_work)

    def _rows(self) -> list[TrialRow]:
        return read_sweeps.trials(self.shed, self.id)

    def _take_in_strays(self) -> None:
        """Trials that were drawn, and whose run an earlier process was killed before it could queue."""
        known = {row.trial.number for row in self._rows()}
        for stray in self.study.unfinished():
            if isinstance(stray, int):
                self.study.failed(stray)
            elif stray.number not in known:
                self._begin(stray)

    def _begin_what_may(self, rows: list[TrialRow]) -> None:
        if self._late():
            self._call_off([row for row in rows if row.trial.status == "queued"])
            return
        under_way = sum(row.trial.status in OPEN for row in rows)
        room = min(self.search.parallel - under_way, self.search.trials - len(rows))
        for _ in range(room):
            if not self._begin(self.study.ask()):
                return

    def _late(self) -> bool:
        return self.search.ends_at is not None and time.time() > self.search.ends_at

    def _begin(self, draw: Draw) -> bool:
        run_id = self.trials.begin(draw)
        if run_id is not None:
            params = ", ".join(f"{name}={value}" for name, value in draw.params.items())
            self.told(f"trial {draw.number} is run {run_id}: {params}")
        return run_id is not None

    def _look_at(self, row: TrialRow) -> None:
        trial, run = row.trial, row.run
        before = self.study.ending(trial.number)
        if before.status != "running":  # the study was told, and then the process was killed
            self._settle(trial.number, before.status, before.value, self._step(run, before))
        elif run is None:
            self._fail(trial.number, "its run was removed")
        elif run.status in ENDED_BADLY:
            self._ended_badly(row, run)
        elif self._pruned(trial.number, run, before.reported):
            return
        elif run.status not in AT_WORK:
            self._ended_well(trial.number, run)
        elif run.status != trial.status and (trial.status, run.status) != ("again", "running"):
            self._settle(trial.number, run.status)

    def _pruned(self, number: int, run: TrialRun, reported: int) -> bool:
        """Report what is new, and stop the run where that is the verdict. One that is nearly through is let through:
        its value tells more than its end would save."""
        if self.search.metric.startswith(TEST):
            return False
        for point in results.points(self._series(run), self.search, reported):
            verdict = self.study.report(number, point.number, point.value)
            if verdict and run.status in AT_WORK and results.progress(self.shed, run.id) < NEARLY_THROUGH:
                self.study.pruned(number)
                self._settle(number, "pruned", point.value, point.step)
                self.trials.end(run, f"pruned by sweep {self.id} at step {point.step}")
                return True
        return False

    def _ended_well(self, number: int, run: TrialRun) -> None:
        result = results.result(self.shed, run.id, self.search)
        if result.value is None:
            self._fail(number, result.why, result.last_step)
            return
        self.study.done(number, result.value)
        self._settle(number, "done", result.value, result.last_step)

    def _ended_badly(self, row: TrialRow, run: TrialRun) -> None:
        """A run that was stopped with the sweep, or lost with the machine, goes on; any other has failed."""
        lost = run.ending in LOST and run.attempt < MOST_ATTEMPTS_LOST
        if row.trial.status == "again" or lost:
            self.trials.again(row)
            self._settle(row.trial.number, "queued")
        else:
            self._fail(row.trial.number, _first_line(run))

    def _fail(self, number: int, why: str, last_step: int | None = None) -> None:
        self.study.failed(number)
        self._settle(number, "failed", None, last_step)
        self.told(f"trial {number} failed: {why}")

    def _settle(self, number: int, status: str, value: float | None = None, last_step: int | None = None) -> None:
        kept = value if value is not None and math.isfinite(value) else None
        direction = self.search.direction
        write_sweeps.set_trial(self.shed, self.id, number, status, direction=direction, value=kept, last_step=last_step)
        if status in ("done", "pruned"):
            self.told(f"trial {number} {status} at step {last_step}: {self.search.metric} {value}")

    def _call_off(self, rows: list[TrialRow]) -> None:
        """End trials that have come to nothing yet. They may go on when somebody resumes the sweep."""
        for row in rows:
            self._settle(row.trial.number, "stopped")
            self.trials.end(row.run, f"stopped with sweep {self.id}")

    def _why(self, trial: Trial) -> str:
        """Why a trial was ended before its time."""
        if trial.status == "pruned":
            return f"pruned by sweep {self.id} at step {trial.last_step}"
        return f"stopped with sweep {self.id}"

    def _conclude(self, hopeless: str) -> None:
        """Every trial has ended: say which was best, and send it through the gate where that was asked."""
        number = read_sweeps.sweep(self.shed, self.id).best_trial
        best = next((row.trial for row in self._rows() if row.trial.number == number), None)
        status, said = "failed", hopeless or "no trial came to a value"
        if best is not None:
            status, said = "done", f"trial {best.number} is best with {self.search.metric} {best.value:.6g}"
        run_id = self.trials.finish(status, said, best if self.search.finish == "best" else None)
        self.told(f"{status}, {said}" + (f"; run {run_id} takes it to the gate" if run_id is not None else ""))

    def _hopeless(self, rows: list[TrialRow]) -> str:
        """Why it makes no sense to go on; empty while it does."""
        if any(row.trial.status in ("done", "pruned") for row in rows):
            return ""
        failed = [row for row in rows if row.trial.status == "failed" and row.trial.number >= self.search.counted_from]
        if len(failed) < GIVE_UP_AFTER:
            return ""
        run = failed[-1].run
        why = "its run was removed"
        if run is not None:
            why = _first_line(run) if run.status in ENDED_BADLY else results.result(self.shed, run.id, self.search).why
        return f"the first {len(failed)} trials failed; the last: {why}"

    def _series(self, run: TrialRun) -> Series:
        if run.status in AT_WORK:
            return metrics.read(self.shed.run_dir(run.id) / "metrics", self.search.metric)
        return results.series(self.shed, run.id, self.search.metric)

    def _step(self, run: TrialRun | None, ending: Ending) -> int | None:
        """The run's own step at which a trial ended."""
        if run is None or self.search.metric.startswith(TEST):
            return None
        found = self._series(run)
        place = ending.reported if ending.status == "pruned" else len(found)
        return int(found.step[place - 1]) if 0 < place <= len(found) else None


def _first_line(run: TrialRun) -> str:
    return run.reason.splitlines()[0] if run.reason else run.status
