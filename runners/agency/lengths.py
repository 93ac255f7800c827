"""How long queued runs will take, remembered: every change of the shed asks again, and the past hardly moves."""

from __future__ import annotations

import json

from runners import estimates
from runners.queue import Spread
from storage.read import queue as read_queue
from storage.read.queue import Entry
from storage.shed import Shed

KEPT_S = 60.0
Kind = tuple[str, str, int, str]


class Lengths:
    """The durations that past runs suggest, asked of the shed once a minute for each kind of run."""

    def __init__(self) -> None:
        self._found: dict[Kind, tuple[float, Spread | None]] = {}

    def of(self, shed: Shed, entries: list[Entry], now: float) -> dict[int, Spread | None]:
        """Run → how long it will take from its start; None where the past tells nothing."""
        kinds = {entry.queued.run_id: _kind(entry) for entry in entries}
        fresh = {kind: found for kind, found in self._found.items() if now - found[0] < KEPT_S}
        unknown = {kinds[entry.queued.run_id]: entry for entry in entries if kinds[entry.queued.run_id] not in fresh}
        past = {
            project: [estimates.PastRun(**vars(run)) for run in read_queue.past(shed, project)]
            for project in {entry.run.project for entry in unknown.values()}
        }
        for kind, entry in unknown.items():
            run = entry.run
            planned = estimates.PlannedRun(run.project, run.kind, entry.queued.gpus, read_queue.given(run))
            fresh[kind] = now, estimates.duration(past[run.project], planned)
        self._found = fresh
        return {run_id: fresh[kind][1] for run_id, kind in kinds.items()}


def _kind(entry: Entry) -> Kind:
    run = entry.run
    return run.project, run.kind, entry.queued.gpus, json.dumps(read_queue.given(run), sort_keys=True)
