"""The breaker: a trigger that seems to feed itself is paused, and people are told at once."""

from __future__ import annotations

from storage.shed import Shed
from storage.tables import Trigger
from storage.write import alerts as write_alerts
from storage.write import triggers as write_triggers


def break_off(shed: Shed, trigger: Trigger, why: str) -> None:
    """Pause it, with a critical alert."""
    write_triggers.pause(shed, trigger.id or 0, why)
    write_alerts.raise_alert(
        shed,
        project=trigger.project,
        key=f"trigger {trigger.id} broke",
        severity="critical",
        title=f"{trigger.project}/{trigger.name}: paused, {why}",
        body=f"when its cause is gone: trainshed triggers resume {trigger.id}",
        subject=f"trigger {trigger.id}",
    )
