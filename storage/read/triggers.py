"""Triggers and their firings."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from storage.errors import UsageError, nearest
from storage.shed import Shed
from storage.tables import AT_WORK, Firing, Run, Trigger


@dataclass(frozen=True)
class FiringRow:
    """A firing, its trigger, and how its run stands; empty where it has none."""

    firing: Firing
    trigger: Trigger
    run_status: str = ""


@dataclass(frozen=True)
class TriggerRow:
    """A trigger as a list shows it: its last firing, how many it had, and runs that it began."""

    trigger: Trigger
    last: FiringRow | None = None
    firings: int = 0
    runs: int = 0


def every(shed: Shed, *, project: str | None = None) -> list[TriggerRow]:
    """All triggers, by project and name."""
    with shed.reading() as session:
        query = select(Trigger).order_by(Trigger.project, Trigger.name, col(Trigger.id))
        found = session.exec(query if project is None else query.where(Trigger.project == project)).all()
        return [_row(session, trigger) for trigger in found]


def _row(session: Session, trigger: Trigger) -> TriggerRow:
    of_it = Firing.trigger_id == trigger.id
    last = session.exec(select(Firing).where(of_it).order_by(col(Firing.id).desc()).limit(1)).first()
    firings = session.exec(select(func.count()).select_from(Firing).where(of_it)).one()
    runs = session.exec(select(func.count(col(Firing.run_id))).where(of_it)).one()
    return TriggerRow(trigger, _firing_row(session, last, trigger) if last else None, firings, runs)


def _firing_row(session: Session, firing: Firing, trigger: Trigger) -> FiringRow:
    run = session.get(Run, firing.run_id) if firing.run_id is not None else None
    return FiringRow(firing, trigger, run.status if run else "")


def find(shed: Shed, which: str, *, project: str | None = None) -> Trigger:
    """A trigger by its number or its name.

    Raises:
        UsageError: when there is none, or several of the name.
    """
    with shed.reading() as session:
        every = session.exec(select(Trigger)).all()
    digits = which.strip().lower().removeprefix("trigger").lstrip(" #")
    numbered = [trigger for trigger in every if digits.isascii() and digits.isdigit() and trigger.id == int(digits)]
    named = [t for t in every if t.name == which and (project is None or t.project == project)]
    found = named or numbered
    if not found:
        known = [trigger.name for trigger in every]
        raise UsageError(
            f'no trigger "{which}"', todo=nearest(which, known) or "`trainshed triggers list` shows those there are"
        )
    if len(found) > 1:
        numbers = ", ".join(f"{trigger.id} ({trigger.project})" for trigger in found)
        raise UsageError(f'several triggers are called "{which}"', expected=f"one of the numbers {numbers}")
    return found[0]


def trigger(shed: Shed, trigger_id: int) -> Trigger:
    with shed.reading() as session:
        return session.get_one(Trigger, trigger_id)


def active(shed: Shed, user: str, host: str) -> list[Trigger]:
    """The triggers of a user on this host that notice what happens."""
    with shed.reading() as session:
        query = select(Trigger).where(Trigger.user == user, Trigger.host == host, Trigger.status == "active")
        return list(session.exec(query.order_by(col(Trigger.id))))


def open_firings(shed: Shed, user: str, host: str) -> list[Firing]:
    """Firings of a user's triggers on this host that have not ended, the oldest first."""
    with shed.reading() as session:
        query = (
            select(Firing)
            .join(Trigger, col(Trigger.id) == col(Firing.trigger_id))
            .where(Trigger.user == user, Trigger.host == host, Firing.status != "done")
        )
        return list(session.exec(query.order_by(col(Firing.id))))


def history(
    shed: Shed, *, trigger_id: int | None = None, project: str | None = None, limit: int = 50
) -> list[FiringRow]:
    """Firings, the newest first."""
    with shed.reading() as session:
        query = select(Firing, Trigger).join(Trigger, col(Trigger.id) == col(Firing.trigger_id))
        if trigger_id is not None:
            query = query.where(Firing.trigger_id == trigger_id)
        if project is not None:
            query = query.where(Trigger.project == project)
        found = session.exec(query.order_by(col(Firing.id).desc()).limit(limit))
        return [_firing_row(session, firing, trigger) for firing, trigger in found]


def firing(shed: Shed, firing_id: int) -> FiringRow:
    """Raises UsageError when there is no such firing."""
    with shed.reading() as session:
        found = session.get(Firing, firing_id)
        if found is None:
            raise UsageError(f"no firing {firing_id}", todo="`trainshed triggers history` shows those there are")
        return _firing_row(session, found, session.get_one(Trigger, found.trigger_id))


def of_run(shed: Shed, run_id: int) -> FiringRow | None:
    """The firing that began a run; None where a person did."""
    with shed.reading() as session:
        found = session.exec(select(Firing).where(Firing.run_id == run_id).order_by(col(Firing.id))).first()
        return _firing_row(session, found, session.get_one(Trigger, found.trigger_id)) if found else None


def at_work(shed: Shed, trigger: Trigger) -> FiringRow | None:
    """The firing of any trigger of its project whose run, on this host, has not ended; None where there is none."""
    with shed.reading() as session:
        query = (
            select(Firing, Trigger)
            .join(Trigger, col(Trigger.id) == col(Firing.trigger_id))
            .join(Run, col(Run.id) == col(Firing.run_id))
            .where(Trigger.project_dir == trigger.project_dir, Trigger.host == trigger.host)
            .where(Firing.status != "done", col(Run.status).in_(AT_WORK))
            .order_by(col(Firing.id))
        )
        found = session.exec(query).first()
        return _firing_row(session, *found) if found is not None else None


def last_with_data(shed: Shed, trigger_id: int) -> Firing | None:
    """The newest firing that acted on a dataset version: what the next is compared with."""
    with shed.reading() as session:
        acted = col(Firing.decision).not_in(["nothing", "stop"])
        query = select(Firing).where(
            Firing.trigger_id == trigger_id, col(Firing.dataset_version_id).is_not(None), acted
        )
        return session.exec(query.order_by(col(Firing.id).desc()).limit(1)).first()


def has_noticed(shed: Shed, trigger_id: int, key: str) -> bool:
    with shed.reading() as session:
        query = select(Firing.id).where(Firing.trigger_id == trigger_id, Firing.key == key)
        return session.exec(query).first() is not None


def runs_since(shed: Shed, trigger_id: int, since: float) -> list[tuple[float, str]]:
    """When each run of a trigger since then was set off, the oldest first, and its status (empty: it was removed)."""
    with shed.reading() as session:
        query = (
            select(Firing.at, Run.status)
            .outerjoin(Run, col(Run.id) == col(Firing.run_id))
            .where(Firing.trigger_id == trigger_id, col(Firing.run_id).is_not(None), Firing.at >= since)
        )
        return [(at, status or "") for at, status in session.exec(query.order_by(col(Firing.at)))]
