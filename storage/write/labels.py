"""Labels: given, taken back, put into a batch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlmodel import col, select, update

from storage.errors import UsageError
from storage.shed import Shed, current_user
from storage.tables import Label


def give(
    shed: Shed,
    *,
    project: str,
    endpoint: str,
    key: tuple[str, int],
    version: int,
    inputs: dict[str, Any],
    why: str,
    label: str,
    held_out: bool,
    by: str | None = None,
) -> Label:
    """Record what a person says of a row; what the same person said of it before is replaced.

    Raises:
        UsageError: when that is in a batch already.
    """
    person, (request, row) = by or current_user(), key
    with shed.writing("labelled", f"project {project}") as write:
        found = _of(write.session, project, request, row, person)
        given = found or Label(
            project=project, endpoint=endpoint, request=request, row=row, version=version, inputs=inputs, why=why,
            by=person, label=label, at=0.0, held_out=held_out,
        )  # fmt: skip
        given.label, given.at = label, time.time()
        write.session.add(given)
        write.session.flush()
        write.detail.update(request=request, row=row, label=label, by=person)
    return given


def take_back(shed: Shed, project: str, key: tuple[str, int], *, by: str | None = None) -> bool:
    """Forget what a person said of a row; False where nothing was said. Raises UsageError as `give`."""
    person, (request, row) = by or current_user(), key
    with shed.writing("label taken back", f"project {project}") as write:
        found = _of(write.session, project, request, row, person)
        if found is not None:
            write.session.delete(found)
        write.detail.update(request=request, row=row, by=person)
    return found is not None


def into_batch(shed: Shed, project: str, ids: Sequence[int], batch: int) -> None:
    """These labels are in a version of the dataset of labels now."""
    with shed.writing("labels saved", f"project {project}") as write:
        write.session.exec(update(Label).where(col(Label.id).in_(ids)).values(batch=batch))
        write.detail.update(batch=batch, labels=len(ids))


def _of(session: Any, project: str, request: str, row: int, by: str) -> Label | None:
    query = select(Label).where(Label.project == project, Label.request == request, Label.row == row, Label.by == by)
    found: Label | None = session.exec(query).first()
    if found is not None and found.batch is not None:
        raise UsageError(f"{by}'s label of {request} is in batch {found.batch} already", expected="one not yet saved")
    return found
