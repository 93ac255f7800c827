"""Runs side by side: the params that differ, the metrics with the best of each, and what else was not the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runners.actions.runs import environment, shown_metrics
from runners.evaluation.scores import METRICS
from storage.errors import UsageError
from storage.read import datasets as read_datasets
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import Run

Values = list[str | None]
_LESS_IS_BETTER = ("loss", "error", "latency", "seconds", "perplexity")


@dataclass(frozen=True)
class MetricRow:
    """One metric of every run, in their order. `best` are the places of the best value; empty where none is."""

    name: str
    values: list[float | None]
    best: list[int]


@dataclass(frozen=True)
class Comparison:
    """`params` holds only those that differ; `differences` what else does: code, data, environment, one row a thing."""

    runs: list[read_runs.RunRow]
    params: dict[str, Values]
    metrics: list[MetricRow]
    differences: dict[str, Values]


def compare(shed: Shed, run_ids: list[int]) -> Comparison:
    """Put two or more runs side by side.

    Raises:
        UsageError: for fewer than two, or one that does not exist.
    """
    ids = list(dict.fromkeys(run_ids))
    if len(ids) < 2:
        raise UsageError("nothing to compare with", expected="two or more different runs")
    rows = [read_runs.row(shed, run_id) for run_id in ids]
    names: dict[str, Any] = {}
    for row in rows:
        names |= row.metrics
    return Comparison(
        runs=rows,
        params=_differing([row.params for row in rows]),
        metrics=[_metric_row(name, rows) for name, _ in shown_metrics(names)],
        differences=_differing([_surroundings(shed, row.run) for row in rows]),
    )


def less_is_better(metric: str) -> bool | None:
    """Whether a smaller value of this metric is better; None where nobody can say from its name."""
    name = metric.rpartition("/")[2]
    if name in METRICS:
        return not METRICS[name].higher_is_better
    return True if any(word in metric.lower() for word in _LESS_IS_BETTER) or metric.endswith("_ms") else None


def _metric_row(name: str, rows: list[read_runs.RunRow]) -> MetricRow:
    found = [row.metrics.get(name) for row in rows]
    values = [metric.last if metric else None for metric in found]
    known = [value for value in values if value is not None]
    less = less_is_better(name)
    if less is None or len(set(known)) < 2:
        return MetricRow(name, values, [])
    choose: Callable[[list[float]], float] = min if less else max
    best = choose(known)
    return MetricRow(name, values, [place for place, value in enumerate(values) if value == best])


def _differing(columns: list[dict[str, str]]) -> dict[str, Values]:
    names = dict.fromkeys(name for column in columns for name in column)
    rows = {name: [column.get(name) for column in columns] for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def _surroundings(shed: Shed, run: Run) -> dict[str, str]:
    """What a run was made of besides its params: flat, as text."""
    found = {"project": run.project, "host": run.host, "user": run.user, "seed": str(run.seed), "code": run.code[:12]}
    if run.commit:
        found["commit"] = run.commit[:12] + (" with changes" if run.dirty else "")
    if run.dataset_version_id is not None:
        dataset, version = read_datasets.version_by_id(shed, run.dataset_version_id)
        found["dataset"] = f"{dataset.name} v{version.number}"
    around = {k: v for k, v in environment(shed, run.id or 0).items() if k not in ("host", "user")}
    return found | {name: text for part, value in around.items() for name, text in flattened(part, value).items()}


def flattened(prefix: str, value: Any) -> dict[str, str]:
    """Nested objects as `packages torch` → `2.13.0`. Lists are one text."""
    if not isinstance(value, Mapping):
        return {prefix: str(value)}
    flat: dict[str, str] = {}
    for key, item in value.items():
        flat |= flattened(f"{prefix} {key}", item)
    return flat
