"""The drift trigger: what the model is asked and says now, or the newest files, against what it was trained on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from runners.monitoring import answers, drift, histograms, samples
from runners.monitoring.answers import Answers
from runners.monitoring.behind import Behind, behind
from runners.monitoring.drift import LEAST_ROWS, ColumnDrift
from runners.monitoring.harm import ColumnHarm, ranked
from runners.opening import manifest_of
from runners.triggers import measuring
from runners.triggers.measuring import Found
from storage import predictions
from storage.counted import counted
from storage.errors import TrainshedError
from storage.project import ProjectSpec
from storage.read import datasets as read_datasets
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.shed import Shed
from storage.tables import DatasetVersion, Endpoint, ModelVersion
from storage.trigger_section import TriggerSection

SHOWN = 20


@dataclass(frozen=True)
class Measured:
    """The drift of the inputs of a model version, the most harmful first.

    Attributes:
        of: what was compared, and `rows` how many of it were drawn.
        predictions: the drift of what the model said, where it was asked.
    """

    version: ModelVersion
    of: str
    rows: int
    columns: list[ColumnHarm]
    predictions: ColumnDrift | None = None

    def shifted(self, spec: TriggerSection) -> list[ColumnDrift]:
        """The columns that count, the most harmful first, and the predictions last."""
        wanted = set(spec.columns)
        moved = [each.drift for each in self.columns if not wanted or each.column in wanted]
        if self.predictions is not None and spec.predictions:
            moved.append(self.predictions)
        return [each for each in moved if each.shifted(spec.psi)]


def look(shed: Shed, project: ProjectSpec, spec: TriggerSection) -> Found:
    """Measure; the same columns of the same production version are one trouble. Raises as `measure`."""
    measured = measure(shed, project, spec)
    if measured is None:
        return Found(f"waits: {lacking(shed, project, spec)}")
    shifted = measured.shifted(spec)
    if not shifted:
        return Found("")
    names = sorted(each.column for each in shifted)
    what = blake3(repr((measured.version.id, names)).encode()).hexdigest()
    return Found("", told(measured, shifted), f"drift {what}", evidence(measured))


def told(measured: Measured, shifted: Sequence[ColumnDrift]) -> str:
    """The drift in one line."""
    more = f", and {counted(len(shifted) - 2, 'more column')}" if len(shifted) > 2 else ""
    sentences = "; ".join(each.sentence for each in shifted[:2])
    return f"{sentences}{more}: {measured.of} against what v{measured.version.number} was trained on"


def evidence(measured: Measured) -> dict[str, Any]:
    return {
        "model_version": measured.version.number,
        "of": measured.of,
        "rows_compared": measured.rows,
        "drift": [facts(each) for each in measured.columns[:SHOWN]],
        "predictions": asdict(measured.predictions) if measured.predictions is not None else None,
    }


def facts(each: ColumnHarm) -> dict[str, Any]:
    return {**asdict(each.drift), "importance": each.importance, "harm": each.harm}


def measure(shed: Shed, project: ProjectSpec, spec: TriggerSection) -> Measured | None:
    """How far the inputs of the production model have moved; None where there is none, or too little to compare.

    What its endpoints were asked lately counts; where they were asked too little, the newest files do.

    Raises:
        TrainshedError: when the rows cannot be read.
    """
    production = read_models.aliased(shed, project.project.name, "production")
    if production is None:
        return None
    stood = behind(shed, production)
    least, since = max(spec.min_rows, LEAST_ROWS), time.time() - spec.window_hours * 3600
    look = _asked_rows if project.dataset.kind == "table" else _asked_files
    for endpoint, folder in logs(shed, project.project.name):
        found = look(stood, endpoint, folder, since, least)
        if found is not None:
            return found
    newest = read_datasets.find(shed, project.dataset.name)
    versions = read_datasets.versions(shed, project.dataset.name) if newest is not None else []
    return _of_new_rows(stood, project, versions[-1], least) if versions else None


def lacking(shed: Shed, project: ProjectSpec, spec: TriggerSection) -> str:
    """Why nothing could be measured."""
    least, new = max(spec.min_rows, LEAST_ROWS), "files" if project.dataset.kind == "files" else "rows"
    return measuring.lacking(
        shed,
        project,
        lambda production: (
            f"v{production.number} was asked for fewer than {least:,} predictions in {spec.window_hours:g} h, "
            f"and fewer than {least:,} new {new} came since it was trained"
        ),
    )


def _asked_rows(stood: Behind, endpoint: Endpoint, folder: Path, since: float, least: int) -> Measured | None:
    """What an endpoint was asked, and what it said."""
    asked = samples.of_log(folder, samples.logged(samples.inputs_of(stood.signature), endpoint), since)
    count = len(next(iter(asked.values()), []))
    if count < least or not stood.learnt:
        return None
    moved = _harm(stood, drift.compare(stood.learnt, asked))
    of = f"{count:,} predictions of {endpoint.name}"
    return Measured(stood.version, of, count, moved, _predictions(stood, folder, since))


def _asked_files(stood: Behind, endpoint: Endpoint, folder: Path, since: float, least: int) -> Measured | None:
    """What an endpoint said: of files no log tells what they were like."""
    said = _said(stood, folder, since)
    if len(said) < least:
        return None
    of = f"{len(said):,} predictions of {endpoint.name}"
    return Measured(stood.version, of, len(said), [], _shift(stood, said))


def of_new_rows(shed: Shed, project: ProjectSpec, version: DatasetVersion) -> Measured | None:
    """How far the rows of a dataset version that production has not seen are from those it learnt; None as `measure`.

    Raises:
        TrainshedError: when the rows cannot be read.
    """
    production = read_models.aliased(shed, project.project.name, "production")
    return _of_new_rows(behind(shed, production), project, version, LEAST_ROWS) if production is not None else None


def _of_new_rows(stood: Behind, project: ProjectSpec, version: DatasetVersion, least: int) -> Measured | None:
    if stood.version.dataset_version_id is None:
        return None
    _, trained = read_datasets.version_by_id(stood.shed, stood.version.dataset_version_id)
    if version.content == trained.content:
        return None
    known = manifest_of(stood.shed, trained)
    new = samples.fresh(known, manifest_of(stood.shed, version))
    if not any(new.tables.values()):
        return None
    files = project.dataset.kind == "files"
    learnt = samples.of_files(known) if files else stood.learnt
    after = samples.of_files(new) if files else samples.of_version(stood.shed, project, new)
    count = len(next(iter(after.values()), []))
    if count < least or not learnt:
        return None
    of = f"{count:,} new {'files' if files else 'rows'} of v{version.number}"
    return Measured(stood.version, of, count, _harm(stood, drift.compare(learnt, after)))


def _harm(stood: Behind, drifts: Sequence[ColumnDrift]) -> list[ColumnHarm]:
    """Ranked by harm where anything moved beyond chance: only then is it worth asking the model."""
    importance: dict[str, float] = {}
    if any(each.p < drift.CHANCE for each in drifts):
        try:
            importance = stood.importance()
        except TrainshedError:  # the shift alone ranks them
            importance = {}
    return ranked(drifts, importance)


def _predictions(stood: Behind, folder: Path, since: float) -> ColumnDrift | None:
    said = _said(stood, folder, since)
    return _shift(stood, said) if len(said) >= LEAST_ROWS else None


def _said(stood: Behind, folder: Path, since: float) -> Answers:
    with predictions.connect(folder) as con:
        return answers.drawn(con, stood.signature, stood.version.number, since)


def _shift(stood: Behind, said: Answers) -> ColumnDrift | None:
    """How far its answers are from those to the rows it was evaluated on; None where these are gone."""
    if stood.said is None:
        return None
    return histograms.shift(stood.signature.task, stood.signature.classes, said.prediction, stood.said)


def logs(shed: Shed, model: str) -> list[tuple[Endpoint, Path]]:
    """The endpoints that serve a model, and where their prediction logs are."""
    rows = [endpoint for endpoint in read_endpoints.every(shed) if endpoint.model == model]
    folders = [(row, shed.endpoint_dir(row.name) / "log") for row in rows]
    return [(row, folder) for row, folder in folders if folder.is_dir()]
