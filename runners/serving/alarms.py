"""What an endpoint raises alerts for: one form for all, so that they are found by `endpoint NAME`."""

from __future__ import annotations

from storage.shed import Shed
from storage.tables import Endpoint
from storage.trigger_section import Severity
from storage.write import alerts as write_alerts


def raised(shed: Shed, endpoint: Endpoint, key: str, severity: Severity, told: str, body: str = "") -> None:
    """Raise an alert about an endpoint; the same key again counts up."""
    write_alerts.raise_alert(
        shed,
        project=endpoint.model,
        key=f"endpoint {endpoint.name}: {key}",
        severity=severity,
        title=f"{endpoint.name}: {told}",
        body=body,
        subject=f"endpoint {endpoint.name}",
        user=endpoint.user,
    )
