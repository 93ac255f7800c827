"""What a firing does: it launches the pipeline, tells somebody, or waits for a person. Each of them once."""

from __future__ import annotations

import time
import traceback
from collections.abc import Collection

from runners import launching
from runners.actions import datasets, queueing
from runners.actions.queueing import Wanted
from runners.agency import requests
from runners.agency.home import Home
from runners.datasets.adding import Added
from runners.triggers import afterwards, deciding, drifting
from runners.triggers.orders import Orders
from runners.triggers.window import windowed
from storage.errors import DataInvalid, TrainshedError
from storage.project import load_project
from storage.read import datasets as read_datasets
from storage.read import runs as read_runs
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Firing, Run, Trigger
from storage.trigger_section import Severity
from storage.write import alerts as write_alerts
from storage.write import triggers as write_triggers
from storage.write.queue import Ask

PATIENCE_S = 600.0  # so long a launch that the files' state prevents is tried again
OF_CONTENT = ("new-data", "code")  # triggers that fire for something to learn from
BY_HAND = "by hand"  # how the key of a firing begins that a person asked for
ENDED = ("done", "failed", "stopped", "refused", "invalid", "waiting")


def carry_out(shed: Shed, trigger: Trigger, orders: Orders, firing: Firing) -> str:
    """Do what was decided about a firing that was only seen so far; returns why it has to wait, where it does."""
    assert firing.id is not None
    if firing.decision == "wait":
        write_triggers.ask_person(shed, firing.id)
        _tell(shed, trigger, firing, "warning", f"retrain? {firing.why}", f"trainshed triggers approve {firing.id}")
    elif firing.decision == "notify":
        _tell(shed, trigger, firing, "warning", firing.why, "")
        write_triggers.end(shed, firing.id, "told")
    elif (other := read_triggers.at_work(shed, trigger)) is not None and other.firing.id != firing.id:
        if firing.evidence.get("waits_for") != other.firing.run_id:
            write_triggers.waits_for(shed, firing.id, other.firing.run_id or 0, other.trigger.name)
    else:
        try:
            launch(shed, trigger, orders, firing)
        except DataInvalid as err:
            if time.time() - firing.at < PATIENCE_S:
                return f"cannot start yet: {err.message}"
            _failed(shed, trigger, firing, err)
        except TrainshedError as err:
            _failed(shed, trigger, firing, err)
    return ""


def launch(shed: Shed, trigger: Trigger, orders: Orders, firing: Firing) -> Run | None:
    """Queue the run of a firing, on the dataset version that it saw; None where it has one already.

    A run that learns from the same is not begun twice: the firing joins it while it is at work, and after its end where
    the trigger asks for nothing but that this be learnt (a schedule, say, wants it as of its time).

    Raises:
        TrainshedError: when the project cannot be started as it is.
    """
    assert firing.id is not None
    spec = afterwards.ordered(windowed(load_project(orders.project_dir), orders.spec), orders.spec.then)
    if firing.dataset_version_id is not None:
        dataset, version = read_datasets.version_by_id(shed, firing.dataset_version_id)
        added = Added(shed, dataset, version, False, 0)
    else:
        added = datasets.add_for_project(shed, orders.project_dir, spec, leave_out=left_out(shed, trigger))
    frozen = launching.freeze(shed, orders.project_dir, params={}, until=None, spec=spec, added=added)
    new = launching.new_run(shed, frozen, name=trigger.name, tags=(f"trigger-{trigger.name}",))
    queueing.foreseen(shed, new, spec.train.gpus, Wanted())
    home = Home(shed)
    request = requests.keep(home, requests.of_pipeline(frozen.identity, orders.env))
    ask = Ask(request, spec.train.gpus, retries=spec.train.retries)
    since = 0.0 if trigger.kind in OF_CONTENT and not firing.key.startswith(BY_HAND) else firing.at
    queued = write_triggers.queue_run(shed, firing.id, new, ask, learnt_since=since)
    if queued is None or not queued[1]:
        requests.forget(home, request)
        return queued[0] if queued is not None else None
    run, _ = queued
    launching.write_down(shed, frozen, run.id or 0)
    home.knock()
    return run


def left_out(shed: Shed, trigger: Trigger) -> Collection[str]:
    """The files that triggers of this project leave out of its dataset."""
    rows = read_triggers.active(shed, trigger.user, trigger.host)
    return {path for row in rows if row.project_dir == trigger.project_dir for path in row.left_out}


def tells_people(firing: Firing) -> bool:
    """Whether people are told of it at once, so that how far values have moved is to be known before."""
    return firing.decision in ("wait", "notify")


def measure(shed: Shed, orders: Orders, firing: Firing) -> None:
    """How far the values of new rows are from what production learnt goes into the evidence, and into why."""
    if firing.dataset_version_id is None or firing.id is None or "shift" in firing.evidence:
        return
    try:
        project = load_project(orders.project_dir)
        found = drifting.of_new_rows(shed, project, read_datasets.version_by_id(shed, firing.dataset_version_id)[1])
    except TrainshedError:  # the run says what is wrong with the data
        return
    except Exception:  # what nobody could measure must not stop what was decided
        print(traceback.format_exc(), flush=True)
        return
    if found is not None:
        told = deciding.shifted(found.shifted(orders.spec))
        write_triggers.measured(shed, firing.id, told, drifting.evidence(found))


def settle(shed: Shed, trigger: Trigger, orders: Orders | None, firing: Firing) -> None:
    """Write down what came of a firing whose run has ended, and whose canary has, where it had one; and tell it.

    Without `orders`, which a person may have removed, the version is left as the run left it.
    """
    assert firing.id is not None and firing.run_id is not None
    try:
        run = read_runs.run(shed, firing.run_id)
    except TrainshedError:
        write_triggers.end(shed, firing.id, f"run {firing.run_id} was removed")
        return
    if run.status not in ENDED:
        return
    then = orders.spec.then if orders is not None else None
    began = read_triggers.of_run(shed, firing.run_id)
    joined = began is not None and began.firing.id != firing.id
    outcome: str | None = None
    if orders is not None and not joined and then in ("promote", "canary") and run.status == "waiting":
        try:
            afterwards.carry_on(shed, run, load_project(orders.project_dir), then)
            run = read_runs.run(shed, firing.run_id)
        except TrainshedError as err:
            outcome = f"run {run.id} passed the gate, but: {err.message}"
    outcome = outcome or afterwards.came_to(shed, run, then)
    if outcome is None:
        return
    if joined:
        write_triggers.end(shed, firing.id, outcome)  # who set the run off has told people
        return
    severity: Severity = "info" if run.status == "done" else "warning"
    if run.status in ("failed", "invalid"):
        severity = "critical"
    if write_triggers.end(shed, firing.id, outcome):
        write_alerts.raise_alert(
            shed,
            project=trigger.project,
            key=f"run {run.id} ended",
            severity=severity,
            title=f"{trigger.project}: {outcome}",
            body=f"set off by {trigger.name}: {firing.why}",
            subject=f"run {run.id}",
        )


def _failed(shed: Shed, trigger: Trigger, firing: Firing, err: TrainshedError) -> None:
    place = f"{err.place}: " if err.place else ""
    write_triggers.end(shed, firing.id or 0, f"could not start: {place}{err.message}")
    _tell(shed, trigger, firing, "critical", f"could not start: {place}{err.message}", err.todo)


def _tell(shed: Shed, trigger: Trigger, firing: Firing, severity: Severity, text: str, body: str) -> None:
    write_alerts.raise_alert(
        shed,
        project=trigger.project,
        key=f"firing {firing.id}: {severity}",
        severity=severity,
        title=f"{trigger.project}/{trigger.name}: {text}",
        body=body,
        subject=f"firing {firing.id}",
    )
