"""The pipeline in the foreground: whoever calls it is the run's supervisor, and sees it to its end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from runners import launching
from runners.agency.foreground import own_turn
from runners.loop import STAGE_NAMES, Finished, carry_out
from runners.pipeline import Event
from runners.supervision import processes
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import Run
from storage.write import runs as write_runs

__all__ = ["STAGE_NAMES", "Finished", "run_pipeline"]


def run_pipeline(
    shed: Shed,
    project_dir: Path,
    *,
    params: dict[str, Any],
    until: str | None = None,
    name: str | None = None,
    tags: tuple[str, ...] = (),
    on_event: Callable[[Event], None],
) -> Finished:
    """Freeze the project as it is now and take it through the stages.

    A run that froze exactly the same things and did not end well is taken up again instead of a new one.

    Raises:
        UsageError, DataInvalid: when nothing could be started. All later errors are told as events.
    """
    launch = launching.freeze(shed, project_dir, params=params, until=until)
    me = processes.identify_self().to_json()
    before = read_runs.latest_with_identity(shed, launch.identity)
    resumed = before is not None and _unfinished(shed, before)
    if before is not None and before.id is not None and resumed:
        run = write_runs.take_up(shed, before.id, me)
    else:
        run = write_runs.create(shed, launching.new_run(shed, launch, name=name, tags=tags))
        write_runs.supervised_by(shed, run.id or 0, me)
    launching.write_down(shed, launch, run.id or 0)
    on_event(
        {
            "event": "run",
            "run": run.id,
            "name": run.name,
            "project": run.project,
            "dataset": f"{launch.added.dataset.name} v{launch.added.version.number}",
            "new_version": launch.added.is_new,
            "attempt": run.attempt,
            "resumed": resumed,
        }
    )
    for remark in launching.remarks(launch):
        on_event(remark)
    context = launching.reopen(shed, run, on_event)
    context.take_turn = partial(own_turn, context)
    return carry_out(context, until)


def _unfinished(shed: Shed, run: Run) -> bool:
    if run.status == "queued":
        entry = read_queue.entry(shed, run.id or 0)
        if entry is None or entry.queued.request:  # an agent will start it
            return False
    if run.status in ("running", "queued"):
        return not processes.alive(processes.Identity.from_json(run.supervisor)) if run.supervisor else True
    return run.status in ("failed", "stopped")
