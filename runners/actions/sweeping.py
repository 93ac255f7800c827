"""Sweeps set going, stopped and gone on with."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runners import launching, leases
from runners.actions import queueing
from runners.actions.queueing import Wanted
from runners.agency import requests, starting
from runners.agency.home import Home
from runners.launching import Launch
from runners.pipeline import Event
from runners.sweeps import space
from runners.sweeps.frozen import Orders, frozen_of
from runners.sweeps.search import TEST, Asked, Search, decided
from storage.errors import UsageError
from storage.params import parsed_param
from storage.read import sweeps as read_sweeps
from storage.settings import settings
from storage.shed import Shed, current_user
from storage.sweep_section import SweepSection
from storage.tables import Sweep
from storage.write import sweeps as write_sweeps

AS_THE_PROJECT_SAYS = Wanted()


@dataclass(frozen=True)
class Started:
    """A sweep that goes on by itself now. `remarks` are events."""

    sweep: Sweep
    search: Search
    agent_started: bool
    remarks: list[Event] = field(default_factory=list)


def start(
    shed: Shed,
    project_dir: Path,
    *,
    params: dict[str, Any],
    changes: dict[str, Any],
    name: str | None = None,
    wanted: Wanted = AS_THE_PROJECT_SAYS,
) -> Started:
    """Freeze a project as it is now and begin its sweep: every trial runs this code on this data.

    `params` are fixed for all trials, whatever the space says of them; `changes` go before the keys of `[sweep]`.

    Raises:
        UsageError, DataInvalid: when it could not be started as it is; nothing is queued then.
    """
    launch = launching.freeze(shed, project_dir, params=params, until=None)
    asked = Asked(wanted.gpus, wanted.gpu_memory, wanted.priority, wanted.retries, changes)
    search = decided(launch.spec, asked, params, leases.slots(shed, settings(shed.root)), time.time())
    frozen = frozen_of(shed, launch)
    warnings = queueing.foreseen(shed, frozen.base, search.gpus, wanted)
    sweep = write_sweeps.create(
        shed,
        name=name,
        project=launch.spec.project.name,
        project_dir=str(project_dir),
        plan=_requested(shed, Orders(search, frozen)).to_json(),
        fill=lambda directory: launching.surround(launch, directory),
    )
    remarks = [*launching.remarks(launch), *warnings, *_odd(search, launch)]
    return Started(sweep, search, starting.ensure(shed), remarks)


def start_as(shed: Shed, project_dir: Path, words: Sequence[str]) -> Started:
    """Begin the project's sweep with `KEY=VALUE` words: keys of `[sweep]` change it, others fix a param.

    Raises:
        UsageError, DataInvalid: as `start`, and for a word that is no KEY=VALUE.
    """
    params: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{word}: no value", expected="KEY=VALUE, such as trials=40 or lr=0.001")
        (changes if name in SweepSection.model_fields else params)[name] = parsed_param(value)
    return start(shed, project_dir, params=params, changes=changes)


def stop(shed: Shed, sweep_id: int) -> list[int]:
    """No further trial begins, and those that wait or are at work are stopped; returns their runs.

    Raises:
        UsageError: when the sweep has ended.
    """
    read_sweeps.sweep(shed, sweep_id)
    stopped = []
    for run_id in write_sweeps.stop(shed, sweep_id, f"stopped by {current_user()}"):
        with suppress(UsageError):  # it has ended meanwhile
            queueing.stop(shed, [run_id])
            stopped.append(run_id)
    return stopped


def resume(shed: Shed, sweep_id: int, *, trials: int | None = None) -> Started:
    """Go on with a sweep of yours that was stopped or failed, or try more params: `trials` are then as many in all.

    Trials that were stopped with it go on from their checkpoints.

    Raises:
        UsageError: when there is nothing left to do, or it is somebody else's.
    """
    sweep = read_sweeps.sweep(shed, sweep_id)
    if sweep.user != current_user():
        raise UsageError(f"sweep {sweep_id} is {sweep.user}'s", todo="start one of your own")
    orders = Orders.of(sweep)
    if sweep.status == "running":
        if trials is not None:
            raise UsageError(f"sweep {sweep_id} is running", expected="one that has ended, for more trials")
        return Started(sweep, orders.search, starting.ensure(shed))
    rows = read_sweeps.trials(shed, sweep_id)
    search = _more(orders, trials, begun=len(rows))
    if len(rows) >= search.trials and not any(row.trial.status == "stopped" for row in rows):
        raise UsageError(f"sweep {sweep_id} has tried all it should", todo=f"`--trials {2 * search.trials}` tries more")
    fresh = Orders(search, orders.frozen, final_run=orders.final_run)
    write_sweeps.resume(shed, sweep_id, _requested(shed, fresh).to_json())
    return Started(read_sweeps.sweep(shed, sweep_id), search, starting.ensure(shed))


def _more(orders: Orders, trials: int | None, *, begun: int) -> Search:
    search = orders.search
    wanted = search.trials if trials is None else trials
    if search.sampler == "grid":
        wanted = min(wanted, space.size(search.space, orders.frozen.params))
    ends_at = time.time() + search.timeout_s if search.timeout_s else None
    return replace(search, trials=wanted, ends_at=ends_at, counted_from=begun)


def _requested(shed: Shed, orders: Orders) -> Orders:
    """The orders with a request of this user's for them, and the environment of now."""
    request = requests.keep(Home(shed), requests.of_pipeline(orders.identity, os.environ))
    return replace(orders, request=request)


def _odd(search: Search, launch: Launch) -> list[Event]:
    texts = []
    if search.usual is None and search.sampler != "grid":
        usual = ", ".join(f"{name}={launch.spec.train.params[name]}" for name in search.space)
        texts.append(f"the project's own params are not tried, for they lie outside of the space: {usual}")
    if search.metric.startswith(TEST):
        texts.append(
            f"{search.metric} is measured on the rows that the gate judges by: the best of many trials looks better "
            "there than it is"
        )
    return [{"event": "warning", "text": text} for text in texts]
