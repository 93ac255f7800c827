"""The scheduled report: what endpoints did, what drifted, which runs ended, since the report before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from runners.alerting.quiet import clock
from storage.errors import TrainshedError
from storage.read import alerts as read_alerts
from storage.read import digest as read_digest
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.read import triggers as read_triggers
from storage.shed import Shed

LATE_S = 12 * 3600.0  # a report that nobody could make for so long is left out
NOTICEABLE = 0.1  # PSI: what the field reads as a shift
MOST = 3  # of a kind that a report names


def due(times: Sequence[str], timezone: str, now: float) -> tuple[float, float] | None:
    """The last moment at or before `now` that the times name, by the clocks of that zone, and the one before it.

    Several that were missed are one. None without times, or where it is long past.
    """
    moments = sorted(_around(times, timezone, now))
    past = [moment for moment in moments if moment <= now]
    if len(past) < 2 or now - past[-1] > LATE_S:
        return None
    return past[-1], past[-2]


def _around(times: Sequence[str], timezone: str, now: float) -> set[float]:
    zone = ZoneInfo(timezone)
    today = datetime.fromtimestamp(now, zone).date()
    days = [today + timedelta(days=day) for day in (-2, -1, 0)]
    return {datetime.combine(day, clock(text), zone).astimezone(UTC).timestamp() for day in days for text in times}


def text(shed: Shed, project: str, since: float, until: float) -> str:
    """The report of a project, some lines."""
    return "\n".join(_lines(shed, project, since, until))


def _lines(shed: Shed, project: str, since: float, until: float) -> Iterator[str]:
    production = read_models.aliased(shed, project, "production")
    yield f"production: {f'v{production.number}' if production is not None else 'nothing yet'}"
    for endpoint in read_endpoints.every(shed):
        if endpoint.model == project:
            yield from _of_endpoint(shed, endpoint.name, until - since)
    for canary, number in read_digest.canaries_since(shed, since):
        if canary.model == project:
            ended = "promoted" if canary.status == "promoted" else "given up"
            yield f"canary v{number} of {canary.endpoint} {ended}: {canary.reason}"
    ran = Counter(run.status for run in read_digest.ended_since(shed, since) if run.project == project)
    yield "runs: " + (", ".join(f"{count} {status}" for status, count in sorted(ran.items())) or "none ended")
    fired = [row.firing for row in read_triggers.history(shed, project=project) if row.firing.at >= since]
    for firing in fired[:MOST]:
        yield f"trigger: {firing.decision}: {firing.why}"
    waiting = sum(1 for alert in read_alerts.every(shed, project=project, open_only=True, limit=1000))
    if waiting:
        yield f"alerts that nobody has seen: {waiting}"


def _of_endpoint(shed: Shed, name: str, window_s: float) -> Iterator[str]:
    from runners.actions.monitoring import monitor  # it is heavy, and seldom needed

    try:
        found = monitor(shed, name, window_s)
    except TrainshedError as err:
        yield f"{name}: {err.message}"
        return
    requests, refused, errors = (
        sum(getattr(bucket, each) for bucket in found.traffic) for each in ("requests", "refused", "errors")
    )
    yield f"{name}: {requests:,} requests, {errors:,} failed, {refused:,} refused, {found.rows:,} predictions"
    drifted = [each.drift.sentence for each in found.drift if each.drift.shifted(NOTICEABLE)]
    yield f"  drift: {'; '.join(drifted[:MOST]) or 'none'}"
    judged = found.performance or found.estimate
    if judged is not None:
        yield f"  {judged.sentence}"
