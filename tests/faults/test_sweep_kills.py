"""kill -9 of a sweep's process or of the agent, again and again: every trial is run once and told once."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runners.supervision import processes
from runners.supervision.processes import Identity
from storage.read import runs as read_runs
from storage.read import sweeps as read_sweeps
from tests.journeys.conftest import Workstation, workstation
from tests.journeys.test_sweep import hill, rows, started, waited
from tests.waiting import until

__all__ = ["hill", "workstation"]

LONGEST_LIFE_S = 2.0
TOLD, RUNNING = 6, 0  # the operation of optuna's journal that ends a trial, and the state that is none


def process_of(workstation: Workstation, sweep_id: int) -> Identity | None:
    """The living process that carries the sweep out."""
    path = workstation.shed.sweep_dir(sweep_id) / "process.json"
    found = Identity.from_json(json.loads(path.read_bytes())) if path.exists() else None
    return found if found is not None and processes.alive(found) else None


def agent_of(workstation: Workstation, sweep_id: int) -> Identity | None:
    """The living agent, once the sweep has a process that would miss it."""
    found = workstation.agent()
    missed = process_of(workstation, sweep_id) is not None
    return found if found is not None and missed and processes.alive(found) else None


@pytest.mark.parametrize(
    ("victim", "trials", "kills"),
    [
        (process_of, 8, 3),
        (agent_of, 8, 2),
        pytest.param(process_of, 100, 50, marks=[pytest.mark.slow, pytest.mark.timeout(1200)]),
        pytest.param(agent_of, 100, 30, marks=[pytest.mark.slow, pytest.mark.timeout(1200)]),
    ],
)
def test_every_trial_ends_once(
    workstation: Workstation,
    hill: Path,
    victim: Callable[[Workstation, int], Identity | None],
    trials: int,
    kills: int,
) -> None:
    workstation.slots(2)
    sweep_id = started(workstation, hill, "--trials", str(trials), "--set", "pause=0.2")
    chance = random.Random(kills)
    killed = 0
    while killed < kills and read_sweeps.sweep(workstation.shed, sweep_id).status == "running":
        found = victim(workstation, sweep_id)
        threading.Event().wait(chance.uniform(0, LONGEST_LIFE_S) if found else 0.02)
        if found is not None and processes.signal(found, signal.SIGKILL):
            killed += 1
            until(lambda gone=found: not processes.alive(gone))  # type: ignore[misc]
    sweep = waited(workstation, sweep_id, 600)
    assert sweep.status == "done", sweep.reason
    assert killed >= kills // 2, "the sweep was over too soon"
    found_trials = rows(workstation, sweep_id)
    assert len(found_trials) == trials
    assert {row.trial.status for row in found_trials} <= {"done", "pruned"}
    assert len({row.trial.run_id for row in found_trials}) == read_runs.count(workstation.shed) == trials
    journal = (workstation.shed.sweep_dir(sweep_id) / "study.jsonl").read_text()
    told = [log for log in map(json.loads, journal.splitlines()) if log["op_code"] == TOLD and log["state"] != RUNNING]
    assert len(told) == len({log["trial_id"] for log in told})
    with sqlite3.connect(workstation.shed.db) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    connection.close()
