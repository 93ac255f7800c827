"""What happened since a moment: runs that ended, decisions about models, new data; and what is going on now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import col, select

from storage.shed import Shed
from storage.tables import (
    Alias,
    Dataset,
    DatasetVersion,
    Decision,
    Firing,
    Model,
    ModelVersion,
    Rollout,
    Run,
    Seen,
    Sweep,
    Trigger,
)


@dataclass(frozen=True)
class Ran:
    """A run in a few words. `reason` may have several lines."""

    id: int
    name: str
    project: str
    user: str
    status: str
    reason: str
    ended_at: float | None


@dataclass(frozen=True)
class Decided:
    """A decision about a model version; `previous` is the number of the version that the alias named before."""

    model: str
    version: int
    kind: str
    alias: str
    user: str
    reason: str
    at: float
    previous: int | None


def seen_at(shed: Shed, user: str) -> float | None:
    """When the user last looked; None for never."""
    with shed.reading() as session:
        found = session.get(Seen, user)
        return found.at if found is not None else None


def ended_since(shed: Shed, since: float) -> list[Ran]:
    """Runs that ended after `since`, the newest end first."""
    query = _RAN.where(col(Run.ended_at) > since).order_by(col(Run.ended_at).desc())
    with shed.reading() as session:
        return [Ran(*row) for row in session.exec(query)]


def at_work(shed: Shed) -> list[Ran]:
    """Runs that are running, and those that wait in the queue."""
    query = _RAN.where(col(Run.status).in_(("running", "queued")))
    with shed.reading() as session:
        return [Ran(*row) for row in session.exec(query.order_by(col(Run.id)))]


def decisions_since(shed: Shed, since: float) -> list[Decided]:
    """What was decided about model versions after `since`, the newest first; the gate's own verdicts left out."""
    with shed.reading() as session:
        query = (
            select(Decision, Model.name, ModelVersion.number)
            .join(Model, col(Model.id) == col(Decision.model_id))
            .join(ModelVersion, col(ModelVersion.id) == col(Decision.version_id))
            .where(col(Decision.at) > since, Decision.kind != "gate")
            .order_by(col(Decision.id).desc())
        )
        rows = list(session.exec(query))
        before = {decision.previous_id for decision, _, _ in rows} - {None}
        pairs = session.exec(select(ModelVersion.id, ModelVersion.number).where(col(ModelVersion.id).in_(before)))
        numbers = dict(pairs.all())
        return [
            Decided(model, number, d.kind, d.alias, d.user, d.reason, d.at, numbers.get(d.previous_id))
            for d, model, number in rows
        ]


def canaries_since(shed: Shed, since: float) -> list[tuple[Rollout, int]]:
    """Canaries that were promoted or given up after `since`, the newest end first, with their version's number."""
    with shed.reading() as session:
        query = select(Rollout, ModelVersion.number).join(ModelVersion, col(ModelVersion.id) == col(Rollout.version_id))
        found = query.where(col(Rollout.ended_at) > since, Rollout.kind == "canary")
        return list(session.exec(found.order_by(col(Rollout.ended_at).desc())))


def awaiting(shed: Shed) -> list[tuple[str, int, float]]:
    """Candidates that passed the gate and wait for a person: model, version, since when."""
    with shed.reading() as session:
        query = (
            select(Model.name, ModelVersion.number, Alias.moved_at)
            .join(Alias, col(Alias.model_id) == col(Model.id))
            .join(ModelVersion, col(ModelVersion.id) == col(Alias.version_id))
            .where(Alias.name == "candidate", ModelVersion.status == "passed")
            .order_by(Model.name)
        )
        return list(session.exec(query))


def data_since(shed: Shed, since: float) -> list[tuple[str, DatasetVersion]]:
    """Dataset versions made after `since`, the newest first."""
    with shed.reading() as session:
        query = select(Dataset.name, DatasetVersion).join(Dataset, col(Dataset.id) == col(DatasetVersion.dataset_id))
        found = query.where(col(DatasetVersion.created_at) > since).order_by(col(DatasetVersion.id).desc())
        return list(session.exec(found))


def firings_since(shed: Shed, since: float) -> list[tuple[str, str, Firing]]:
    """What triggers noticed after `since`, the newest first, with their project and name; how they began left out."""
    with shed.reading() as session:
        query = select(Trigger.project, Trigger.name, Firing).join(Trigger, col(Trigger.id) == col(Firing.trigger_id))
        found = query.where(col(Firing.at) > since, Firing.decision != "begin").order_by(col(Firing.id).desc())
        return list(session.exec(found))


def asking(shed: Shed) -> list[tuple[str, str, Firing]]:
    """Firings that wait for a person's yes, with the project and name of their trigger."""
    with shed.reading() as session:
        query = select(Trigger.project, Trigger.name, Firing).join(Trigger, col(Trigger.id) == col(Firing.trigger_id))
        return list(session.exec(query.where(Firing.status == "waiting").order_by(col(Firing.id))))


def sweeps_since(shed: Shed, since: float) -> list[Sweep]:
    """Sweeps that ended after `since`, the newest first."""
    with shed.reading() as session:
        query = select(Sweep).where(col(Sweep.ended_at) > since).order_by(col(Sweep.ended_at).desc())
        return list(session.exec(query))


_RAN = select(Run.id, Run.name, Run.project, Run.user, Run.status, Run.reason, Run.ended_at)  # type: ignore[call-overload]
