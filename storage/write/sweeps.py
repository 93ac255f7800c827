"""What happens to sweeps and their trials, written down as it happens."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from storage.errors import UsageError
from storage.names import checked_name
from storage.shed import Shed, Write, current_user
from storage.sweep_section import Direction
from storage.tables import Run, Sweep, Trial
from storage.write.queue import Ask, insert_queued
from storage.write.runs import NewRun

OPEN = ("queued", "running", "again")  # again: it was stopped with the sweep, and goes on with it


def create(
    shed: Shed,
    *,
    name: str | None,
    project: str,
    project_dir: str,
    plan: dict[str, Any],
    fill: Callable[[Path], None] = lambda directory: None,
) -> Sweep:
    """Record a sweep that begins now; without a name it is called after its number.

    `fill` writes what belongs into its directory, before anybody can see the sweep.

    Raises:
        UsageError: for a name that is none.
    """
    with shed.writing("sweep started", f"project {project}") as write:
        sweep = Sweep(
            name=checked_name(name, "sweep") if name is not None else "",
            project=project,
            project_dir=project_dir,
            user=current_user(),
            host=socket.gethostname(),
            status="running",
            created_at=time.time(),
            plan=plan,
        )
        write.session.add(sweep)
        write.session.flush()
        sweep.name = sweep.name or f"sweep-{sweep.id}"
        write.subject = f"sweep {sweep.id}"
        write.detail.update(name=sweep.name, project=project)
        fill(shed.make_dir(shed.sweep_dir(sweep.id or 0)))
    return sweep


def add_trial(shed: Shed, sweep_id: int, number: int, params: dict[str, Any], new: NewRun, ask: Ask) -> Run | None:
    """Queue the run of a trial, both in one; None when the sweep runs no more."""
    with shed.writing("trial queued", f"sweep {sweep_id}") as write:
        if write.session.get_one(Sweep, sweep_id).status != "running":
            write.action = "trial not queued"
            return None
        run = insert_queued(write, new, ask)
        write.subject = f"sweep {sweep_id}"
        write.session.add(Trial(sweep_id=sweep_id, number=number, run_id=run.id, status="queued", params=params))
        write.detail.update(trial=number, run=run.id)
    shed.make_dir(shed.run_dir(run.id or 0))
    return run


def set_trial(
    shed: Shed,
    sweep_id: int,
    number: int,
    status: str,
    *,
    direction: Direction,
    value: float | None = None,
    last_step: int | None = None,
) -> None:
    """What became of a trial; one that was stopped meanwhile is not under way again. `direction`: of the sweep."""
    with shed.writing(f"trial {status}", f"sweep {sweep_id}") as write:
        trial = write.session.get_one(Trial, (sweep_id, number))
        if status in OPEN and trial.status not in OPEN:
            write.action = "trial had ended"
            return
        trial.status = status
        if status not in OPEN:
            trial.value, trial.last_step = value, last_step
        write.session.add(trial)
        write.session.flush()
        sweep = write.session.get_one(Sweep, sweep_id)
        sweep.best_trial = _best(write, sweep_id, direction)
        write.session.add(sweep)
        write.detail.update(trial=number, value=value)


def finish(
    shed: Shed, sweep_id: int, status: str, reason: str = "", *, final: tuple[NewRun, Ask] | None = None
) -> Run | None:
    """A sweep has ended. `final` is a run to be queued with it, in one: its id is kept in the plan as `final_run`."""
    with shed.writing(f"sweep {status}", f"sweep {sweep_id}") as write:
        sweep = write.session.get_one(Sweep, sweep_id)
        if sweep.status != "running":
            write.action = "sweep had ended"
            return None
        run = insert_queued(write, *final) if final is not None else None
        if run is not None:
            sweep.plan = {**sweep.plan, "final_run": run.id}
        write.subject = f"sweep {sweep_id}"
        sweep.status, sweep.reason, sweep.ended_at = status, reason, time.time()
        write.session.add(sweep)
        write.detail.update(reason=reason)
    if run is not None:
        shed.make_dir(shed.run_dir(run.id or 0))
    return run


def stop(shed: Shed, sweep_id: int, reason: str) -> list[int]:
    """No further trial begins. Returns the runs of those that had not ended, for the caller to stop.

    Raises:
        UsageError: when the sweep has ended.
    """
    with shed.writing("sweep stopped", f"sweep {sweep_id}") as write:
        sweep = write.session.get_one(Sweep, sweep_id)
        if sweep.status != "running":
            raise UsageError(f"sweep {sweep_id} is {sweep.status}", expected="one that runs")
        sweep.status, sweep.reason, sweep.ended_at = "stopped", reason, time.time()
        write.session.add(sweep)
        runs = []
        for trial in write.session.exec(
            select(Trial).where(Trial.sweep_id == sweep_id, col(Trial.status).in_(OPEN))
        ).all():
            trial.status = "stopped"
            write.session.add(trial)
            if trial.run_id is not None:
                runs.append(trial.run_id)
        write.detail.update(reason=reason, runs=runs)
    return runs


def resume(shed: Shed, sweep_id: int, plan: dict[str, Any]) -> None:
    """A sweep that has ended goes on under this plan, and with it the trials that were stopped.

    Raises:
        UsageError: when it runs.
    """
    with shed.writing("sweep resumed", f"sweep {sweep_id}") as write:
        sweep = write.session.get_one(Sweep, sweep_id)
        if sweep.status == "running":
            raise UsageError(f"sweep {sweep_id} is running", expected="one that has ended")
        sweep.status, sweep.reason, sweep.ended_at = "running", "", None
        sweep.host = socket.gethostname()
        sweep.plan = plan
        write.session.add(sweep)
        for trial in write.session.exec(
            select(Trial).where(Trial.sweep_id == sweep_id, Trial.status == "stopped")
        ).all():
            trial.status = "again"
            write.session.add(trial)


def _best(write: Write, sweep_id: int, direction: Direction) -> int | None:
    done = select(Trial.number).where(Trial.sweep_id == sweep_id, Trial.status == "done", col(Trial.value).is_not(None))
    value = col(Trial.value)
    first = value.desc() if direction == "maximize" else value.asc()
    return write.session.exec(done.order_by(first, col(Trial.number)).limit(1)).first()
