"""What each trigger watches, in a few words, and when it is due."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runners.triggers import orders
from storage.errors import TrainshedError, UsageError
from storage.project import load_project
from storage.read import triggers as read_triggers
from storage.read.triggers import TriggerRow
from storage.shed import Shed
from storage.tables import Trigger
from storage.trigger_section import TriggerSection


@dataclass(frozen=True)
class Watch:
    """A trigger as a list shows it.

    `what` it watches; `due` is when it fires next, None where events decide. `fault` says why its settings cannot be
    read and what to do; empty when they can.
    """

    row: TriggerRow
    what: str
    due: float | None
    fault: str = ""


def every(shed: Shed, *, project: str | None = None) -> list[Watch]:
    """All triggers, by project and name."""
    return [_watch(row) for row in read_triggers.every(shed, project=project)]


def _watch(row: TriggerRow) -> Watch:
    trigger = row.trigger
    try:
        spec = orders.settings(trigger)
    except UsageError as err:
        return Watch(row, "", None, f"{err.message}; {err.todo}")
    due = trigger.next_at if trigger.status == "active" else None
    return Watch(row, _what(trigger, spec), due)


def _what(trigger: Trigger, spec: TriggerSection) -> str:
    if spec.on == "schedule":
        return f"{spec.cron}  {spec.timezone}"
    if spec.on == "code":
        return f"commits on {spec.branch or 'what is checked out'}"
    if spec.on == "new-data":
        return ", ".join(_globs(trigger)) or trigger.project_dir
    if spec.on == "drift":
        columns = ", ".join(spec.columns) or "any input"
        return f"{columns}: PSI from {spec.psi:g}, over {spec.window_hours:g} h"
    return spec.on


def _globs(trigger: Trigger) -> list[str]:
    """The files of the project as it stands; none where its file cannot be read now."""
    with suppress(TrainshedError):
        globs = load_project(Path(trigger.project_dir)).dataset.globs
        return [glob for each in globs.values() for glob in each]
    return []
