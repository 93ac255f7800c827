"""Runs side by side: the params that differ, the metrics with the best of each, and what else was not the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runners.actions.runs import shown_metrics
from runners.comparing import data, surroundings, texts
from runners.comparing.data import DataDiff
from runners.comparing.surroundings import Values, differing
from runners.comparing.texts import CodeDiff
from runners.evaluation.scores import METRICS
from storage.errors import UsageError
from storage.read import runs as read_runs
from storage.shed import Shed

MOST = 20
_LESS_IS_BETTER = ("loss", "error", "latency", "seconds", "perplexity")


@dataclass(frozen=True)
class MetricRow:
    """One metric of every run, in their order. `best` are the places of the best value among runs that were measured
    on the same test rows; empty where none is."""

    name: str
    values: list[float | None]
    best: list[int]


@dataclass(frozen=True)
class Comparison:
    """Runs in the order they were asked for. Every part has only what differs.

    Attributes:
        origin: who ran what, where, on which data, with which seed.
        settings: what trainshed.toml said besides params.
        environment: interpreter, packages, machine, driver, variables.
        same_rows: whether all were measured on the same test rows; which those are is part of the origin.
        code, data: against the first run; empty where nobody asked for them.
    """

    runs: list[read_runs.RunRow]
    params: dict[str, Values]
    metrics: list[MetricRow]
    origin: dict[str, Values]
    settings: dict[str, Values]
    environment: dict[str, Values]
    same_rows: bool
    code: list[CodeDiff] = field(default_factory=list)
    data: list[DataDiff] = field(default_factory=list)


def compare(shed: Shed, run_ids: list[int], *, contents: bool = True) -> Comparison:
    """Put two to twenty runs side by side. Without `contents` nothing is read but rows and small files.

    Raises:
        UsageError: for fewer or more, or one that does not exist.
    """
    ids = list(dict.fromkeys(run_ids))
    if not 2 <= len(ids) <= MOST:
        raise UsageError(
            "nothing to compare with" if len(ids) < 2 else f"{len(ids)} runs are too many to read side by side",
            expected=f"two to {MOST} different runs",
        )
    rows = [read_runs.row(shed, run_id) for run_id in ids]
    runs = [row.run for row in rows]
    names: dict[str, Any] = {}
    for row in rows:
        names |= row.metrics
    measured_on = [surroundings.test_rows(shed, run) for run in runs]
    origins = [
        surroundings.origin(shed, run) | ({"test rows": told} if told else {})
        for run, told in zip(runs, measured_on, strict=True)
    ]
    return Comparison(
        runs=rows,
        params=differing([row.params for row in rows]),
        metrics=[_metric_row(name, rows, measured_on) for name, _ in shown_metrics(names)],
        origin=differing(origins),
        settings=differing([surroundings.settings(run) for run in runs]),
        environment=differing([surroundings.environment(shed, run) for run in runs]),
        same_rows=len(set(measured_on)) == 1,
        code=texts.differences(shed, runs) if contents else [],
        data=data.differences(shed, runs) if contents else [],
    )


def less_is_better(metric: str, gate: dict[str, Any] | None = None) -> bool | None:
    """Whether a smaller value of this metric is better; None where nobody can say from its name or from `gate`."""
    name = metric.rpartition("/")[2]
    if name in METRICS:
        return not METRICS[name].higher_is_better
    if gate and gate.get("metric") and gate["metric"] in (metric, metric.removeprefix("test/")):
        return gate.get("max") is not None and gate.get("min") is None  # as the gate itself reads it
    return True if any(word in metric.lower() for word in _LESS_IS_BETTER) or metric.endswith("_ms") else None


def _metric_row(name: str, rows: list[read_runs.RunRow], measured_on: list[str]) -> MetricRow:
    found = [row.metrics.get(name) for row in rows]
    values = [metric.last if metric else None for metric in found]
    less = {less_is_better(name, row.run.spec.get("gate")) for row in rows} - {None}
    if len(less) != 1:
        return MetricRow(name, values, [])
    choose: Callable[[set[float]], float] = min if less.pop() else max
    best: list[int] = []
    for same in dict.fromkeys(measured_on):
        known = {place: value for place, value in enumerate(values) if value is not None and measured_on[place] == same}
        if len(set(known.values())) > 1:
            top = choose(set(known.values()))
            best += [place for place, value in known.items() if value == top]
    return MetricRow(name, values, sorted(best))
