"""What of the shed's files belongs to which dataset, run and model."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlmodel import col, func, select

from storage.shed import Shed
from storage.tables import Artifact, Dataset, DatasetVersion, Model, ModelVersion, Run, Stage


@dataclass(frozen=True)
class RunPlace:
    """A run as far as its files ask: one that has ended adds nothing to its directory."""

    id: int
    name: str
    ended_at: float | None


@dataclass
class Belongings:
    """By dataset the manifests of its versions; the first run of each stage key; by run what it saved; by model the
    ONNX and the card of each version."""

    manifests: dict[str, list[str]] = field(default_factory=dict)
    runs: list[RunPlace] = field(default_factory=list)
    stages: dict[str, int] = field(default_factory=dict)
    artifacts: dict[int, set[str]] = field(default_factory=dict)
    models: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)


def belongings(shed: Shed) -> Belongings:
    """All of it, of one moment."""
    found = Belongings()
    with shed.reading() as session:
        named = select(Dataset.name, DatasetVersion.manifest).join(
            DatasetVersion, col(DatasetVersion.dataset_id) == Dataset.id
        )
        for dataset, manifest in session.exec(named):
            found.manifests.setdefault(dataset, []).append(manifest)
        for run_id, name, ended_at in session.exec(select(Run.id, Run.name, Run.ended_at)):
            found.runs.append(RunPlace(run_id or 0, name, ended_at))
        first = select(Stage.key, func.min(Stage.run_id)).where(Stage.key != "").group_by(Stage.key)
        found.stages = dict(session.exec(first).all())
        for of_run, digest in session.exec(select(Artifact.run_id, Artifact.digest)):
            found.artifacts.setdefault(of_run, set()).add(digest)
        versions = select(Model.name, ModelVersion.digest, ModelVersion.card).join(
            ModelVersion, col(ModelVersion.model_id) == Model.id
        )
        for model, onnx, card in session.exec(versions):
            found.models.setdefault(model, []).append((onnx, card) if card else (onnx,))
    return found
