"""What people said of predictions."""

from __future__ import annotations

from sqlmodel import col, select

from storage.shed import Shed
from storage.tables import Label


def of_project(shed: Shed, project: str) -> list[Label]:
    """All labels of a project, the oldest first."""
    with shed.reading() as session:
        return list(session.exec(select(Label).where(Label.project == project).order_by(col(Label.id))))
