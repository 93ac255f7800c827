"""Datasets and their versions."""

from __future__ import annotations

from sqlmodel import col, select

from storage.errors import UsageError, nearest
from storage.shed import Shed
from storage.tables import Dataset, DatasetVersion


def every(shed: Shed) -> list[tuple[Dataset, DatasetVersion | None]]:
    """Each dataset with its newest version, by name."""
    with shed.reading() as session:
        found = session.exec(select(Dataset).order_by(Dataset.name)).all()
        newest = {v.dataset_id: v for v in session.exec(select(DatasetVersion).order_by(col(DatasetVersion.number)))}
    return [(dataset, newest.get(dataset.id or 0)) for dataset in found]


def find(shed: Shed, name: str) -> Dataset | None:
    with shed.reading() as session:
        return session.exec(select(Dataset).where(Dataset.name == name)).first()


def dataset(shed: Shed, name: str) -> Dataset:
    """Raises UsageError with the nearest name when there is none."""
    found = find(shed, name)
    if found is None:
        known = [d.name for d, _ in every(shed)]
        raise UsageError(
            f'no dataset "{name}"',
            expected="one of " + ", ".join(known) if known else "",
            todo=nearest(name, known) or "`trainshed data list` shows them, `trainshed data add` makes one",
        )
    return found


def versions(shed: Shed, name: str) -> list[DatasetVersion]:
    """All versions, oldest first."""
    found = dataset(shed, name)
    with shed.reading() as session:
        query = select(DatasetVersion).where(DatasetVersion.dataset_id == found.id).order_by(col(DatasetVersion.number))
        return list(session.exec(query))


def version(shed: Shed, name: str, number: int | None = None) -> DatasetVersion:
    """One version, the newest by default. Raises UsageError naming the versions there are."""
    found = versions(shed, name)
    if not found:
        raise UsageError(f'dataset "{name}" has no version yet', todo="`trainshed data add` makes one")
    if number is None:
        return found[-1]
    for candidate in found:
        if candidate.number == number:
            return candidate
    raise UsageError(f'dataset "{name}" has no version {number}', expected=f"1 to {found[-1].number}")


def version_by_id(shed: Shed, version_id: int) -> tuple[Dataset, DatasetVersion]:
    with shed.reading() as session:
        found = session.get_one(DatasetVersion, version_id)
        return session.get_one(Dataset, found.dataset_id), found
