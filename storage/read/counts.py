"""How many of what there are: for a header that is always in view."""

from __future__ import annotations

from sqlmodel import col, func, select

from storage.read.alerts import unacknowledged
from storage.read.digest import asking, awaiting
from storage.shed import Shed
from storage.tables import Run


def runs_by_status(shed: Shed, project: str | None = None) -> dict[str, int]:
    """Status → number of runs."""
    query = select(Run.status, func.count()).group_by(col(Run.status))
    if project is not None:
        query = query.where(Run.project == project)
    with shed.reading() as session:
        return {status: int(count) for status, count in session.exec(query)}


def for_somebody(shed: Shed) -> int:
    """What waits for a person: model versions and firings to approve, alerts to see."""
    return len(awaiting(shed)) + len(asking(shed)) + unacknowledged(shed)
