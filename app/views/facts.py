"""Rows of the shed as the facts of a JSON line, and their statuses in colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.output import At, Styled
from screens import figures
from storage.read.runs import RunRow
from storage.tables import Decision, ModelVersion, Run, RunMetric, Stage

if TYPE_CHECKING:
    from runners.actions.forecasts import Outlook
    from runners.estimates import Spread

COLOURS = {
    "done": "green",
    "cached": "green",
    "running": "cyan",
    "waiting": "yellow",
    "failed": "red",
    "invalid": "red",
    "refused": "red",
    "stopped": "yellow",
    "skipped": "dim",
    "production": "green",
    "passed": "green",
    "rejected": "red",
    "previous": "dim",
}


def status(word: str) -> Styled:
    return Styled(word, COLOURS.get(word, ""))


def run_status(run: Run, outlook: Outlook | None = None) -> Styled:
    """`running 62 %`, `done`, `queued, ~4 min`; `left alone` when it is said to run and its supervisor is gone."""
    if not _supervised(run):
        return Styled("left alone", "yellow")
    if run.status == "running" and run.progress is not None:
        return Styled(f"running {run.progress:.0%}".replace("%", " %"), COLOURS["running"])
    if outlook is not None and outlook.starts_in is not None:
        return Styled(f"queued, ~{figures.duration(outlook.starts_in.likely)}", "")
    if outlook is not None and outlook.held:
        return Styled(f"queued: {outlook.held}", "")
    return status(run.status)


def outlook_facts(outlook: Outlook | None) -> dict[str, Any]:
    """What is told of a run that waits; nothing of another."""
    if outlook is None:
        return {}
    return {"starts_in": spread_facts(outlook.starts_in), "held": outlook.held}


def spread_facts(spread: Spread | None) -> dict[str, Any] | None:
    """Seconds from now, for programs."""
    if spread is None:
        return None
    return {"low": round(spread.low, 1), "likely": round(spread.likely, 1), "high": round(spread.high, 1)}


def _supervised(run: Run) -> bool:
    if run.status != "running":
        return True
    from runners.actions.liveness import supervised

    return supervised(run)


def run_facts(row: RunRow) -> dict[str, Any]:
    run = row.run
    return {
        "run": run.id,
        "name": run.name,
        "project": run.project,
        "status": run.status,
        "left_alone": not _supervised(run),
        "progress": run.progress,
        "user": run.user,
        "host": run.host,
        "created": At(run.created_at),
        "started": At(run.started_at),
        "ended": At(run.ended_at),
        "attempt": run.attempt,
        "commit": run.commit,
        "dirty": run.dirty,
        "reason": run.reason,
        "ending": run.ending,
        "devices": run.devices,
        "peak_rss_bytes": run.peak_rss_bytes,
        "peak_gpu_bytes": run.peak_gpu_bytes,
        "params": row.params,
        "metrics": {name: last(metric) for name, metric in row.metrics.items()},
        "tags": row.tags,
    }


def last(metric: RunMetric) -> float | None:
    """The metric's last value; NaN where it was not finite."""
    return float("nan") if metric.last is None and metric.nonfinite_step is not None else metric.last


def stage_facts(stage: Stage) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "status": stage.status,
        "seconds": seconds(stage),
        "cached_from": stage.cached_from,
        "reason": stage.reason,
        "facts": stage.facts,
    }


def seconds(stage: Stage) -> float | None:
    """How long the stage worked; None for one that has not ended or that stood in for another."""
    if stage.status == "cached" or stage.started_at is None or stage.ended_at is None:
        return None
    return round(stage.ended_at - stage.started_at, 3)


def version_facts(name: str, version: ModelVersion, aliases: dict[str, int]) -> dict[str, Any]:
    return {
        "model": name,
        "version": version.number,
        "status": version.status,
        "aliases": [alias for alias, number in aliases.items() if number == version.number],
        "digest": version.digest,
        "run": version.run_id,
        "task": version.task,
        "metrics": version.metrics,
        "created": At(version.created_at),
        "created_by": version.created_by,
    }


def decision_facts(decision: Decision, numbers: dict[int, int]) -> dict[str, Any]:
    return {
        "at": At(decision.at),
        "user": decision.user,
        "kind": decision.kind,
        "version": numbers.get(decision.version_id),
        "alias": decision.alias,
        "previous": numbers.get(decision.previous_id or 0),
        "passed": decision.passed,
        "reason": decision.reason,
        "run": decision.run_id,
        "evidence": decision.evidence,
    }
