"""What a launch would come to, before anything is frozen: params checked, when it starts, how long it takes."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners import estimates, foresight, gpus
from runners.actions.runs import parsed_id
from runners.agency.state import situation
from runners.estimates import PastRun, PlannedRun, Spread
from runners.queue import Waiting, choose
from storage.params import parsed_param
from storage.project import ProjectSpec, load_project, with_params
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.read.similar import peaks
from storage.shed import Shed, current_user
from storage.sizes import parsed_size

__all__ = ["ProjectSpec", "Prospect", "after", "memory", "param", "project", "prospect"]

NEW = 0  # stands for the run that would be


@dataclass(frozen=True)
class Prospect:
    """A launch as it would go now. Seconds from now, None where the past tells nothing.

    Attributes:
        devices: what it would be given, were it queued now; empty where it would wait.
        like: the run that went before it most alike.
        peak_bytes: what runs like it held on a GPU; None where none was measured.
        memory: in words whether the GPUs' memory will do; `fits` is false where it may not.
        after: the runs that must end well before it, in words; empty where it waits for none.
    """

    starts_in: Spread | None
    takes: Spread | None
    like: int | None
    memory: str
    fits: bool
    devices: tuple[str, ...] = ()
    peak_bytes: int | None = None
    after: str = ""


def project(folder: Path) -> ProjectSpec:
    """The project as its file says now. Raises UsageError with the fault and its line."""
    return load_project(folder)


def param(spec: ProjectSpec, name: str, text: str) -> Any:
    """What was written for a param, as the project has it.

    Raises:
        UsageError: for a value of another type, saying which is expected.
    """
    changed = with_params(spec, {name: parsed_param(text)}, said="")
    return changed.train.params[name]


def memory(text: str) -> int:
    """A size such as `10GB` in bytes. Raises UsageError."""
    return parsed_size(text, "GPU memory")


def prospect(
    shed: Shed,
    spec: ProjectSpec,
    params: Mapping[str, Any],
    *,
    gpus_wanted: int,
    claim: int | None,
    priority: int,
    after: Sequence[int] = (),
) -> Prospect:
    """How a run of the project with these changed params would go, were it queued now behind the runs `after`.

    Raises:
        UsageError: when settings.toml is faulty, or there is no such run to come after.
    """
    all_params = {**spec.train.params, **params}
    name, now = spec.project.name, time.time()
    past = [PastRun(**vars(run)) for run in read_queue.past(shed, name)]
    takes = estimates.duration(past, PlannedRun(name, "pipeline", gpus_wanted, all_params))
    found = situation(shed, now)
    open_ones, states = _still_open(shed, after)
    mine = [entry.queued.position for entry in read_queue.waiting(shed) if entry.run.user == current_user()]
    new = Waiting(
        run_id=NEW,
        user=current_user(),
        queued_at=now,
        priority=priority,
        position=max(mine, default=0.0) + 1.0,
        gpus=gpus_wanted,
        memory=claim,
        duration_s=takes,
        blocked=states,
        after=open_ones,
    )
    queue = ([*found.waiting, new], found.holding, found.slots, found.hours, found.limits, now)
    starts, chosen = estimates.starts(*queue), choose(*queue)
    like = read_queue.most_alike(shed, name, all_params)
    held, judged = _memory(shed, name, all_params, gpus_wanted, claim)
    return Prospect(
        starts_in=starts.get(NEW),
        takes=takes,
        like=like.run_id if like is not None else None,
        memory=judged.text,
        fits="not" not in judged.fits,
        devices=next((start.devices for start in chosen.starts if start.run_id == NEW), ()),
        peak_bytes=held.expected_bytes,
        after=states,
    )


def after(text: str) -> tuple[int, ...]:
    """Runs as one writes them in a line: `12 13`. Raises UsageError."""
    return tuple(parsed_id(word) for word in text.replace(",", " ").split())


def _still_open(shed: Shed, wanted: Sequence[int]) -> tuple[tuple[int, ...], str]:
    """Those of the runs that have not ended well, and their states in words."""
    states = {run_id: read_runs.run(shed, run_id).status for run_id in wanted}
    found = {run_id: status for run_id, status in states.items() if status not in ("done", "waiting")}
    told = ", ".join(f"run {run_id} ({status})" for run_id, status in found.items())
    return tuple(found), f"after {told}" if found else ""


def _memory(
    shed: Shed, name: str, params: Mapping[str, Any], gpus_wanted: int, claim: int | None
) -> tuple[foresight.Foresight, foresight.Verdict]:
    readings = gpus.readings()
    sizes = {each.device: each.total_bytes for each in readings if each.total_bytes is not None and not each.mig}
    # Nothing is frozen yet, so nobody knows whether the code is what past runs ran: only the launch itself refuses.
    found = foresight.foresee(peaks(shed, name, "pipeline", socket.gethostname()), params, "", gpus_wanted)
    return found, foresight.verdict(found, claim=claim, sizes=sizes, gpus=gpus_wanted)
