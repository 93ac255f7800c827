"""What earlier runs of a project took: their params, and the most GPU memory that they held."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import defer
from sqlmodel import col, or_, select

from storage.shed import Shed
from storage.tables import Queued, Run

ENOUGH = 500  # older ones say little about the project as it is now


@dataclass(frozen=True)
class PastPeak:
    """An ended run and the GPU memory it took.

    Attributes:
        code: digest of its frozen code.
        params: as it was given them; of a command, the command itself as `command`.
        peak_bytes: the most that it held on any one GPU, looked at once a second; None where it was never seen.
        ending: how it ended, `gpu memory` where that ran out.
        alone: whether it had its GPUs for itself.
        devices: the GPUs it had, `gpu0` …
    """

    run_id: int
    code: str
    params: dict[str, object]
    gpus: int
    peak_bytes: int | None
    ending: str
    alone: bool
    devices: tuple[str, ...]


def peaks(shed: Shed, project: str, kind: str = "pipeline", host: str | None = None) -> list[PastPeak]:
    """The newest runs of a project that held memory on a GPU or ran out of it; of one host, or of all."""
    with shed.reading() as session:
        query = (
            select(Run, Queued)
            .outerjoin(Queued, col(Queued.run_id) == col(Run.id))
            .where(Run.project == project, Run.kind == kind, col(Run.ended_at).is_not(None))
            .where(or_(col(Run.peak_gpu_bytes).is_not(None), Run.ending == "gpu memory"))
            .order_by(col(Run.id).desc())
            .limit(ENOUGH)
            .options(defer(Run.snapshot))  # type: ignore[arg-type]  # the names of all its files
        )
        if host is not None:
            query = query.where(Run.host == host)
        return [_past(run, queued) for run, queued in session.exec(query)]


def _past(run: Run, queued: Queued | None) -> PastPeak:
    train = run.spec.get("train", {})
    command = {"command": run.spec.get("command")}
    return PastPeak(
        run_id=run.id or 0,
        code=run.code,
        params=command if run.kind == "command" else train.get("params", {}),
        gpus=queued.gpus if queued is not None else train.get("gpus", 1),
        peak_bytes=run.peak_gpu_bytes,
        ending=run.ending,
        alone=queued is not None and queued.gpu_memory is None,
        devices=tuple(device for device in run.devices if device.startswith("gpu")),
    )
