"""Sweeps looked at: the list, one with its trials, one followed to its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any

from runners.sweeps import results
from runners.sweeps.frozen import Orders
from runners.sweeps.importance import importance
from runners.sweeps.search import Search
from storage.errors import UsageError
from storage.read import runs as read_runs
from storage.read import sweeps as read_sweeps
from storage.read.sweeps import SweepRow, TrialRow
from storage.shed import Shed
from storage.tables import Run, Sweep

Event = dict[str, Any]
Listed = tuple[SweepRow, Search]


@dataclass(frozen=True)
class TrialDetails:
    """A trial and its run; `why` says how it failed, where it did."""

    row: TrialRow
    best: bool
    why: str = ""


@dataclass(frozen=True)
class SweepDetails:
    """Everything about one sweep.

    Attributes:
        counts: status → number of its trials.
        importance: param → its share, the largest first; empty where too few trials are done to tell.
        saved_s: about how long the pruned trials would have gone on.
        final: the run that took, or takes, the best trial through the gate.
    """

    sweep: Sweep
    search: Search
    params: dict[str, Any]
    trials: list[TrialDetails]
    counts: dict[str, int]
    importance: dict[str, float]
    saved_s: float
    final: Run | None

    @property
    def best(self) -> TrialDetails | None:
        return next((trial for trial in self.trials if trial.best), None)


def parsed_id(text: str) -> int:
    """The number of a sweep written as `3`, `#3`, `sweep 3` or `sweep-3`.

    Raises:
        UsageError: when it is none of these.
    """
    digits = text.strip().lower().removeprefix("sweep").lstrip(" -/#")
    if not (digits.isascii() and digits.isdigit()):
        raise UsageError(f"{text!r} is not a sweep", expected="its number, such as 3", todo="`trainshed sweep list`")
    return int(digits)


def listing(shed: Shed, *, project: str | None = None, limit: int = 50) -> list[Listed]:
    """Sweeps, the newest first, with what each is after."""
    return [(row, Orders.of(row.sweep).search) for row in read_sweeps.page(shed, project=project, limit=limit)]


def details(shed: Shed, sweep_id: int, before: SweepDetails | None = None) -> SweepDetails:
    """Everything about a sweep. The importance is that of `before` for as long as no further trial is done.

    Raises:
        UsageError: when there is no such sweep.
    """
    sweep = read_sweeps.sweep(shed, sweep_id)
    orders = Orders.of(sweep)
    rows = read_sweeps.trials(shed, sweep_id, orders.search.metric)
    final = None
    if orders.final_run is not None:
        with suppress(UsageError):  # it was removed
            final = read_runs.run(shed, orders.final_run)
    counts = dict(Counter(row.trial.status for row in rows))
    if before is not None and before.counts.get("done") == counts.get("done"):
        shares = before.importance
    else:
        shares = importance(orders.search, orders.frozen.params, [row.trial for row in rows])
    return SweepDetails(
        sweep=sweep,
        search=orders.search,
        params=orders.frozen.params,
        trials=[
            TrialDetails(row, row.trial.number == sweep.best_trial, _why_failed(shed, row, orders.search))
            for row in rows
        ],
        counts=counts,
        importance=shares,
        saved_s=_saved(rows),
        final=final,
    )


def follow(shed: Shed, sweep_id: int, wait: Callable[[], bool]) -> Iterator[Event]:
    """`{"event": "trial", …}` whenever a trial's status changes, until the sweep has ended.

    `wait` lets some time pass between two looks; it returns False when nobody listens any more.
    """
    seen: dict[int, str] = {}
    while True:
        going_on = read_sweeps.sweep(shed, sweep_id).status == "running"
        for row in read_sweeps.trials(shed, sweep_id):
            trial = row.trial
            if seen.get(trial.number) != trial.status:
                seen[trial.number] = trial.status
                yield {
                    "event": "trial",
                    "trial": trial.number,
                    "run": trial.run_id,
                    "status": trial.status,
                    "value": trial.value,
                    "last_step": trial.last_step,
                    "params": trial.params,
                }
        if not going_on or not wait():
            return


def _why_failed(shed: Shed, row: TrialRow, search: Search) -> str:
    if row.trial.status != "failed":
        return ""
    if row.run is None:
        return "its run was removed"
    if row.run.reason and row.run.status != "done":
        return row.run.reason.splitlines()[0]
    return results.result(shed, row.run.id, search).why


def _saved(rows: list[TrialRow]) -> float:
    """Seconds that the pruned trials fell short of the usual length of one that was not."""
    took: dict[str, list[float]] = {"done": [], "pruned": []}
    for row in rows:
        if row.trial.status in took and row.run is not None and row.run.seconds is not None:
            took[row.trial.status].append(row.run.seconds)
    if not took["done"]:
        return 0.0
    usual = median(took["done"])
    return sum(max(0.0, usual - seconds) for seconds in took["pruned"])
