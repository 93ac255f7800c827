"""What happens to runs, written down as it happens."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete
from sqlmodel import col, select

from storage.errors import UsageError
from storage.names import checked_name
from storage.shed import Shed, Write, current_user
from storage.tables import (
    Artifact,
    DeviceUse,
    ModelVersion,
    Queued,
    Run,
    RunMetric,
    RunNote,
    RunParam,
    RunTag,
    Stage,
    Trial,
)

if TYPE_CHECKING:
    from storage.metrics import Summary


@dataclass(frozen=True)
class NewRun:
    """Everything that is frozen when a run is launched."""

    name: str
    project: str
    project_dir: str
    identity: str
    code: str
    spec: dict[str, Any]
    snapshot: dict[str, Any]
    params: Mapping[str, Any]
    seed: int = 0
    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    dataset_version_id: int | None = None
    parent_version_id: int | None = None
    until: str | None = None
    tags: tuple[str, ...] = field(default_factory=tuple)
    kind: str = "pipeline"
    sweep_id: int | None = None
    trial: int | None = None


def create(shed: Shed, new: NewRun) -> Run:
    """Record a run; it is `running` from now on, under whoever calls this."""
    now = time.time()
    with shed.writing("run created", f"project {new.project}") as write:
        run = insert(write, new, status="running", created_at=now, started_at=now)
    shed.make_dir(shed.run_dir(run.id or 0))
    return run


def insert(write: Write, new: NewRun, **fields: Any) -> Run:
    """The run's rows, within a transaction that a caller goes on with."""
    plain = {key: value for key, value in vars(new).items() if key not in ("params", "tags")}
    run = Run(**{**plain, "user": current_user(), "host": socket.gethostname(), **fields})
    write.session.add(run)
    write.session.flush()
    assert run.id is not None
    write.subject = f"run {run.id}"
    write.detail.update(project=new.project, name=new.name)
    for name, value in new.params.items():
        write.session.add(param_row(run.id, name, value))
    for tag in new.tags:
        write.session.add(RunTag(run_id=run.id, tag=checked_name(tag, "tag")))
    return run


def take_up(shed: Shed, run_id: int, supervisor: dict[str, Any]) -> Run:
    """A run goes on: it did not end well, or its supervisor is gone. Its attempt counts up."""
    with shed.writing("run taken up", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        run.attempt += 1
        run.status, run.reason, run.ending, run.exit_code, run.ended_at = "running", "", "", None, None
        run.supervisor, run.started_at = supervisor, time.time()
        write.session.add(run)
        write.detail.update(attempt=run.attempt)
    return run


def supervised_by(shed: Shed, run_id: int, supervisor: dict[str, Any]) -> None:
    with shed.writing("run supervised", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        run.supervisor, run.heartbeat_at = supervisor, time.time()
        write.session.add(run)


def finish(shed: Shed, run_id: int, status: str, exit_code: int, reason: str = "", *, ending: str = "") -> None:
    """A run has ended. `ending` says how, for programs; `done` where it is left out and the exit code is 0."""
    now = time.time()
    with shed.writing(f"run {status}", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        run.status, run.exit_code, run.reason, run.ended_at = status, exit_code, reason, now
        run.ending = ending or ("done" if exit_code == 0 else status)
        write.session.add(run)
        give_back(write, run_id, now)
        write.detail.update(exit_code=exit_code, reason=reason, ending=run.ending)


def param_row(run_id: int, name: str, value: Any) -> RunParam:
    return RunParam(run_id=run_id, name=name, text=_text(value), number=_number(value))


def metric_row(run_id: int, name: str, found: Summary) -> RunMetric:
    """What a series came to; what is not finite is no value, but `nonfinite_step` tells it."""
    return RunMetric(
        run_id=run_id,
        name=name,
        last=_finite(found.last),
        lowest=_finite(found.min),
        highest=_finite(found.max),
        count=found.count,
        last_step=found.last_step,
        nonfinite_step=found.first_nonfinite_step,
    )


def figure_row(run_id: int, name: str, value: float) -> RunMetric:
    """A metric that is one figure, not a series."""
    kept = _finite(value)
    return RunMetric(
        run_id=run_id,
        name=name,
        last=kept,
        lowest=kept,
        highest=kept,
        count=1,
        nonfinite_step=0 if kept is None else None,
    )


def give_back(write: Write, run_id: int, now: float) -> None:
    """The run holds no device any more."""
    uses = select(DeviceUse).where(DeviceUse.run_id == run_id, col(DeviceUse.ended_at).is_(None))
    for use in write.session.exec(uses):
        use.ended_at = now
        write.session.add(use)


def peaks(shed: Shed, run_id: int, *, rss_bytes: int | None, gpu_bytes: int | None) -> None:
    """The most memory that the run's child has held, over all its attempts."""
    with shed.writing("run measured", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        run.peak_rss_bytes = max(run.peak_rss_bytes or 0, rss_bytes or 0) or None
        run.peak_gpu_bytes = max(run.peak_gpu_bytes or 0, gpu_bytes or 0) or None
        write.session.add(run)


def progress(
    shed: Shed, run_id: int, metrics: Mapping[str, RunMetric], share: float | None = None, text: str = ""
) -> None:
    """The heartbeat of a run: how far it is, and what its metrics have come to."""
    with shed.writing("run progress", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        run.heartbeat_at = time.time()
        if share is not None:
            run.progress, run.progress_text = share, text
        write.session.add(run)
        for metric in metrics.values():
            write.session.merge(metric)


def measured(shed: Shed, run_id: int, values: Mapping[str, float]) -> None:
    """Metrics that are one figure, not a series: what evaluation and packaging found."""
    with shed.writing("run measured", f"run {run_id}") as write:
        for name, value in values.items():
            write.session.merge(figure_row(run_id, name, value))
        write.detail.update(metrics=sorted(values))


def set_stage(shed: Shed, run_id: int, name: str, **fields: Any) -> Stage:
    """Create or change the row of one stage. Only the given fields change."""
    with shed.writing(f"stage {name} {fields.get('status', 'changed')}", f"run {run_id}") as write:
        query = select(Stage).where(Stage.run_id == run_id, Stage.name == name)
        stage = write.session.exec(query).first()
        if stage is None:
            stage = Stage(run_id=run_id, name=name, status="waiting", user=current_user(), host=socket.gethostname())
        for key, value in fields.items():
            setattr(stage, key, value)
        write.session.add(stage)
    return stage


def add_artifact(shed: Shed, run_id: int, name: str, digest: str, size: int) -> None:
    with shed.writing("artifact saved", f"run {run_id}") as write:
        query = select(Artifact).where(Artifact.run_id == run_id, Artifact.name == name)
        artifact = write.session.exec(query).first() or Artifact(
            run_id=run_id, name=name, digest="", bytes=0, created_at=0
        )
        artifact.digest, artifact.bytes, artifact.created_at = digest, size, time.time()
        write.session.add(artifact)
        write.detail.update(name=name, digest=digest)


def add_note(shed: Shed, run_id: int, text: str) -> None:
    """Raises UsageError for an empty note."""
    if not text.strip():
        raise UsageError("an empty note", expected="some text")
    with shed.writing("note added", f"run {run_id}") as write:
        write.session.add(RunNote(run_id=run_id, at=time.time(), user=current_user(), text=text))


def add_tag(shed: Shed, run_id: int, tag: str) -> None:
    with shed.writing("tag added", f"run {run_id}") as write:
        write.session.merge(RunTag(run_id=run_id, tag=checked_name(tag, "tag")))
        write.detail.update(tag=tag)


def remove(shed: Shed, run_id: int) -> None:
    """Forget a run and its rows; the caller removes its directory.

    Raises:
        UsageError: while it runs, or when a model version came from it.
    """
    with shed.writing("run removed", f"run {run_id}") as write:
        session = write.session
        run = session.get(Run, run_id)
        if run is None:
            raise UsageError(f"no run {run_id}", todo="`trainshed runs list` shows the runs there are")
        if run.status in ("running", "queued"):
            raise UsageError(f"run {run_id} is {run.status}", todo=f"wait for it, or `trainshed runs stop {run_id}`")
        version = session.exec(select(ModelVersion).where(ModelVersion.run_id == run_id)).first()
        if version is not None:
            raise UsageError(f"run {run_id} made model version {version.number}", expected="a run without a model")
        for other in session.exec(select(Stage).where(Stage.cached_from == run_id)):
            other.cached_from = None
            session.add(other)
        for table in (RunParam, RunMetric, RunTag, RunNote, Artifact, Stage, Queued, DeviceUse):
            session.exec(delete(table).where(col(table.run_id) == run_id))
        for trial in session.exec(select(Trial).where(Trial.run_id == run_id)):
            trial.run_id = None
            session.add(trial)
        session.delete(run)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
