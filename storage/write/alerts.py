"""Alerts: raised, counted up, sent, acknowledged."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from sqlmodel import col, select

from storage.shed import Shed, current_user
from storage.tables import Alert

if TYPE_CHECKING:
    from storage.trigger_section import Severity

REPORT = "report"  # the subject of one
SAME_FOR_S = 24 * 3600.0  # the same trouble after so long is told again, acknowledged or not


def raise_alert(
    shed: Shed,
    *,
    project: str,
    key: str,
    severity: Severity,
    title: str,
    body: str = "",
    subject: str = "",
    user: str | None = None,
) -> Alert:
    """Record an alert; the user's agent sends it on. The same `key` again, unacknowledged, only counts up.

    `key` says what it is about, such as `run 12 failed`: equal keys of one project are one trouble.
    """
    now, owner = time.time(), user or current_user()
    with shed.writing("alert raised", f"project {project}") as write:
        known = write.session.exec(
            select(Alert)
            .where(
                Alert.user == owner,
                Alert.project == project,
                Alert.key == key,
                col(Alert.acknowledged_at).is_(None),
                Alert.last_at > now - SAME_FOR_S,
            )
            .order_by(col(Alert.id).desc())
        ).first()
        if known is not None:
            known.count += 1
            known.last_at, known.body = now, body
            write.session.add(known)
            write.action, write.subject = "alert raised again", f"alert {known.id}"
            return known
        alert = Alert(
            at=now, last_at=now, user=owner, host=socket.gethostname(), project=project, key=key, severity=severity,
            title=title, body=body, subject=subject, delivery="pending",
        )  # fmt: skip
        write.session.add(alert)
        write.session.flush()
        write.subject = f"alert {alert.id}"
        write.detail.update(severity=severity, title=title)
    return alert


def report(shed: Shed, *, project: str, key: str, title: str, body: str) -> bool:
    """Have a report sent, which nobody needs to acknowledge; False where one of this key was made before."""
    now, owner = time.time(), current_user()
    with shed.writing("report made", f"project {project}") as write:
        known = select(Alert.id).where(Alert.user == owner, Alert.project == project, Alert.key == key)
        if write.session.exec(known.limit(1)).first() is not None:
            write.action = "report was made before"
            return False
        alert = Alert(
            at=now, last_at=now, user=owner, host=socket.gethostname(), project=project, key=key, severity="info",
            title=title, body=body, subject=REPORT, delivery="pending", acknowledged_at=now,
        )  # fmt: skip
        write.session.add(alert)
    return True


def delivered(shed: Shed, alert_id: int, delivery: str) -> None:
    """It was `sent`, or is only `listed`: there is nobody to send it to."""
    with shed.writing(f"alert {delivery}", f"alert {alert_id}") as write:
        alert = write.session.get_one(Alert, alert_id)
        alert.delivery, alert.error, alert.next_try_at = delivery, "", None
        alert.sent_at = time.time() if delivery == "sent" else None
        alert.tries += 1 if delivery == "sent" else 0
        write.session.add(alert)


def postponed(shed: Shed, alert_id: int, until: float) -> None:
    """It will be sent when the quiet hours are over."""
    with shed.writing("alert postponed", f"alert {alert_id}") as write:
        alert = write.session.get_one(Alert, alert_id)
        alert.next_try_at = until
        write.session.add(alert)


def not_delivered(shed: Shed, alert_id: int, error: str, next_try_at: float | None) -> None:
    """It could not be sent, and will be tried again then; None: it is given up."""
    with shed.writing("alert not sent", f"alert {alert_id}") as write:
        alert = write.session.get_one(Alert, alert_id)
        alert.tries += 1
        alert.error, alert.next_try_at = error, next_try_at
        alert.delivery = "pending" if next_try_at is not None else "failed"
        write.session.add(alert)
        write.detail.update(error=error)


def acknowledge(shed: Shed, alert_ids: list[int]) -> int:
    """Somebody has seen these; returns how many had not been acknowledged before."""
    now, count = time.time(), 0
    with shed.writing("alerts acknowledged", f"user {current_user()}") as write:
        for alert_id in alert_ids:
            alert = write.session.get(Alert, alert_id)
            if alert is not None and alert.acknowledged_at is None:
                alert.acknowledged_at, alert.acknowledged_by = now, current_user()
                write.session.add(alert)
                count += 1
        write.detail.update(alerts=alert_ids)
    return count
