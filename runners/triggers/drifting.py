"""The drift trigger: what the model is asked now, or the newest files, against what it was trained on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from runners.opening import manifest_of
from runners.triggers import drift, policy, samples
from runners.triggers.drift import ColumnDrift
from runners.triggers.orders import Orders
from storage.errors import TrainshedError
from storage.project import ProjectSpec, load_project
from storage.read import datasets as read_datasets
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Endpoint, ModelVersion, Trigger
from storage.trigger_section import TriggerSection
from storage.write import triggers as write_triggers

SHOWN = 20
LEAST_ROWS = 50  # fewer say nothing about a distribution


@dataclass(frozen=True)
class Measured:
    """The drift of the inputs of a model version. `of` says of what, `rows` how many of it were drawn."""

    version: ModelVersion
    of: str
    rows: int
    columns: list[ColumnDrift]

    def shifted(self, spec: TriggerSection) -> list[ColumnDrift]:
        """The columns that count, the one that moved most first."""
        wanted = set(spec.columns)
        return [d for d in self.columns if d.shifted(spec.psi) and (not wanted or d.column in wanted)]


class Drift:
    """Measures every so many minutes; the same columns of the same production version fire once."""

    def __init__(self, shed: Shed, trigger: Trigger, orders: Orders) -> None:
        self.shed = shed
        self.trigger_id = trigger.id or 0
        self.orders = orders
        self.note = trigger.note

    def close(self) -> None:
        """Nothing is held."""

    def look(self, now: float) -> float:
        """Measure; returns the monotonic time at which to do so again."""
        spec = self.orders.spec
        try:
            measured = measure(self.shed, load_project(self.orders.project_dir), spec)
        except TrainshedError as err:
            measured, note = None, err.message
        else:
            note = "waits for a production model, and for rows to compare" if measured is None else ""
        shifted = measured.shifted(spec) if measured is not None else []
        if measured is not None and shifted:
            begun = read_triggers.runs_since(self.shed, self.trigger_id, time.time() - policy.DAY_S)
            allowed = policy.verdict(spec, begun, time.time())
            if allowed.allowed:
                self._fire(measured, shifted)
            else:
                note = f"drift waits: {allowed.why}"
        if note != self.note:
            self.note = note
            write_triggers.remark(self.shed, self.trigger_id, note)
        return now + spec.every_minutes * 60

    def _fire(self, measured: Measured, shifted: Sequence[ColumnDrift]) -> None:
        names = sorted(each.column for each in shifted)
        what = blake3(repr((measured.version.id, names)).encode()).hexdigest()
        write_triggers.notice(
            self.shed,
            self.trigger_id,
            f"drift {what}",
            decision=self.orders.spec.do,
            why=told(measured, shifted),
            evidence=evidence(measured),
        )


def told(measured: Measured, shifted: Sequence[ColumnDrift]) -> str:
    """The drift in one line."""
    more = f", and {len(shifted) - 2} more columns" if len(shifted) > 2 else ""
    sentences = "; ".join(each.sentence for each in shifted[:2])
    return f"{sentences}{more}: {measured.of} against what v{measured.version.number} was trained on"


def evidence(measured: Measured) -> dict[str, Any]:
    return {
        "model_version": measured.version.number,
        "of": measured.of,
        "rows_compared": measured.rows,
        "drift": [asdict(each) for each in measured.columns[:SHOWN]],
    }


def measure(shed: Shed, project: ProjectSpec, spec: TriggerSection) -> Measured | None:
    """How far the inputs of the production model have moved; None where there is none, or too little to compare.

    What its endpoints were asked lately counts; where they were asked too little, the newest files do.

    Raises:
        TrainshedError: when the rows cannot be read.
    """
    production = read_models.aliased(shed, project.project.name, "production")
    if production is None or production.dataset_version_id is None or project.dataset.kind != "table":
        return None
    dataset, trained = read_datasets.version_by_id(shed, production.dataset_version_id)
    trained_on = manifest_of(shed, trained)
    for endpoint, folder in _logs(shed, project.project.name):
        wanted = samples.logged(samples.inputs(project), endpoint)
        asked = samples.of_log(folder, wanted, time.time() - spec.window_hours * 3600)
        count = len(next(iter(asked.values()), []))
        if count >= max(spec.min_rows, LEAST_ROWS):
            before = samples.of_version(shed, project, trained_on)
            return Measured(
                production, f"{count:,} predictions of {endpoint.name}", count, drift.compare(before, asked)
            )
    newest = read_datasets.version(shed, dataset.name)
    if newest.content == trained.content:
        return None
    new = samples.fresh(trained_on, manifest_of(shed, newest))
    if not any(new.tables.values()):
        return None
    after = samples.of_version(shed, project, new)
    count = len(next(iter(after.values()), []))
    if count < max(spec.min_rows, LEAST_ROWS):
        return None
    before = samples.of_version(shed, project, trained_on)
    return Measured(production, f"{count:,} new rows of v{newest.number}", count, drift.compare(before, after))


def _logs(shed: Shed, model: str) -> list[tuple[Endpoint, Path]]:
    rows = [endpoint for endpoint in read_endpoints.every(shed) if endpoint.model == model]
    folders = [(row, shed.endpoint_dir(row.name) / "log") for row in rows]
    return [(row, folder) for row, folder in folders if folder.is_dir()]
