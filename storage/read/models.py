"""Models, their versions, aliases and history."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlmodel import col, select

from storage.errors import UsageError, nearest
from storage.shed import Shed
from storage.tables import Alias, Decision, Model, ModelVersion


@dataclass
class ModelRow:
    """A model as a list shows it: its versions, newest first, and which of them each alias names (by number)."""

    model: Model
    versions: list[ModelVersion] = field(default_factory=list)
    aliases: dict[str, int] = field(default_factory=dict)


def every(shed: Shed) -> list[ModelRow]:
    with shed.reading() as session:
        names = list(session.exec(select(Model.name).order_by(Model.name)))
    return [row(shed, name) for name in names]


def find(shed: Shed, name: str) -> Model | None:
    with shed.reading() as session:
        return session.exec(select(Model).where(Model.name == name)).first()


def row(shed: Shed, name: str) -> ModelRow:
    """Raises UsageError with the nearest name when there is no such model."""
    with shed.reading() as session:
        model = session.exec(select(Model).where(Model.name == name)).first()
        if model is None:
            known = list(session.exec(select(Model.name)))
            raise UsageError(
                f'no model "{name}"', todo=nearest(name, known) or "`trainshed models list` shows the models there are"
            )
        query = select(ModelVersion).where(ModelVersion.model_id == model.id)
        versions = list(session.exec(query.order_by(col(ModelVersion.number).desc())))
        numbers = {version.id: version.number for version in versions}
        aliases = session.exec(select(Alias).where(Alias.model_id == model.id).order_by(Alias.name))
        return ModelRow(model, versions, {alias.name: numbers[alias.version_id] for alias in aliases})


def version(shed: Shed, name: str, which: str | None = None) -> ModelVersion:
    """One version by number (`3` or `v3`) or alias; by default production, else the newest.

    Raises:
        UsageError: when there is none, with what there is.
    """
    found = row(shed, name)
    number: int | None
    if which is None:
        number = found.aliases.get("production", found.versions[0].number if found.versions else None)
    elif which in found.aliases:
        number = found.aliases[which]
    else:
        digits = which.removeprefix("v")
        number = int(digits) if digits.isdigit() else None
    for candidate in found.versions:
        if candidate.number == number:
            return candidate
    raise UsageError(
        f'model "{name}" has no version or alias {which or ""}'.rstrip(),
        expected=", ".join([*found.aliases, *(f"v{v.number}" for v in found.versions[:10])]),
        todo=nearest(which or "", found.aliases),
    )


def version_by_id(shed: Shed, version_id: int) -> tuple[Model, ModelVersion]:
    with shed.reading() as session:
        found = session.get_one(ModelVersion, version_id)
        return session.get_one(Model, found.model_id), found


def with_digest(shed: Shed, name: str, digest: str) -> ModelVersion | None:
    with shed.reading() as session:
        query = select(ModelVersion).join(Model, col(Model.id) == col(ModelVersion.model_id))
        return session.exec(query.where(Model.name == name, ModelVersion.digest == digest)).first()


def aliased(shed: Shed, name: str, alias: str) -> ModelVersion | None:
    """The version that an alias names; None where there is no such alias or model."""
    with shed.reading() as session:
        query = (
            select(ModelVersion)
            .join(Alias, col(Alias.version_id) == col(ModelVersion.id))
            .join(Model, col(Model.id) == col(Alias.model_id))
        )
        return session.exec(query.where(Model.name == name, Alias.name == alias)).first()


def of_run(shed: Shed, run_id: int) -> list[ModelVersion]:
    with shed.reading() as session:
        return list(session.exec(select(ModelVersion).where(ModelVersion.run_id == run_id)))


def history(shed: Shed, name: str) -> list[Decision]:
    """Every decision about the model, oldest first."""
    found = row(shed, name)
    with shed.reading() as session:
        query = select(Decision).where(Decision.model_id == found.model.id).order_by(col(Decision.id))
        return list(session.exec(query))


def latest_gate(shed: Shed, version_id: int) -> Decision | None:
    """The newest gate decision about a version."""
    with shed.reading() as session:
        query = select(Decision).where(Decision.version_id == version_id, Decision.kind == "gate")
        return session.exec(query.order_by(col(Decision.id).desc())).first()
