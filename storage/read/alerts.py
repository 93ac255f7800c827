"""Alerts, as people see them and as an agent sends them."""

from __future__ import annotations

from sqlmodel import col, func, select

from storage.errors import UsageError
from storage.shed import Shed
from storage.tables import Alert


def every(shed: Shed, *, project: str | None = None, open_only: bool = False, limit: int = 100) -> list[Alert]:
    """Alerts, the newest first."""
    with shed.reading() as session:
        query = select(Alert).order_by(col(Alert.last_at).desc(), col(Alert.id).desc()).limit(limit)
        if project is not None:
            query = query.where(Alert.project == project)
        if open_only:
            query = query.where(col(Alert.acknowledged_at).is_(None))
        return list(session.exec(query))


def alert(shed: Shed, alert_id: int) -> Alert:
    """Raises UsageError when there is no such alert."""
    with shed.reading() as session:
        found = session.get(Alert, alert_id)
    if found is None:
        raise UsageError(f"no alert {alert_id}", todo="`trainshed alerts list` shows those there are")
    return found


def has(shed: Shed, user: str, project: str, key: str) -> bool:
    """Whether such an alert was ever raised."""
    with shed.reading() as session:
        query = select(Alert.id).where(Alert.user == user, Alert.project == project, Alert.key == key)
        return session.exec(query.limit(1)).first() is not None


def unacknowledged(shed: Shed) -> int:
    """How many nobody has acknowledged, of those that ask for somebody: news do not."""
    query = select(func.count()).where(col(Alert.acknowledged_at).is_(None), Alert.severity != "info")
    with shed.reading() as session:
        return session.exec(query).one()


def to_send(shed: Shed, user: str, host: str) -> list[Alert]:
    """The alerts that a user's agent on this host has still to send, the oldest first."""
    with shed.reading() as session:
        query = select(Alert).where(Alert.user == user, Alert.host == host, Alert.delivery == "pending")
        return list(session.exec(query.order_by(col(Alert.id))))
