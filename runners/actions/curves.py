"""Metric series as a chart wants them: in as many points as it has columns, by step, time or epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from storage import metrics
from storage.read import runs as read_runs
from storage.shed import Shed

Along = Literal["step", "time", "epoch"]
Kind = Literal["metrics", "system"]
EPOCH = "epoch"  # the metric that says which epoch a step belongs to, where a run logs one


@dataclass(frozen=True)
class Ask:
    """One series: a metric of a run, or (`system`) what the run cost the machine."""

    run_id: int
    name: str
    kind: Kind = "metrics"


@dataclass(frozen=True)
class Drawable:
    """A series in few points: at each x its lowest and highest finite value.

    Attributes:
        x: steps, seconds since the run began, or epochs; rising.
        broken: the x of points that are not finite, at most one a column.
        last: the newest value, whatever it is; None without any.
        lowest, highest: the smallest and largest finite value of all, each with its x.
        along: what x really is: a run that logs no epoch is drawn by step.
    """

    ask: Ask
    x: list[float]
    low: list[float]
    high: list[float]
    broken: list[float]
    last: float | None
    lowest: tuple[float, float] | None
    highest: tuple[float, float] | None
    count: int
    along: Along


def names(shed: Shed, run_id: int, kind: Kind = "metrics") -> list[str]:
    """The series that a run has points of, in the order in which they first came."""
    return metrics.names(shed.run_dir(run_id) / kind)


def size(shed: Shed, run_id: int, kind: Kind = "metrics") -> int:
    """Bytes of a run's series: the same as before when nothing was logged meanwhile."""
    return metrics.size(shed.run_dir(run_id) / kind)


def drawable(
    shed: Shed, asks: list[Ask], columns: int, *, along: Along = "step", window: tuple[float, float] | None = None
) -> list[Drawable]:
    """Each series in at most `columns` points within `window`, or of all. One that is not there has no points."""
    began: dict[int, float] = {}
    for ask in asks:
        if ask.run_id not in began:
            run = read_runs.run(shed, ask.run_id)
            began[ask.run_id] = run.started_at or run.created_at
    return [_drawable(shed, ask, columns, along, window, began[ask.run_id]) for ask in asks]


def sparks(shed: Shed, asks: list[Ask], width: int) -> list[list[float | None]]:
    """Each series as at most `width` values: the middle of what falls on each. None for a value that is not finite."""
    told: list[list[float | None]] = []
    for ask in asks:
        series = metrics.read(shed.run_dir(ask.run_id) / ask.kind, ask.name)
        if len(series) > width:
            found = metrics.bucket(series, width)
            values = ((found.low + found.high) / 2)[found.count > 0]
        else:
            values = series.value
        told.append([float(value) if np.isfinite(value) else None for value in values])
    return told


def epochs_at(steps: metrics.Ints, epochs: metrics.Series) -> metrics.Floats:
    """The epoch of each step, by what the run logged as such."""
    order = np.argsort(epochs.step, kind="stable")
    return np.interp(steps.astype(np.float64), epochs.step[order].astype(np.float64), epochs.value[order])


def _drawable(
    shed: Shed, ask: Ask, columns: int, along: Along, window: tuple[float, float] | None, began: float
) -> Drawable:
    directory = shed.run_dir(ask.run_id) / ask.kind
    series = metrics.read(directory, ask.name)
    if not len(series):
        return Drawable(ask, [], [], [], [], None, None, None, 0, along)
    x, along = _along(directory, ask, series, along, began)
    value = series.value
    order = np.argsort(x, kind="stable")
    x, value = x[order], value[order]
    finite = np.isfinite(value)
    last = float(series.value[-1])
    lowest = highest = None
    if finite.any():
        at_low, at_high = (
            int(np.nanargmin(np.where(finite, value, np.nan))),
            int(np.nanargmax(np.where(finite, value, np.nan))),
        )
        lowest, highest = (float(value[at_low]), float(x[at_low])), (float(value[at_high]), float(x[at_high]))
    if window is not None:
        x, value, finite = _within(x, value, finite, window)
    low_x, low, high = _reduced(x[finite], value[finite], columns)
    broken = x[~finite]
    if len(broken) > columns:
        broken = broken[:: -(-len(broken) // columns)]
    return Drawable(ask, low_x, low, high, broken.tolist(), last, lowest, highest, len(series), along)


def _along(
    directory: object, ask: Ask, series: metrics.Series, along: Along, began: float
) -> tuple[metrics.Floats, Along]:
    if along == "time":
        return series.time - began, along
    step = series.step.astype(np.float64)
    if along == "epoch":
        epochs = metrics.read(str(directory), EPOCH)
        if len(epochs):
            return epochs_at(series.step, epochs), along
        return step, "step"
    return step, along


def _within(
    x: metrics.Floats, value: metrics.Floats, finite: np.ndarray, window: tuple[float, float]
) -> tuple[metrics.Floats, metrics.Floats, np.ndarray]:
    """What lies in the window, and one point on each side of it, so that the line goes on to the edge."""
    start = max(0, int(np.searchsorted(x, window[0], "left")) - 1)
    end = int(np.searchsorted(x, window[1], "right")) + 1
    return x[start:end], value[start:end], finite[start:end]


def _reduced(x: metrics.Floats, value: metrics.Floats, columns: int) -> tuple[list[float], list[float], list[float]]:
    if len(x) <= columns:
        return x.tolist(), value.tolist(), value.tolist()
    found = metrics.bucket(metrics.Series(np.arange(len(x)), x, value), columns, x="time")
    kept = found.count > 0
    return found.x[kept].tolist(), found.low[kept].tolist(), found.high[kept].tolist()
