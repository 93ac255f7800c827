"""What a trial's run says of the sweep's metric: points on the way, and the value in the end."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from runners.sweeps.search import TEST, Search
from storage import metrics
from storage.metrics import Series
from storage.read import runs as read_runs
from storage.shed import Shed

TAIL_BYTES = 16384


@dataclass(frozen=True)
class Point:
    """The value at the `number`-th point of a series, counted from 1, and the run's own step there."""

    number: int
    step: int
    value: float


@dataclass(frozen=True)
class Result:
    """A trial's value, None where there is none; `why` says why."""

    value: float | None
    last_step: int | None = None
    why: str = ""


def series(shed: Shed, run_id: int, metric: str) -> Series:
    """The metric as the run logged it, or the run whose training stood in for its own."""
    found = metrics.read(shed.run_dir(run_id) / "metrics", metric)
    if len(found):
        return found
    trained = next((stage for stage in read_runs.stages(shed, run_id) if stage.name == "train"), None)
    if trained is None or trained.cached_from is None:
        return found
    return metrics.read(shed.run_dir(trained.cached_from) / "metrics", metric)


def points(found: Series, search: Search, after: int) -> list[Point]:
    """The points beyond the `after`-th that are looked at: each of the first 64, then ever fewer.

    Which ones are is the same for every trial, however late it is looked at. Where the best value counts, it is the
    best so far.
    """
    values = _so_far(found, search)
    return [
        Point(number, int(found.step[number - 1]), float(values[number - 1]))
        for number in takewhile(lambda number: number <= len(found), _looked_at())
        if number > after
    ]


def result(shed: Shed, run_id: int, search: Search) -> Result:
    """What the run of a trial came to, once it has ended well."""
    if search.metric.startswith(TEST):
        return _evaluated(shed, run_id, search.metric)
    found = series(shed, run_id, search.metric)
    if not len(found):
        logged = ", ".join(metrics.names(shed.run_dir(run_id) / "metrics")) or "nothing"
        return Result(None, why=f"it logged no {search.metric}, but {logged}")
    value = float(_so_far(found, search)[-1])
    last_step = int(found.step[-1])
    if not math.isfinite(value):
        return Result(None, last_step, f"{search.metric} ended as {value}")
    return Result(value, last_step)


def progress(shed: Shed, run_id: int) -> float:
    """How far the run said that it is, 0 to 1: as it was told, while its row follows a few seconds later.

    The most that it said lately: after training it begins anew, with its export.
    """
    from runners.supervised import EVENTS

    try:
        with (shed.run_dir(run_id) / EVENTS).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return 0.0
    most = 0.0
    for line in reversed(lines):
        with suppress(ValueError, KeyError, TypeError):
            event = json.loads(line)
            if event["event"] == "run":  # an earlier attempt lies before
                break
            if event["event"] == "progress":
                most = max(most, float(event["share"]))
    return most


def _evaluated(shed: Shed, run_id: int, metric: str) -> Result:
    stage = next((stage for stage in read_runs.stages(shed, run_id) if stage.name == "evaluate"), None)
    facts = stage.facts if stage is not None else {}
    measured = {**facts.get("metrics", {}), **facts.get("own_metrics", {})}
    value = measured.get(metric.removeprefix(TEST))
    if value is None or not math.isfinite(value):
        known = ", ".join(f"{TEST}{name}" for name in measured) or "nothing"
        return Result(None, why=f"{metric} was not measured, but {known}" if value is None else f"{metric} is {value}")
    return Result(float(value))


def _so_far(found: Series, search: Search) -> metrics.Floats:
    """The series itself, or the best value up to each point; NaN where there was no number yet."""
    if search.value == "last":
        return found.value
    best = np.fmax if search.direction == "maximize" else np.fmin
    finite = np.where(np.isfinite(found.value), found.value, np.nan)
    return np.asarray(best.accumulate(finite)) if len(finite) else finite


def _looked_at() -> Iterator[int]:
    """1, 2, … 64, and then by steps that grow with the number."""
    number = 1
    while True:
        yield number
        number += max(1, number // 32)
