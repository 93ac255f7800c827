"""The rows that a run begun by a trigger learns from: all of them, or those of the last months."""

from __future__ import annotations

from storage.columns import identifier
from storage.project import ProjectSpec
from storage.sql import plain
from storage.trigger_section import TriggerSection


def windowed(project: ProjectSpec, trigger: TriggerSection) -> ProjectSpec:
    """The project with its query narrowed to the trigger's backfill, counted back from its newest row."""
    if trigger.window is None or project.split.column is None or project.dataset.kind != "table":
        return project
    number, unit = trigger.window
    column = f"{identifier(project.split.column)}::timestamp"
    rows = plain(project.dataset.query) if project.dataset.query else f"from {next(iter(project.dataset.globs))}"
    query = (
        f"with every_row as (\n{rows}\n)\n"
        f"from every_row where {column} >= (select max({column}) from every_row) - interval {number} {unit}"
    )
    return project.model_copy(update={"dataset": project.dataset.model_copy(update={"query": query})})
