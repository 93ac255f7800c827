"""What stands behind a model version: the rows it learnt from, those it was evaluated on, and what it said of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runners.evaluation import scores
from runners.evaluation.heldout import Floats, HeldOut
from runners.evaluation.importance import permutation_importance
from runners.evaluation.scores import HEADLINE, METRICS
from runners.evaluation.slices import SliceRow, slice_table
from runners.monitoring import samples
from runners.monitoring.samples import Columns
from runners.opening import manifest_of
from runners.packaging.scoring import Scorer, chunks
from runners.packaging.signature import Signature
from storage.errors import UsageError
from storage.project import ProjectSpec, frozen
from storage.read import datasets as read_datasets
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import ModelVersion

ASKED = 2000  # rows that importance is measured on


@dataclass(frozen=True)
class Behind:
    """A version, and what its run left. `spec` is the project as it was frozen then; None where nobody kept it."""

    shed: Shed
    version: ModelVersion
    signature: Signature
    spec: ProjectSpec | None
    prepared: Path | None
    evaluated: Path | None

    @property
    def metric(self) -> str:
        """What the project judges its models by; the task's usual one where that is a metric of its own."""
        own = self.spec.gate.metric if self.spec is not None else None
        fits = own in METRICS and self.signature.task in METRICS[own].tasks
        return own if own is not None and fits else HEADLINE[self.signature.task]

    @property
    def slices(self) -> list[str]:
        return list(self.spec.gate.slices) if self.spec is not None else []

    @cached_property
    def learnt(self) -> Columns:
        """Rows that it was trained on, its inputs only; empty where they cannot be had any more."""
        wanted = samples.inputs_of(self.signature)
        if self.prepared is not None and (self.prepared / "train.parquet").exists():
            return samples.of_parquet(self.prepared / "train.parquet", wanted)
        if self.spec is None or self.spec.dataset.kind != "table" or self.version.dataset_version_id is None:
            return {}
        _, data = read_datasets.version_by_id(self.shed, self.version.dataset_version_id)
        return samples.of_version(self.shed, self.spec, manifest_of(self.shed, data))

    @property
    def heldout(self) -> HeldOut | None:
        """The rows it was evaluated on; None where they are gone."""
        if self.prepared is None or not (self.prepared / "test" / "y.npy").exists():
            return None
        rows = HeldOut(self.prepared)
        return rows if rows.raw.exists() else None

    @cached_property
    def said(self) -> Floats | None:
        """What it said of the rows it was evaluated on: [n], or [n, k] of the signature's classes."""
        kept = self.evaluated / "prediction.npy" if self.evaluated is not None else None
        if kept is not None and kept.exists():
            return np.asarray(np.load(kept))
        rows = self.heldout
        return rows.predicted_by(self.model, self.signature) if rows is not None else None

    @property
    def truth(self) -> NDArray[np.float64] | None:
        """The targets of these rows, [n] 0/1, class index, or value."""
        rows = self.heldout
        return np.asarray(rows.target, np.float64) if rows is not None else None

    @property
    def reference(self) -> float | None:
        """The metric when it was evaluated; None where nobody knows."""
        value = self.version.metrics.get(self.metric)
        if value is None and self.truth is not None and self.said is not None:
            found = scores.score(self.signature.task, self.truth, self.said, self.signature.classes)
            value = found.values.get(self.metric)
        return float(value) if value is not None else None

    def evaluated_slices(self) -> list[SliceRow]:
        """The metric by slice when it was evaluated; empty where these rows are gone."""
        rows, truth = self.heldout, self.truth
        if rows is None or truth is None or self.said is None or not self.slices:
            return []
        return slice_table(self.signature.task, self.metric, truth, self.said, rows.columns(self.slices))

    @cached_property
    def model(self) -> Path:
        """The packaged model, whose bytes were looked at. Raises ShedError where it is damaged or missing."""
        return self.shed.objects.verify(self.version.digest)

    def importance(self) -> dict[str, float]:
        """How much the metric loses where a column's values change places, on rows it was evaluated on; else empty.

        Raises:
            RunFailed, ShedError: when the packaged model cannot be run.
        """
        rows, truth = self.heldout, self.truth
        if rows is None or truth is None or rows.raw.suffix != ".parquet" or len(truth) < 2:
            return {}
        feeds = next(chunks(rows.raw, self.signature, stop=len(truth)))
        chosen = np.random.default_rng(0).permutation(len(next(iter(feeds.values()))))[:ASKED]
        scorer = Scorer(self.model, self.signature)
        return permutation_importance(
            scorer.predict_arrays,
            {name: values[chosen] for name, values in feeds.items()},
            truth[chosen],
            self.signature.task,
            self.metric,
        )


def behind(shed: Shed, version: ModelVersion) -> Behind:
    """Find what the run of a version left."""
    run = read_runs.run(shed, version.run_id)
    keys = {stage.name: shed.stage_dir(stage.key) for stage in read_runs.stages(shed, version.run_id) if stage.key}
    try:
        spec = frozen(run.spec, f"run {run.id}")
    except UsageError:  # a model that came from elsewhere, or from a newer trainshed
        spec = None
    left = {name: path for name, path in keys.items() if path.is_dir()}
    signature = Signature.from_json(version.signature)
    return Behind(shed, version, signature, spec, left.get("prepare"), left.get("evaluate"))
