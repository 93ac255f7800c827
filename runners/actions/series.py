"""The metric series of a run."""

from __future__ import annotations

from dataclasses import dataclass

from storage import metrics
from storage.errors import UsageError, nearest
from storage.read import runs as read_runs
from storage.shed import Shed


@dataclass(frozen=True)
class Points:
    """One metric's points: step, time (seconds since the epoch) and value of each, in the order they were logged."""

    name: str
    rows: list[tuple[int, float, float]]


def series(shed: Shed, run_id: int, name: str | None = None) -> list[Points]:
    """The series of one metric, or of all that the run logged.

    Raises:
        UsageError: when there is no such run, or it logged no such metric.
    """
    read_runs.run(shed, run_id)
    directory = shed.run_dir(run_id) / "metrics"
    known = metrics.names(directory)
    if name is not None and name not in known:
        raise UsageError(
            f'run {run_id} logged no metric "{name}"',
            expected="one of " + ", ".join(known) if known else "",
            todo=nearest(name, known),
        )
    return [_points(name, metrics.read(directory, name)) for name in ([name] if name is not None else known)]


def _points(name: str, found: metrics.Series) -> Points:
    return Points(name, list(zip(found.step.tolist(), found.time.tolist(), found.value.tolist(), strict=True)))
