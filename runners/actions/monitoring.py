"""The verb of the monitor: what an endpoint does and how well, from its counters and its prediction log."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from runners.evaluation.slices import SliceRow
from runners.monitoring import answers, drift, histograms, performance, samples, traffic
from runners.monitoring.answers import Answers
from runners.monitoring.behind import Behind, behind
from runners.monitoring.drift import LEAST_ROWS, ColumnDrift
from runners.monitoring.harm import ColumnHarm, ranked
from runners.monitoring.histograms import Histogram
from runners.monitoring.performance import STEPS, Performance, Step
from runners.monitoring.traffic import Bucket
from runners.serving import figures, standing
from storage import predictions
from storage import traffic as traffic_log
from storage.counted import counted
from storage.durable import write_whole
from storage.errors import ShedError, TrainshedError
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.serve_section import of_endpoint
from storage.shed import Shed
from storage.tables import Endpoint, ModelVersion

__all__ = [
    "Bucket", "ColumnDrift", "ColumnHarm", "Histogram", "Monitored", "Performance", "SliceRow", "Step", "monitor",
]  # fmt: skip

DAY_S = 24 * 3600.0
READS = 3  # a file of the log becomes another one while it is read, once in a while


@dataclass(frozen=True)
class Monitored:
    """An endpoint from `since` to `until` (seconds since the epoch, UTC).

    Attributes:
        version: the model version that the figures below are of: the one that serves, or served last.
        rows: predictions in the log.
        traffic: every bucket of the window, empty ones too.
        drift: the model's inputs, the most harmful first, against the rows that it learnt from.
        predictions: now beside those on the rows that it was evaluated on.
        performance: None until enough truth has come.
        estimate: what its confidence says; None where that says nothing (a regression).
        notes: why something is missing, a sentence each.
    """

    endpoint: str
    model: str
    version: int | None
    since: float
    until: float
    rows: int
    traffic: list[Bucket]
    drift: list[ColumnHarm] = field(default_factory=list)
    predictions: Histogram | None = None
    performance: Performance | None = None
    estimate: Performance | None = None
    notes: list[str] = field(default_factory=list)


def monitor(shed: Shed, endpoint: str, window_s: float = DAY_S) -> Monitored:
    """Look at the last `window_s` seconds of an endpoint. It takes about a second; nothing is asked of the endpoint.

    Raises:
        UsageError: when there is no such endpoint.
        ShedError: when its log cannot be read.
    """
    row = read_endpoints.named(shed, endpoint)
    until = time.time()
    since = until - window_s
    version = _version(shed, row)
    stood = behind(shed, version) if version is not None else None
    seconds = traffic.bucket_seconds(window_s)
    logged = _logged(shed, row, stood, since, seconds)
    found = Monitored(
        endpoint=row.name,
        model=row.model,
        version=version.number if version is not None else None,
        since=since,
        until=until,
        rows=logged.rows,
        traffic=_traffic(shed, row, logged, since, until, seconds),
    )
    if stood is None:
        return replace(found, notes=[f"no version of {row.model} has served yet"])
    step_s = max(traffic.bucket_seconds(window_s * traffic.MOST_BUCKETS / STEPS), seconds)
    return _judged(shed, row, found, stood, logged, step_s)


@dataclass(frozen=True)
class _Logged:
    """What the log holds: predictions, requests by bucket, rows drawn, and rows of which the truth is known."""

    rows: int
    latencies: dict[int, tuple[int, float, float]]
    asked: Answers | None
    known: Answers | None


def _logged(shed: Shed, row: Endpoint, stood: Behind | None, since: float, seconds: float) -> _Logged:
    folder = shed.endpoint_dir(row.name) / "log"
    for _ in range(READS):
        with suppress(duckdb.IOException), predictions.connect(folder) as con:
            asked = answers.drawn(con, stood.signature, stood.version.number, since) if stood else None
            known = answers.known(con, stood.signature, stood.version.number, since, stood.slices) if stood else None
            return _Logged(answers.count(con, since), answers.latencies(con, since, seconds), asked, known)
    raise ShedError("its files change faster than they can be read", place=str(folder), todo="look again")


def _traffic(shed: Shed, row: Endpoint, logged: _Logged, since: float, until: float, seconds: float) -> list[Bucket]:
    folder = shed.endpoint_dir(row.name)
    first = [traffic_log.Sample(row.created_at, {})] if row.created_at >= since else []
    noted = [*first, *traffic_log.read(folder, since), traffic_log.Sample(until, figures.totals(folder).counters)]
    share = of_endpoint(row.name, row.settings).log.sample
    return traffic.buckets(noted, logged.latencies, since, until, seconds, share)


def _judged(shed: Shed, row: Endpoint, found: Monitored, stood: Behind, logged: _Logged, step_s: float) -> Monitored:
    """With drift, predictions, performance and its estimate."""
    notes: list[str] = []
    task, classes, metric = stood.signature.task, stood.signature.classes, stood.metric
    assert logged.asked is not None and logged.known is not None
    histogram, estimate = None, None
    if stood.said is None or stood.truth is None:
        notes.append("the rows that the model was evaluated on are gone: nothing to compare its predictions with")
    else:
        histogram = histograms.histogram(task, classes, logged.asked.prediction, stood.said)
        estimate = performance.estimated(logged.asked, task, metric, (stood.truth, stood.said), step_s=step_s)
    slices = stood.evaluated_slices() if len(logged.known) else []
    measured = performance.measured(logged.known, task, metric, reference=stood.reference, slices=slices, step_s=step_s)
    if measured is None:
        known = counted(len(logged.known), "prediction")
        notes.append(f"{known} with a truth; performance needs {performance.FEWEST}")
    drifted = _drift(stood, row, shed.endpoint_dir(row.name), found.since, found.rows, notes)
    return replace(found, drift=drifted, predictions=histogram, performance=measured, estimate=estimate, notes=notes)


def _version(shed: Shed, row: Endpoint) -> ModelVersion | None:
    """What serves, or served last; else what the alias names."""
    stood = standing.read(shed.endpoint_dir(row.name))
    if stood is not None and stood.serving:
        found = read_models.with_digest(shed, row.model, stood.serving["digest"])
        if found is not None:
            return found
    return read_models.aliased(shed, row.model, row.alias)


def _drift(
    stood: Behind, endpoint: Endpoint, folder: Path, since: float, rows: int, notes: list[str]
) -> list[ColumnHarm]:
    wanted = samples.logged(samples.inputs_of(stood.signature), endpoint)
    if not wanted:
        notes.append("the model takes tensors: drift of inputs is measured by column")
        return []
    if rows < LEAST_ROWS:
        notes.append(f"{rows:,} predictions; drift needs {LEAST_ROWS}")
        return []
    try:
        learnt = stood.learnt
    except TrainshedError as err:
        learnt = {}
        notes.append(f"what v{stood.version.number} was trained on cannot be read: {err.message}")
    if not learnt:
        notes.append(f"the rows that v{stood.version.number} was trained on are gone: no drift can be told")
        return []
    drifts = drift.compare(learnt, samples.of_log(folder / "log", wanted, since))
    return ranked(drifts, _importance(stood, folder, notes))


def _importance(stood: Behind, folder: Path, notes: list[str]) -> dict[str, float]:
    """Measured once a version, and kept beside the log."""
    path = folder / "importance.json"
    try:
        kept = json.loads(path.read_bytes())
        if kept["digest"] == stood.version.digest:
            return {str(name): float(value) for name, value in kept["columns"].items()}
    except (OSError, ValueError, KeyError):
        pass
    try:
        found = stood.importance()
    except TrainshedError as err:
        notes.append(f"columns are ranked by their shift alone: {err.message}")
        return {}
    if not found:
        notes.append("columns are ranked by their shift alone: the rows to measure their importance on are gone")
        return {}
    try:
        write_whole(path, json.dumps({"digest": stood.version.digest, "columns": found}).encode(), mode=0o660)
    except OSError:  # somebody else's endpoint: it is measured again the next time
        return found
    return found
