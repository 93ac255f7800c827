"""Sweeps, and their trials beside the runs that try them out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from sqlmodel import and_, col, func, select

from storage.errors import UsageError
from storage.shed import Shed
from storage.tables import Run, RunMetric, Sweep, Trial


@dataclass(frozen=True)
class TrialRun:
    """How the run of a trial stands."""

    id: int
    status: str
    ending: str
    reason: str
    attempt: int
    progress: float | None
    started_at: float | None
    ended_at: float | None

    @property
    def seconds(self) -> float | None:
        """How long it worked; None while it has not ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max(0.0, self.ended_at - self.started_at)


@dataclass(frozen=True)
class TrialRow:
    """A trial, its run (None where that was removed), and the last value of the sweep's metric so far."""

    trial: Trial
    run: TrialRun | None
    latest: float | None = None


@dataclass(frozen=True)
class SweepRow:
    """A sweep as a list shows it: status → number of its trials, and its best trial."""

    sweep: Sweep
    trials: dict[str, int] = field(default_factory=dict)
    best: Trial | None = None


def sweep(shed: Shed, sweep_id: int) -> Sweep:
    """Raises UsageError when there is no such sweep."""
    with shed.reading() as session:
        found = session.get(Sweep, sweep_id)
    if found is None:
        raise UsageError(f"no sweep {sweep_id}", todo="`trainshed sweep list` shows the sweeps there are")
    return found


def page(shed: Shed, *, project: str | None = None, limit: int = 50) -> list[SweepRow]:
    """Sweeps, the newest first."""
    with shed.reading() as session:
        query = select(Sweep).order_by(col(Sweep.id).desc()).limit(limit)
        sweeps = session.exec(query.where(Sweep.project == project) if project is not None else query).all()
        ids = [sweep.id for sweep in sweeps]
        counts: dict[int, dict[str, int]] = defaultdict(dict)
        grouped = select(Trial.sweep_id, Trial.status, func.count()).where(col(Trial.sweep_id).in_(ids))
        for sweep_id, status, number in session.exec(grouped.group_by(col(Trial.sweep_id), col(Trial.status))):
            counts[sweep_id][status] = number
        return [
            SweepRow(
                sweep,
                counts[sweep.id or 0],
                session.get(Trial, (sweep.id, sweep.best_trial)) if sweep.best_trial is not None else None,
            )
            for sweep in sweeps
        ]


def trials(shed: Shed, sweep_id: int, metric: str = "") -> list[TrialRow]:
    """The trials of a sweep in their order, each with its run as it stands and the last value of `metric`."""
    with shed.reading() as session:
        columns = (Run.id, Run.status, Run.ending, Run.reason, Run.attempt, Run.progress, Run.started_at, Run.ended_at)
        runs = select(*columns).join(Trial, col(Trial.run_id) == col(Run.id)).where(Trial.sweep_id == sweep_id)  # type: ignore[call-overload]
        found = {row[0]: TrialRun(*row) for row in session.exec(runs)}
        logged = and_(col(RunMetric.run_id) == col(Trial.run_id), col(RunMetric.name) == metric)
        query = select(Trial, RunMetric.last).outerjoin(RunMetric, logged).where(Trial.sweep_id == sweep_id)
        return [
            TrialRow(trial, found.get(trial.run_id), latest)
            for trial, latest in session.exec(query.order_by(col(Trial.number)))
        ]


def running(shed: Shed, user: str, host: str) -> list[int]:
    """The user's sweeps on this host that have not ended."""
    with shed.reading() as session:
        query = select(Sweep.id).where(Sweep.status == "running", Sweep.user == user, Sweep.host == host)
        return [sweep_id for sweep_id in session.exec(query) if sweep_id is not None]
