"""What data validation last found of a dataset version."""

from __future__ import annotations

from typing import Any

from runners.actions.datasets import resolve
from storage.read import lineage as read_lineage
from storage.read import runs as read_runs
from storage.shed import Shed


def newest(shed: Shed, reference: str) -> list[dict[str, Any]]:
    """The checks of the newest run that validated this version, as it kept them; none where no run did."""
    _, version = resolve(shed, reference)
    for run in read_lineage.runs_of_dataset_version(shed, version.id or 0):
        for stage in read_runs.stages(shed, run.id or 0):
            found = stage.facts.get("checks") if stage.name == "validate" else None
            if found:
                return [check for check in found if isinstance(check, dict)]
    return []
