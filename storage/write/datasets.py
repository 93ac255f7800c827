"""New datasets and dataset versions."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlmodel import Session, col, select

from storage.errors import UsageError
from storage.names import checked_name
from storage.shed import Shed, current_user
from storage.tables import Dataset, DatasetVersion


@dataclass(frozen=True)
class NewVersion:
    """What is known of a version before it has a number."""

    content: str
    manifest: str
    files: int
    rows: int | None
    bytes: int
    by_reference: bool = False
    note: str = ""


def add_version(shed: Shed, name: str, kind: str, new: NewVersion) -> tuple[DatasetVersion, bool]:
    """Record a version, and its dataset where that is new. Returns it and whether it was made now.

    Content that the dataset has had before is that older version: nothing is made.
    """
    checked_name(name, "dataset")
    with shed.reading() as session:
        known = _same_content(session, name, new.content)
        if known:
            return known, False
    with shed.writing("dataset version added", f"dataset {name}") as write:
        session = write.session
        dataset = session.exec(select(Dataset).where(Dataset.name == name)).first()
        if dataset is None:
            dataset = Dataset(name=name, kind=kind, created_at=time.time(), created_by=current_user())
            session.add(dataset)
            session.flush()
        if dataset.kind != kind:
            raise UsageError(f'dataset "{name}" is of kind {dataset.kind}, not {kind}', todo="give it another name")
        known = _same_content(session, name, new.content)  # another process may have been faster
        if known:
            write.action = "dataset version seen again"
            return known, False
        last = session.exec(
            select(DatasetVersion.number)
            .where(DatasetVersion.dataset_id == dataset.id)
            .order_by(col(DatasetVersion.number).desc())
        ).first()
        version = DatasetVersion(
            dataset_id=dataset.id or 0,
            number=(last or 0) + 1,
            created_at=time.time(),
            created_by=current_user(),
            **vars(new),
        )
        session.add(version)
        session.flush()
        write.detail.update(version=version.number, files=new.files, rows=new.rows, bytes=new.bytes)
        return version, True


def _same_content(session: Session, name: str, content: str) -> DatasetVersion | None:
    return session.exec(
        select(DatasetVersion)
        .join(Dataset, col(Dataset.id) == col(DatasetVersion.dataset_id))
        .where(Dataset.name == name, DatasetVersion.content == content)
    ).first()
