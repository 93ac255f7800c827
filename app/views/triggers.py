"""Triggers, firings and alerts as rows and facts."""

from __future__ import annotations

from typing import Any

from app.output import At, Styled, Table
from runners.actions.watches import Watch
from storage.read.triggers import FiringRow
from storage.tables import Alert

SEVERITY_STYLE = {"info": "dim", "warning": "yellow", "critical": "red bold"}


def trigger_facts(watch: Watch) -> dict[str, Any]:
    row, trigger = watch.row, watch.row.trigger
    return {
        "trigger": trigger.id,
        "name": trigger.name,
        "project": trigger.project,
        "on": trigger.kind,
        "do": trigger.spec.get("do", "retrain"),
        "then": trigger.spec.get("then"),
        "status": trigger.status,
        "reason": trigger.reason,
        "fault": watch.fault,
        "note": trigger.note,
        "user": trigger.user,
        "next_at": trigger.next_at,
        "left_out": {path: entry["why"] for path, entry in trigger.left_out.items()},
        "firings": row.firings,
        "runs": row.runs,
        "last": firing_facts(row.last) if row.last else None,
    }


def firing_facts(row: FiringRow) -> dict[str, Any]:
    firing = row.firing
    return {
        "firing": firing.id,
        "trigger": row.trigger.name,
        "project": row.trigger.project,
        "at": firing.at,
        "status": firing.status,
        "decision": firing.decision,
        "why": firing.why,
        "run": firing.run_id,
        "run_status": row.run_status,
        "outcome": firing.outcome,
        "evidence": firing.evidence,
    }


def trigger_table(watches: list[Watch]) -> Table:
    table = Table(["trigger", "name", "project", "on", "status", "fired", "runs", "last"], align="rllllrrl")
    table.rows = [
        [
            str(row.trigger.id),
            row.trigger.name,
            row.trigger.project,
            row.trigger.kind,
            _status(watch),
            At(row.last.firing.at) if row.last else None,
            row.runs,
            told(row.last) if row.last else "",
        ]
        for watch, row in ((each, each.row) for each in watches)
    ]
    return table


def _status(watch: Watch) -> Any:
    trigger = watch.row.trigger
    if trigger.status == "paused":
        return Styled(f"paused: {trigger.reason}", "yellow")
    return Styled(watch.fault, "yellow") if watch.fault else trigger.note or "watches"


def told(row: FiringRow) -> str:
    """What was decided, why, and what came of it, in one line."""
    firing = row.firing
    came = firing.outcome or (f"run {firing.run_id} is {row.run_status or 'gone'}" if firing.run_id else "")
    if firing.status == "waiting":
        came = f"trainshed triggers approve {firing.id}"
    return f"{firing.decision}: {firing.why}" + (f" → {came}" if came else "")


def firing_table(rows: list[FiringRow]) -> Table:
    table = Table(["firing", "at", "trigger", "decision", "why", "run", "came to"], align="rllllrl")
    table.rows = [
        [
            str(row.firing.id),
            At(row.firing.at),
            row.trigger.name,
            Styled(row.firing.decision, "yellow") if row.firing.decision == "stop" else row.firing.decision,
            row.firing.why,
            str(row.firing.run_id) if row.firing.run_id else "",
            row.firing.outcome or row.run_status or ("waits for you" if row.firing.status == "waiting" else ""),
        ]
        for row in rows
    ]
    return table


def alert_facts(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.id,
        "at": alert.at,
        "last_at": alert.last_at,
        "count": alert.count,
        "project": alert.project,
        "severity": alert.severity,
        "title": alert.title,
        "body": alert.body,
        "subject": alert.subject,
        "delivery": alert.delivery,
        "tries": alert.tries,
        "error": alert.error,
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_by": alert.acknowledged_by,
    }


def alert_table(alerts: list[Alert]) -> Table:
    table = Table(["alert", "at", "severity", "what", "times", "sent"], align="rlllrl")
    table.rows = [
        [
            str(alert.id),
            At(alert.last_at),
            Styled(alert.severity, SEVERITY_STYLE.get(alert.severity, "")),
            alert.title + (f" (seen by {alert.acknowledged_by})" if alert.acknowledged_by else ""),
            alert.count,
            _delivery(alert),
        ]
        for alert in alerts
    ]
    return table


def _delivery(alert: Alert) -> Any:
    if alert.delivery == "sent":
        return At(alert.sent_at)
    if alert.error:
        again = "given up" if alert.delivery == "failed" else f"tried {alert.tries}×, goes on"
        return Styled(f"{again}: {alert.error}", "red")
    if alert.delivery == "listed":
        return "only listed"
    return "quiet hours" if alert.next_try_at else "at once"
