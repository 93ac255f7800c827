"""The questions behind lineage: who refers to what."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import String, cast
from sqlmodel import Session, SQLModel, col, select

from storage import manifests
from storage.errors import ShedError
from storage.shed import Shed
from storage.tables import Artifact, DatasetVersion, ModelVersion, Run, Stage


@dataclass(frozen=True)
class Match:
    """One place where a digest stands: `what` it is there, and the row it belongs to."""

    digest: str
    what: str
    owner: str
    owner_id: int


def stages_cached_from(shed: Shed, run_id: int) -> dict[int, list[str]]:
    """Other runs that took over stages of this one → their names."""
    found: dict[int, list[str]] = {}
    with shed.reading() as session:
        query = select(Stage.run_id, Stage.name).where(Stage.cached_from == run_id).order_by(col(Stage.id))
        for other, name in session.exec(query):
            found.setdefault(other, []).append(name)
    return found


def versions_after(shed: Shed, version_id: int) -> list[ModelVersion]:
    """Versions that were made while this one was in production."""
    with shed.reading() as session:
        query = select(ModelVersion).where(ModelVersion.parent_version_id == version_id)
        return list(session.exec(query.order_by(col(ModelVersion.id))))


def runs_of_dataset_version(shed: Shed, version_id: int) -> list[Run]:
    """Newest first."""
    with shed.reading() as session:
        return list(session.exec(select(Run).where(Run.dataset_version_id == version_id).order_by(col(Run.id).desc())))


def versions_of_dataset_version(shed: Shed, version_id: int) -> list[ModelVersion]:
    """Newest first."""
    with shed.reading() as session:
        query = select(ModelVersion).where(ModelVersion.dataset_version_id == version_id)
        return list(session.exec(query.order_by(col(ModelVersion.id).desc())))


def digest_matches(shed: Shed, prefix: str) -> list[Match]:
    """Where digests that begin with `prefix` (hexadecimal digits) stand: in rows, in frozen code, in manifests."""
    with shed.reading() as session:
        found = [*_in_rows(session, prefix), *_in_code(session, prefix)]
        versions = list(session.exec(select(DatasetVersion)))
    for version in versions:
        try:
            files = list(manifests.load(shed.objects, version.manifest).entries())
        except ShedError:  # a damaged manifest hides its own files alone
            continue
        for file in files:
            if file.blake3.startswith(prefix):
                found.append(Match(file.blake3, f"the file {file.path}", "dataset version", version.id or 0))
    return found


def _in_rows(session: Session, prefix: str) -> list[Match]:
    found: list[Match] = []
    places: list[tuple[type[SQLModel], str, str, str, str]] = [
        (ModelVersion, "digest", "a packaged model", "model version", "id"),
        (ModelVersion, "card", "a model card", "model version", "id"),
        (Artifact, "digest", "an artifact", "run", "run_id"),
        (DatasetVersion, "content", "the content of a dataset version", "dataset version", "id"),
        (DatasetVersion, "manifest", "a manifest", "dataset version", "id"),
        (Run, "code", "a run's code", "run", "id"),
    ]
    for table, column, what, owner, key in places:
        digest, owner_id = getattr(table, column), getattr(table, key)
        for value, number in session.exec(select(digest, owner_id).where(digest.startswith(prefix))):
            found.append(Match(value, what, owner, number))
    return found


def _in_code(session: Session, prefix: str) -> list[Match]:
    """Frozen code files: their digests stand in the snapshot of a run."""
    query = select(Run.id, Run.snapshot).where(cast(Run.snapshot, String).contains(f'"{prefix}'))
    return [
        Match(digest, f"the code file {path}", "run", run_id or 0)
        for run_id, snapshot in session.exec(query)
        for path, digest in (snapshot.get("files") or {}).items()
        if str(digest).startswith(prefix)
    ]
