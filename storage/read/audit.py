"""Who changed what."""

from __future__ import annotations

from sqlmodel import col, select

from storage.shed import Shed
from storage.tables import Audit


def of(shed: Shed, subject: str) -> list[Audit]:
    """All changes of one subject, such as `run 12`, oldest first."""
    with shed.reading() as session:
        return list(session.exec(select(Audit).where(Audit.subject == subject).order_by(col(Audit.id))))
