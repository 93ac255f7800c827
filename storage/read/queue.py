"""The queue: what waits, what holds devices, and who has used them how long."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import col, or_, select

from storage.shed import Shed
from storage.tables import DeviceUse, Queued, Run


@dataclass(frozen=True)
class Entry:
    """A run and what it asked of the queue."""

    run: Run
    queued: Queued


def waiting(shed: Shed, host: str | None = None) -> list[Entry]:
    """The runs that wait, in no order that means anything; of one host, or of all."""
    return _entries(shed, "queued", host)


def holding(shed: Shed, host: str | None = None) -> list[Entry]:
    """The runs at work that the queue has started."""
    return _entries(shed, "running", host)


def entry(shed: Shed, run_id: int) -> Entry | None:
    """What a run asked of the queue; None for one that never was in it."""
    with shed.reading() as session:
        queued = session.get(Queued, run_id)
        return Entry(session.get_one(Run, run_id), queued) if queued is not None else None


def statuses(shed: Shed, run_ids: set[int]) -> dict[int, str]:
    """The status of each of these runs that is still known."""
    with shed.reading() as session:
        rows = session.exec(select(Run.id, Run.status).where(col(Run.id).in_(run_ids)))
        return {run_id: status for run_id, status in rows if run_id is not None}


def uses_since(shed: Shed, moment: float, host: str | None = None) -> list[DeviceUse]:
    """Every hold on a device that lasted beyond `moment`, or still lasts."""
    with shed.reading() as session:
        query = select(DeviceUse).where(or_(col(DeviceUse.ended_at).is_(None), col(DeviceUse.ended_at) > moment))
        if host is not None:
            query = query.where(DeviceUse.host == host)
        return list(session.exec(query))


def unended(shed: Shed, user: str, host: str) -> list[Run]:
    """The user's runs on this host that are said to be running."""
    with shed.reading() as session:
        query = select(Run).where(Run.status == "running", Run.user == user, Run.host == host)
        return list(session.exec(query))


def _entries(shed: Shed, status: str, host: str | None) -> list[Entry]:
    with shed.reading() as session:
        query = select(Run, Queued).join(Queued, col(Queued.run_id) == col(Run.id)).where(Run.status == status)
        if host is not None:
            query = query.where(Run.host == host)
        return [Entry(run, queued) for run, queued in session.exec(query)]
