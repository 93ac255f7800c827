"""The queue: what waits, what holds devices, and who has used them how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import exists, not_
from sqlalchemy.orm import defer
from sqlmodel import col, or_, select

from storage.shed import Shed
from storage.tables import IMPORTED, DeviceUse, Queued, Run, Stage

ENDED_WELL = ("done", "waiting", "refused")


@dataclass(frozen=True)
class Entry:
    """A run and what it asked of the queue."""

    run: Run
    queued: Queued


def waiting(shed: Shed, host: str | None = None) -> list[Entry]:
    """The runs that wait, in no order that means anything; of one host, or of all."""
    return _entries(shed, "queued", host)


def holding(shed: Shed, host: str | None = None) -> list[Entry]:
    """The runs at work that the queue has started."""
    return _entries(shed, "running", host)


def entry(shed: Shed, run_id: int) -> Entry | None:
    """What a run asked of the queue; None for one that never was in it."""
    with shed.reading() as session:
        queued = session.get(Queued, run_id)
        return Entry(session.get_one(Run, run_id), queued) if queued is not None else None


def statuses(shed: Shed, run_ids: set[int]) -> dict[int, str]:
    """The status of each of these runs that is still known."""
    with shed.reading() as session:
        rows = session.exec(select(Run.id, Run.status).where(col(Run.id).in_(run_ids)))
        return {run_id: status for run_id, status in rows if run_id is not None}


def uses_since(shed: Shed, moment: float, host: str | None = None) -> list[DeviceUse]:
    """Every hold on a device that lasted beyond `moment`, or still lasts."""
    with shed.reading() as session:
        query = select(DeviceUse).where(or_(col(DeviceUse.ended_at).is_(None), col(DeviceUse.ended_at) > moment))
        if host is not None:
            query = query.where(DeviceUse.host == host)
        return list(session.exec(query))


@dataclass(frozen=True)
class Hold:
    """A run's hold on one device; `ended_at` None: it still has it."""

    device: str
    run_id: int
    name: str
    user: str
    started_at: float
    ended_at: float | None


def holds_since(shed: Shed, moment: float, host: str) -> list[Hold]:
    """Every hold on a device of this host that lasted beyond `moment`, or still lasts, in the order of their begins."""
    with shed.reading() as session:
        query = (
            select(DeviceUse, Run.name)
            .join(Run, col(Run.id) == col(DeviceUse.run_id))
            .where(DeviceUse.host == host)
            .where(or_(col(DeviceUse.ended_at).is_(None), col(DeviceUse.ended_at) > moment))
            .order_by(col(DeviceUse.started_at))
        )
        return [
            Hold(use.device, use.run_id, name, use.user, use.started_at, use.ended_at)
            for use, name in session.exec(query)
        ]


@dataclass(frozen=True)
class Past:
    """A run that ended well, as far as it tells how long the next one like it will take."""

    project: str
    kind: str
    gpus: int
    params: dict[str, float | str]
    duration_s: float
    status: str


@dataclass(frozen=True)
class Like:
    """A run that ended well, by how many params it differs from what is asked, and how long it took."""

    run_id: int
    differs: int
    duration_s: float


def most_alike(shed: Shed, project: str, params: Mapping[str, object], *, limit: int = 100) -> Like | None:
    """Of the newest runs of a project that ended well, the one with the most nearly the same params."""
    with shed.reading() as session:
        query = (
            select(Run)
            .options(defer(Run.snapshot))  # type: ignore[arg-type]
            .where(Run.project == project, Run.kind == "pipeline", col(Run.status).in_(ENDED_WELL))
            .order_by(col(Run.id).desc())
            .limit(limit)
        )
        found = [
            Like(run.id or 0, _differing(given(run), params), run.ended_at - run.started_at)
            for run in session.exec(query)
            if run.started_at is not None and run.ended_at is not None
        ]
    return min(found, key=lambda like: (like.differs, -like.run_id), default=None)


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> int:
    return sum(one.get(name) != other.get(name) for name in {*one, *other})


def past(shed: Shed, project: str, *, limit: int = 100) -> list[Past]:
    """The newest runs of a project that ended well and did all of their work themselves."""
    with shed.reading() as session:
        cached = exists().where(
            col(Stage.run_id) == col(Run.id), col(Stage.name) == "train", col(Stage.status) == "cached"
        )
        query = (
            select(Run, Queued.gpus)
            .options(defer(Run.snapshot))  # type: ignore[arg-type]
            .outerjoin(Queued, col(Queued.run_id) == col(Run.id))
            .where(Run.project == project, Run.kind != IMPORTED, col(Run.status).in_(ENDED_WELL), not_(cached))
            .order_by(col(Run.id).desc())
            .limit(limit)
        )
        return [
            Past(
                project,
                run.kind,
                run.spec.get("train", {}).get("gpus", 1) if gpus is None else gpus,
                given(run),
                run.ended_at - run.started_at,
                run.status,
            )
            for run, gpus in session.exec(query)
            if run.started_at is not None and run.ended_at is not None
        ]


def given(run: Run) -> dict[str, float | str]:
    """What a run was given: its params, or its command line as `command`."""
    if run.kind == "command":
        return {"command": " ".join(run.spec.get("command", []))}
    params: dict[str, float | str] = run.spec.get("train", {}).get("params", {})
    return params


def unended(shed: Shed, user: str, host: str) -> list[Run]:
    """The user's runs on this host that are said to be running."""
    with shed.reading() as session:
        query = select(Run).where(Run.status == "running", Run.user == user, Run.host == host)
        return list(session.exec(query))


def _entries(shed: Shed, status: str, host: str | None) -> list[Entry]:
    with shed.reading() as session:
        # What was frozen may be long, and nobody decides by it.
        query = (
            select(Run, Queued)
            .options(defer(Run.snapshot))  # type: ignore[arg-type]
            .join(Queued, col(Queued.run_id) == col(Run.id))
            .where(Run.status == status)
        )
        if host is not None:
            query = query.where(Run.host == host)
        return [Entry(run, queued) for run, queued in session.exec(query)]
