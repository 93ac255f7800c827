"""The verbs of alerts: list, acknowledge, try out whether they arrive."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runners.agency import starting
from runners.agency.home import Home
from runners.alerting import addresses
from runners.alerting.sending import send
from storage.errors import RunFailed, UsageError
from storage.read import alerts as read_alerts
from storage.shed import Shed, current_user
from storage.tables import Alert
from storage.write import alerts as write_alerts


@dataclass(frozen=True)
class Tested:
    """How many addresses took a test message."""

    sent: int


def listing(shed: Shed, *, project: str | None = None, open_only: bool = False, limit: int = 100) -> list[Alert]:
    """Alerts, the newest first."""
    return read_alerts.every(shed, project=project, open_only=open_only, limit=limit)


def acknowledge(shed: Shed, alert_ids: Sequence[int] = (), *, project: str | None = None) -> int:
    """Say that somebody has seen these; without any, all of the project. Returns how many were open before.

    Raises:
        UsageError: when there is no such alert; none is acknowledged then.
    """
    ids = list(alert_ids) or [alert.id or 0 for alert in listing(shed, project=project, open_only=True, limit=10_000)]
    for alert_id in ids:
        read_alerts.alert(shed, alert_id)
    return write_alerts.acknowledge(shed, ids)


def attempt(shed: Shed, project_dir: Path) -> Tested:
    """Send a message to every address of the project's `[alerts]` as they are now; alerts go there from then on.

    Raises:
        UsageError: where there is none.
        RunFailed: with each that did not take it.
    """
    from storage.project import load_project

    spec = load_project(project_dir)
    home = Home(shed)
    missing = addresses.keep(home, spec.project.name, spec.alerts, project_dir, os.environ)
    if missing:
        raise UsageError("\n".join(missing), todo="set it, in the environment or in the file, then this again")
    book = addresses.find(home, spec.project.name)
    to = addresses.addresses(book) if book is not None else []
    if not to:
        place = str(project_dir / "trainshed.toml")
        raise UsageError("[alerts] has nobody to send to", place=place, todo='[alerts] to = ["env:ALERT_URL"]')
    title = f"{spec.project.name}: a test of alerts by {current_user()}"
    faults = [fault for fault in (send(each, title=title, body=title, severity="info") for each in to) if fault]
    if faults:
        raise RunFailed(f"{len(faults)} of {len(to)} addresses did not take it: " + "; ".join(faults))
    if spec.alerts.report:
        starting.ensure(shed)
    return Tested(len(to))
