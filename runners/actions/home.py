"""What a person wants to know first: what needs him, what runs, what waits, what is in production, what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from runners.actions import alerts, digest, endpoints, forecasts, models
from runners.actions.digest import Digest
from runners.actions.endpoints import EndpointStatus
from runners.actions.forecasts import Outlook
from runners.actions.liveness import supervised
from runners.actions.models import VersionDetails
from storage.errors import TrainshedError
from storage.read import digest as read_digest
from storage.read import models as read_models
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.read import triggers as read_triggers
from storage.read.queue import Entry
from storage.read.runs import RunRow
from storage.shed import Shed
from storage.tables import Stage

MOST = 50
LATELY = 12  # runs that ended last

NeedKind = Literal["approval", "firing", "alert", "left alone", "endpoint"]


@dataclass(frozen=True)
class Need:
    """Something that waits for a person. `subject` is what it is about: `flight-delay@v3`, a number, a name."""

    kind: NeedKind
    text: str
    subject: str
    at: float


@dataclass(frozen=True)
class AtWork:
    """A run at work, with the stages it has been through."""

    row: RunRow
    stages: list[Stage]


@dataclass(frozen=True)
class InProduction:
    """A model's version in production, the gate's word on it, and the endpoint that serves it, if any."""

    details: VersionDetails
    endpoint: EndpointStatus | None


@dataclass(frozen=True)
class Home:
    """All of it at one moment. `lately` are the runs that ended last; `bare`: nothing has happened in this shed yet."""

    needs: list[Need]
    at_work: list[AtWork]
    waiting: list[tuple[Entry, Outlook]]
    lately: list[RunRow]
    production: list[InProduction]
    digest: Digest
    bare: bool
    faults: list[str] = field(default_factory=list)


def home(shed: Shed, *, since: float | None = None) -> Home:
    """Look at everything. `since` is when the person was here before; None: as the shed remembers."""
    faults: list[str] = []
    rows = read_runs.page(shed, "status=running", limit=MOST)
    serving = {status.model: status for status in endpoints.every(shed)}
    every = read_models.every(shed)
    return Home(
        needs=_needs(shed, rows, list(serving.values())),
        at_work=[AtWork(row, read_runs.stages(shed, row.run.id or 0)) for row in rows],
        waiting=_waiting(shed, faults),
        lately=read_runs.page(shed, "status!=running status!=queued", sort="-ended_at", limit=LATELY),
        production=[
            InProduction(models.details(shed, f"{each.model.name}@production"), serving.get(each.model.name))
            for each in every
            if "production" in each.aliases
        ],
        digest=digest.digest(shed, since=since),
        bare=not every and not read_runs.count(shed),
        faults=faults,
    )


def _needs(shed: Shed, rows: list[RunRow], serving: list[EndpointStatus]) -> list[Need]:
    found = [
        Need("approval", f"{name} v{number} waits for your approval", f"{name}@v{number}", since)
        for name, number, since in read_digest.awaiting(shed)
    ]
    found += [
        Need("firing", f"{each.trigger.name} asks: {each.firing.why}", str(each.firing.id), each.firing.at)
        for each in read_triggers.history(shed, limit=MOST)
        if each.firing.status == "waiting"
    ]
    found += [
        Need("alert", each.title + (f" ({each.count} times)" if each.count > 1 else ""), str(each.id), each.last_at)
        for each in alerts.listing(shed, open_only=True, limit=MOST)
        if each.severity != "info"
    ]
    found += [
        Need(
            "endpoint",
            f"endpoint {each.name} is {each.state}: {each.trouble or 'nothing answers'}",
            each.name,
            each.since or 0.0,
        )
        for each in serving
        if each.state in ("dead", "failing")
    ]
    found += [
        Need(
            "left alone",
            f"run {row.run.id} {row.run.name} was left alone: its supervisor is gone",
            str(row.run.id),
            row.run.created_at,
        )
        for row in rows
        if not supervised(row.run)
    ]
    return found


def _waiting(shed: Shed, faults: list[str]) -> list[tuple[Entry, Outlook]]:
    """The queue as it will be served: who starts first comes first."""
    entries = read_queue.waiting(shed)
    try:
        known = forecasts.forecasts(shed) if entries else {}
    except TrainshedError as err:  # a faulty settings.toml hides when, not what
        known = {}
        faults.append(str(err))
    told = [(entry, known.get(entry.queued.run_id, Outlook(None, entry.queued.held))) for entry in entries]

    def order(item: tuple[Entry, Outlook]) -> tuple[float, float]:
        starts = item[1].starts_in
        return (starts.likely if starts is not None else float("inf"), item[0].queued.queued_at)

    return sorted(told, key=order)
