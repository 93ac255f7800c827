"""What a batch of labels was worth: the model before it and one that learnt from it, on labels nobody learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.evaluation import bootstrap, scores
from runners.evaluation.bootstrap import Difference
from runners.labelling import batches
from runners.opening import manifest_of
from runners.packaging.scoring import Scorer, feeds_from
from runners.packaging.signature import Signature
from storage.columns import identifier, literal
from storage.errors import TrainshedError
from storage.memory import in_memory
from storage.read import datasets as read_datasets
from storage.read import models as read_models
from storage.shed import Shed
from storage.tables import DatasetVersion, ModelVersion

FEWEST = 10  # held-out rows: of fewer a metric says nothing


@dataclass(frozen=True)
class Gain:
    """A metric on held-out labels: rows that were asked because they are hard, not ordinary traffic.

    `after` is None where no model has learnt from the batch yet, both where the figures cannot be computed; `why` says
    so then. `difference` is positive where the model after is better, with its 95 % bootstrap interval.
    """

    batch: int
    metric: str
    rows: int
    before: float | None = None
    after: float | None = None
    before_version: int | None = None
    after_version: int | None = None
    difference: Difference | None = None
    why: str = ""


def gain(shed: Shed, project: str, project_dir: Path, batch: DatasetVersion, metric: str | None) -> Gain:
    """Of the batch that this version of the dataset of labels added; by the gate's metric where that is a usual one."""
    before = _production_at(shed, project, batch.created_at)
    if before is None:
        return Gain(batch.number, metric or "", 0, why="there was no production model before it")
    signature = Signature.from_json(before.signature)
    if metric is None or metric not in scores.METRICS:
        metric = scores.HEADLINE[signature.task]
    paths = sorted(str(path) for path in project_dir.glob(f"{batches.HELD_OUT}/*.parquet"))
    truth = _truth(paths, signature)
    told = Gain(batch.number, metric, len(truth), before_version=before.number)
    if len(truth) < FEWEST:
        return replace(told, why=f"{len(truth)} held-out labels so far; {FEWEST} are needed to measure on")
    try:
        old = _predicted(shed, before, paths)
        found = scores.score(signature.task, truth, old, signature.classes)
        if metric not in found.values:
            return replace(told, why=found.undefined.get(metric, f"{metric} is undefined on them"))
        told = replace(told, before=found.values[metric])
        learnt = _learnt_from(shed, project, batch)
        if learnt is None:
            return replace(told, why="no model has learnt from it yet")
        new = _predicted(shed, learnt, paths)
        after = scores.score(signature.task, truth, new, signature.classes).values[metric]
        difference = bootstrap.difference(metric, signature.task, truth, new, old)
    except TrainshedError as err:
        return replace(told, why=err.message)
    return replace(told, after=after, after_version=learnt.number, difference=difference)


def _production_at(shed: Shed, project: str, at: float) -> ModelVersion | None:
    if read_models.find(shed, project) is None:
        return None
    moved = [each for each in read_models.history(shed, project) if each.alias == "production" and each.at <= at]
    return read_models.version_by_id(shed, moved[-1].version_id)[1] if moved else None


def _learnt_from(shed: Shed, project: str, batch: DatasetVersion) -> ModelVersion | None:
    """The newest version that was trained on a dataset version with the batch's file in it."""
    name = batches.file_name(batch.number)
    wanted = {e.blake3 for e in manifest_of(shed, batch).entries() if e.path == f"{batches.FOLDER}/{name}"}
    for version in read_models.row(shed, project).versions:
        if version.dataset_version_id is not None and version.created_at > batch.created_at:
            data = read_datasets.version_by_id(shed, version.dataset_version_id)[1]
            if wanted & {entry.blake3 for entry in manifest_of(shed, data).entries()}:
                return version
    return None


def _truth(paths: Sequence[str], signature: Signature) -> NDArray[Any]:
    """[n] as `scores.score` takes it: 0/1, the place of the class, or the value."""
    if not paths:
        return np.empty(0)
    column = identifier(signature.target or "label")
    with in_memory(threads=1) as con:
        told = [row[0] for row in con.execute(f"select {column}::varchar from ({_rows(paths)})").fetchall()]
    if signature.task == "regression":
        return np.array([float(each) for each in told])
    return np.array([signature.classes.index(each) for each in told])


def _predicted(shed: Shed, version: ModelVersion, paths: Sequence[str]) -> NDArray[Any]:
    signature = Signature.from_json(version.signature)
    scorer = Scorer(shed.objects.verify(version.digest), signature)
    with in_memory(threads=1) as con:
        return scorer.predict_arrays(feeds_from(con, _rows(paths), signature))


def _rows(paths: Sequence[str]) -> str:
    listed = ", ".join(literal(path) for path in paths)
    return f"select * from read_parquet([{listed}], union_by_name = true)"
